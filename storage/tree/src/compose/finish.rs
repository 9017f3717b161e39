//! From the assembled packages to the finished tree: everything that the treefile asks for
//! beyond packages, done on a writable view of a checkout, and read back.

use super::accounts::{self, Accounts, Expected};
use super::base::{BASE_DB, IDS, RPMDB, put_directory};
use super::confined::Confined;
use super::root::{Kind, Root};
use super::treefile::{Check, CheckKind, Loaded};
use super::{Error, kernel, layout, postprocess, var};
use crate::Labelling;
use crate::assemble::writable::Writable;
use cambium_model::{Checksum, Observer, Progress};
use cambium_ostree::{Attributes, Labels, Policy, Repo, Tree};
use cambium_rpm::{Header, rpmdb};
use cambium_sandbox::{Backend, Limits};
use std::fs;
use std::path::Path;

/// What a tree is finished with.
pub(crate) struct Finishing<'a> {
    /// The treefile.
    pub loaded: &'a Loaded,
    /// The new commit's version.
    pub version: Option<&'a str>,
    /// The accounts of the previous commit.
    pub previous: Option<&'a Accounts>,
    /// The headers of its packages.
    pub headers: &'a [Header],
    /// SOURCE_DATE_EPOCH.
    pub epoch: u64,
    /// How the tree is made writable, and by what its programs are confined.
    pub backend: &'a Backend,
    /// Bounds of each program.
    pub limits: Limits,
    /// Whether files are labelled.
    pub labelling: Labelling,
    /// An empty directory on the repository's file system.
    pub scratch: &'a Path,
}

/// Finishes the tree of `assembled`. The answer is a tree that is not yet written, and the
/// kernel's version. Needs a transaction of `repo`.
pub(crate) fn finish<'r>(
    repo: &'r Repo,
    assembled: &Checksum,
    finishing: &Finishing<'_>,
    observer: &dyn Observer,
) -> Result<(Tree<'r>, Option<String>), Error> {
    let at = |name: &str| finishing.scratch.join(name);
    repo.checkout(assembled, &at("lower"), observer)?;
    let stage = at("stage");
    for name in ["overlay", "stage", "dracut"] {
        let path = at(name);
        fs::create_dir(&path).map_err(|source| Error::io("create", &path, source))?;
    }
    copy_links(&at("lower"), &stage)?;
    let writing = finishing.backend.writing;
    let (lower, usr) = (at("lower/usr"), stage.join("usr"));
    let writable = Writable::over(&[lower], &usr, &at("overlay"), writing, observer)?;
    let version = writable.with(|| {
        let root = Root::open(&stage)?;
        change(&root, finishing, &at("dracut"), observer)
    })??;
    let mut tree = Tree::from_commit(repo, assembled)?;
    writable.apply(&mut tree)?;
    put_top_level(&mut tree, &Root::open(&stage)?)?;
    let labels = labels(&mut tree, finishing)?;
    tree.set_labels(labels);
    write_rpmdb(&mut tree, finishing, &at("rpmdb"), observer)?;
    relabel(&mut tree, observer)?;
    Ok((tree, version))
}

/// The labels of the finished tree: now nothing changes its policy any more.
fn labels(tree: &mut Tree<'_>, finishing: &Finishing<'_>) -> Result<Labels, Error> {
    if finishing.labelling == Labelling::Never {
        return Ok(Labels::None);
    }
    let policy = Policy::of_tree(tree)?;
    // By default a tree without a policy has no labels; one that was to have them is another.
    if policy.is_none() && finishing.loaded.treefile.selinux == Some(true) {
        return Err(Error::NoPolicy);
    }
    Ok(Labels::of(policy))
}

/// Every file, link and directory, since each was put into the tree on another way. Nearly all are
/// labelled by now and only looked at.
fn relabel(tree: &mut Tree<'_>, observer: &dyn Observer) -> Result<(), Error> {
    observer.progress(Progress::TaskBegin { text: "Relabeling".to_owned() });
    let done = tree.relabel("", observer)?;
    tracing::info!(?done, "labelled the tree");
    let text = format!("{} of {} files", done.changed, done.seen);
    observer.progress(Progress::TaskEnd { text });
    Ok(())
}

/// The rpmdb anew, from all packages at once: then its bytes are a matter of the packages alone.
/// One that grew over several transactions has free pages that tell of them.
fn write_rpmdb(
    tree: &mut Tree<'_>,
    finishing: &Finishing<'_>,
    directory: &Path,
    observer: &dyn Observer,
) -> Result<(), Error> {
    fs::create_dir(directory).map_err(|source| Error::io("create", directory, source))?;
    let update = rpmdb::Update {
        add: finishing.headers.iter().collect(),
        remove: Vec::new(),
        // rpm's times have 32 bits.
        time: u32::try_from(finishing.epoch).unwrap_or(u32::MAX),
    };
    rpmdb::create(directory, &update, observer)?;
    tree.remove(RPMDB)?;
    put_directory(tree, RPMDB, directory)?;
    // The same objects under another name: no byte is copied.
    Ok(tree.copy(RPMDB, BASE_DB)?)
}

fn copy_links(from: &Path, to: &Path) -> Result<(), Error> {
    for entry in Root::open(from)?.list("/")?.into_iter().filter(|e| e.kind == Kind::Link) {
        let target = Root::open(from)?.read_link(&entry.name)?;
        Root::open(to)?.link(&target, &entry.name)?;
    }
    Ok(())
}

/// All changes, in rpm-ostree's order.
fn change(
    root: &Root,
    finishing: &Finishing<'_>,
    dracut: &Path,
    observer: &dyn Observer,
) -> Result<Option<String>, Error> {
    let Finishing { loaded, .. } = finishing;
    let treefile = &loaded.treefile;
    root.remove(IDS)?;
    layout::make_top_level(root, treefile)?;
    let confinement = finishing.backend.confinement;
    let confined =
        Confined::new(root, confinement, Some(finishing.epoch), finishing.limits, observer)?;
    if !root.exists("/usr/lib/sysimage/rpm")? {
        root.link("../../share/rpm", "/usr/lib/sysimage/rpm")?;
    }
    check_accounts(root, finishing)?;
    if accounts::move_to_usr_lib(root, treefile)? {
        observer.message("Migrating /etc/passwd to /usr/lib/".to_owned());
    }
    postprocess::run(root, &confined, loaded, finishing.version, observer)?;
    let version = kernel::find(root)?;
    if let Some(version) = &version {
        kernel::prepare(root, &confined, version, treefile, dracut, observer)?;
    }
    accounts::forget_days(root)?;
    var::empty_into_tmpfiles(root, observer)?;
    layout::clean(root, treefile)?;
    Ok(version)
}

fn check_accounts(root: &Root, finishing: &Finishing<'_>) -> Result<(), Error> {
    let Loaded { treefile, externals, .. } = finishing.loaded;
    let now = Accounts::read(|path| root.read(path))?;
    let parse = |text: &Option<String>| text.as_deref().map(accounts::Table::parse);
    let users = table(
        treefile.check_passwd.as_ref(),
        finishing.previous.map(Accounts::users),
        parse(&externals.passwd),
    );
    if let Some(table) = users {
        accounts::check_users(&now.users(), &table.expected(), &treefile.ignore_removed_users)?;
    }
    let groups = table(
        treefile.check_groups.as_ref(),
        finishing.previous.map(Accounts::groups),
        parse(&externals.group),
    );
    if let Some(table) = groups {
        accounts::check_groups(&now.groups(), &table.expected(), &treefile.ignore_removed_groups)?;
    }
    Ok(())
}

/// What accounts are held against, by whom it is kept.
enum Source<'a> {
    Table(accounts::Table),
    Data(&'a std::collections::BTreeMap<String, super::treefile::Ids>),
}

impl Source<'_> {
    fn expected(&self) -> Expected<'_> {
        match self {
            Self::Table(table) => Expected::Table(table),
            Self::Data(data) => Expected::Data(data),
        }
    }
}

/// By `check`; a treefile that says nothing means the previous commit.
fn table(
    check: Option<&Check>,
    previous: Option<accounts::Table>,
    file: Option<accounts::Table>,
) -> Option<Source<'_>> {
    match check.map_or(CheckKind::Previous, |check| check.kind) {
        CheckKind::None => None,
        CheckKind::Previous => previous.map(Source::Table),
        CheckKind::File => file.map(Source::Table),
        CheckKind::Data => check.map(|check| Source::Data(&check.entries)),
    }
}

/// Puts the top level's links and directories into the tree. What is in a directory there
/// belongs to a running system.
fn put_top_level(tree: &mut Tree<'_>, root: &Root) -> Result<(), Error> {
    for entry in root.list("/")?.into_iter().filter(|entry| entry.name != "usr") {
        tree.remove(&entry.name)?;
        match entry.kind {
            Kind::Link => {
                let target = root.read_link(&entry.name)?;
                tree.put_symlink(&entry.name, &Attributes::root(0o777), &target)?;
            }
            Kind::Directory => {
                let (mode, ..) = root.owner(&entry.name)?;
                tree.set_dir(&entry.name, &Attributes::root(mode))?;
            }
            Kind::File | Kind::Other => {}
        }
    }
    Ok(())
}

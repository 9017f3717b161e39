//! Trees and deployments labelled by a policy of their own, against what libselinux's own
//! programs say of the same policy.

use crate::fixture::{Host, os, ostree, repo, root, run};
use cambium_model::{Checksum, Unobserved};
use cambium_ostree::{
    Attributes, Child, CommitSpec, FileKind, Labels, Node, Policy, Relabelled, Repo, RepoMode,
    Sysroot, Tree,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines of every sort; paths below /usr/etc are never named.
const CONTEXTS: &str = "\
/.*\tsystem_u:object_r:default_t:s0
/\t-d\tsystem_u:object_r:root_t:s0
/etc(/.*)?\tsystem_u:object_r:etc_t:s0
/etc/passwd.*\t--\tsystem_u:object_r:passwd_file_t:s0
/etc/shadow\\.?\t--\tsystem_u:object_r:shadow_t:s0
/usr(/.*)?\tsystem_u:object_r:usr_t:s0
/usr/(.*/)?bin(/.*)?\tsystem_u:object_r:bin_t:s0
/usr/bin/passwd\t--\tsystem_u:object_r:passwd_exec_t:s0
/usr/bin/.*\\.d\t-d\tsystem_u:object_r:bin_conf_t:s0
/usr/lib(/.*)?\tsystem_u:object_r:lib_t:s0
/usr/lib/modules/[^/]+/vmlinuz\t--\tsystem_u:object_r:boot_t:s0
/usr/share/look(?=s)s\t--\tsystem_u:object_r:look_t:s0
/var(/.*)?\tsystem_u:object_r:var_t:s0
/var/log(/.*)?\tsystem_u:object_r:var_log_t:s0
/mnt(/.*)?\t<<none>>
";
/// `S_IFMT` of st_mode, as selabel_lookup's -t wants it.
const DIRECTORY: &str = "16384";
const FILE: &str = "32768";
const LINK: &str = "40960";
const ALIASES: &str = "/usr/lib64 /usr/lib\n";

fn policy_files(contexts: &str) -> Vec<(String, String)> {
    let place = "usr/etc/selinux";
    [
        ("config", "SELINUX=enforcing\nSELINUXTYPE=tiny\n"),
        ("tiny/contexts/files/file_contexts", contexts),
        ("tiny/contexts/files/file_contexts.subs_dist", ALIASES),
        // libostree takes its checksum; nobody loads it.
        ("tiny/policy/policy.33", "binary policy"),
    ]
    .map(|(path, text)| (format!("{place}/{path}"), text.to_owned()))
    .to_vec()
}

fn put(tree: &mut Tree<'_>, files: &[(String, String)]) {
    for (path, text) in files {
        tree.put_bytes(path, &root(0o644), text.as_bytes()).unwrap();
    }
}

/// What `selabel_lookup` says of a path, by the file contexts written to `dir`.
struct Oracle(tempfile::TempDir);

impl Oracle {
    fn new(contexts: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("fc"), contexts).unwrap();
        std::fs::write(dir.path().join("fc.subs_dist"), ALIASES).unwrap();
        Self(dir)
    }

    fn label(&self, path: &str, kind: &str) -> Option<String> {
        let file = self.0.path().join("fc").display().to_string();
        let arguments = ["-r", "-b", "file", "-f", &file, "-k", path, "-t", kind];
        let output = std::process::Command::new("selabel_lookup").args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().strip_prefix("Default context: ").map(str::to_owned)
    }
}

/// Path, type for selabel_lookup and label of everything in a commit.
fn labels(repo: &Repo, commit: &Checksum) -> Vec<(String, &'static str, Option<String>)> {
    fn of(attributes: &Attributes) -> Option<String> {
        let label = attributes.xattrs.iter().find(|(name, _)| name == b"security.selinux")?;
        let text = String::from_utf8(label.1.clone()).unwrap();
        Some(text.strip_suffix("\0").unwrap().to_owned())
    }
    fn walk(
        tree: &mut Tree<'_>,
        at: &str,
        found: &mut Vec<(String, &'static str, Option<String>)>,
    ) {
        let Some(Node::Directory(attributes)) = tree.lookup(at).unwrap() else { panic!("{at}") };
        found.push((format!("/{at}"), DIRECTORY, of(&attributes)));
        for (name, child) in tree.list(at).unwrap() {
            let path = if at.is_empty() { name } else { format!("{at}/{name}") };
            match child {
                Child::Directory => walk(tree, &path, found),
                Child::File(file) => {
                    let info = tree.repo().file_info(&file).unwrap();
                    let link = matches!(info.kind, FileKind::Symlink { .. });
                    let kind = if link { LINK } else { FILE };
                    found.push((format!("/{path}"), kind, of(&info.attributes)));
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(&mut Tree::from_commit(repo, commit).unwrap(), "", &mut found);
    found
}

fn as_the_policy_says(repo: &Repo, commit: &Checksum, contexts: &str) -> usize {
    let oracle = Oracle::new(contexts);
    let found = labels(repo, commit);
    for (path, kind, label) in &found {
        let place = match path.strip_prefix("/usr/etc") {
            Some(rest) => format!("/etc{rest}"),
            None => path.clone(),
        };
        assert_eq!(*label, oracle.label(&place, kind), "{path}");
    }
    found.len()
}

/// A tree with files for each line of the policy, built by every way that there is.
fn build(repo: &Repo, labels: Labels, contexts: &str, dir: &Path) -> Checksum {
    let mut tree = Tree::empty(repo);
    tree.set_labels(labels);
    tree.ensure_dir("", &root(0o755)).unwrap();
    put(&mut tree, &policy_files(contexts));
    let with = |xattrs: &[(&str, &[u8])]| Attributes {
        xattrs: xattrs.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.to_vec())).collect(),
        ..root(0o755)
    };
    let hosts: (&str, &[u8]) = ("security.selinux", b"system_u:object_r:tmp_t:s0\0");
    tree.put_bytes("usr/bin/passwd", &with(&[hosts, ("user.k", b"v")]), b"p").unwrap();
    let source = dir.join("source");
    std::fs::write(&source, vec![7; 2 << 20]).unwrap();
    tree.put_disk_file("usr/lib64/deep/er/large", &root(0o644), &source).unwrap();
    tree.put_reader("usr/etc/passwd-", &root(0o600), &mut &b"x"[..]).unwrap();
    tree.put_symlink("usr/etc/shadow", &root(0o777), "elsewhere").unwrap();
    tree.put_bytes("usr/etc/gshadow", &root(0), b"x").unwrap();
    tree.put_bytes("usr/etc/shadow.", &root(0), b"x").unwrap();
    tree.set_dir("usr/bin/x.d", &with(&[hosts])).unwrap();
    tree.put_bytes("usr/share/looks", &root(0o644), b"l").unwrap();
    tree.put_bytes("usr/share/games/bin/play", &root(0o755), b"l").unwrap();
    tree.put_bytes("usr/lib/modules/6.1/vmlinuz", &root(0o755), b"k").unwrap();
    tree.set_dir("mnt", &with(&[hosts])).unwrap();
    tree.set_dir("var", &root(0o755)).unwrap();
    // One object under two names: each gets its own label.
    let twin = tree.put_bytes("usr/share/twin", &root(0o755), b"t").unwrap();
    tree.put_object("usr/bin/twin", &twin).unwrap();
    tree.relabel("usr/bin/twin", &Unobserved).unwrap();
    tree.commit(&CommitSpec { timestamp: Some(0), ..CommitSpec::default() }).unwrap()
}

fn open(contexts: &str) -> Arc<Policy> {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in policy_files(contexts) {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Policy::of_directory(dir.path()).unwrap().unwrap()
}

#[test]
fn every_file_of_a_tree_has_the_label_that_the_policy_says() {
    let (dir, repo) = repo(RepoMode::Bare);
    let transaction = repo.transaction().unwrap();
    let commit = build(&repo, Labels::By(open(CONTEXTS)), CONTEXTS, dir.path());
    transaction.set_ref("labelled", &commit);
    transaction.commit().unwrap();
    assert!(as_the_policy_says(&repo, &commit, CONTEXTS) > 30);
    let policy = Policy::of_commit(&repo, &commit).unwrap().unwrap();
    assert_eq!(policy, open(CONTEXTS));
    let kept = repo.lookup(&commit, "usr/bin/passwd").unwrap();
    let Some(Node::File(kept)) = kept else { panic!("{kept:?}") };
    let xattrs = repo.file_info(&kept).unwrap().attributes.xattrs;
    assert!(xattrs.contains(&(b"user.k".to_vec(), b"v".to_vec())), "{xattrs:?}");
    ostree(repo.path(), "fsck");
}

#[test]
fn relabelling_gives_what_labelling_from_the_start_does_and_writes_only_what_differs() {
    let (dir, repo) = repo(RepoMode::Bare);
    let transaction = repo.transaction().unwrap();
    let labels = || Labels::By(open(CONTEXTS));
    let none = build(&repo, Labels::None, CONTEXTS, dir.path());
    let all = build(&repo, labels(), CONTEXTS, dir.path());
    let again = |from: &Checksum, to: Labels| {
        let mut tree = Tree::from_commit(&repo, from).unwrap();
        tree.set_labels(to);
        let done = tree.relabel("", &Unobserved).unwrap();
        let spec = CommitSpec { timestamp: Some(0), ..CommitSpec::default() };
        (tree.commit(&spec).unwrap(), done)
    };
    let (labelled, done) = again(&none, labels());
    assert_eq!(labelled, all);
    assert_eq!(done.seen, labels_count(&repo, &all));
    let (stripped, _) = again(&all, Labels::None);
    assert_eq!(stripped, none);
    assert_eq!(again(&all, labels()), (all.clone(), Relabelled { seen: done.seen, changed: 0 }));
    // One line more, about one file.
    let more = format!("{CONTEXTS}/usr/share/games/bin/play -- system_u:object_r:games_t:s0\n");
    let (other, done) = again(&all, Labels::By(open(&more)));
    assert_eq!(done.changed, 1);
    as_the_policy_says(&repo, &other, &more);
    transaction.commit().unwrap();
}

fn labels_count(repo: &Repo, commit: &Checksum) -> u64 {
    labels(repo, commit).len() as u64
}

#[test]
fn without_labels_those_of_the_building_machine_stay_out() {
    let (dir, repo) = repo(RepoMode::Bare);
    let transaction = repo.transaction().unwrap();
    let commit = build(&repo, Labels::of(None), CONTEXTS, dir.path());
    transaction.commit().unwrap();
    for (path, _, label) in labels(&repo, &commit) {
        assert_eq!(label, None, "{path}");
    }
}

#[test]
fn a_directory_that_is_there_keeps_its_label() {
    let (_dir, repo) = repo(RepoMode::Bare);
    let transaction = repo.transaction().unwrap();
    let mut tree = Tree::empty(&repo);
    let label = |text: &str| Attributes {
        xattrs: vec![(b"security.selinux".to_vec(), format!("{text}\0").into_bytes())],
        ..root(0o755)
    };
    tree.set_dir("usr/share/own", &label("system_u:object_r:own_t:s0")).unwrap();
    tree.set_labels(Labels::By(open(CONTEXTS)));
    let wider = Attributes { mode: 0o1777, ..label("system_u:object_r:tmp_t:s0") };
    tree.set_dir("usr/share/own", &wider).unwrap();
    let expected = Attributes { mode: 0o1777, ..label("system_u:object_r:own_t:s0") };
    assert_eq!(tree.lookup("usr/share/own").unwrap(), Some(Node::Directory(expected)));
    tree.commit(&CommitSpec::default()).unwrap();
    transaction.commit().unwrap();
}

/// Labels below a directory on disk, by path in it.
fn on_disk(at: &Path) -> Vec<(String, Option<String>)> {
    fn walk(root: &Path, at: &Path, found: &mut Vec<(String, Option<String>)>) {
        let attributes = Attributes::of_path(at).unwrap();
        let label = attributes.xattrs.iter().find(|(name, _)| name == b"security.selinux");
        let text = label.map(|(_, value)| String::from_utf8(value.clone()).unwrap());
        let path = at.strip_prefix(root).unwrap().display().to_string();
        found.push((path, text.map(|text| text.trim_end_matches('\0').to_owned())));
        if at.is_dir() && !at.is_symlink() {
            for entry in std::fs::read_dir(at).unwrap() {
                walk(root, &entry.unwrap().path(), found);
            }
        }
    }
    let mut found = Vec::new();
    walk(at, at, &mut found);
    found.sort();
    found
}

/// A commit of a deployable tree with a policy, unlabelled as a base of another tool may be.
fn deployable(sysroot: &Sysroot, contexts: &str) -> Checksum {
    let repo = sysroot.repo().unwrap();
    let transaction = repo.transaction().unwrap();
    let mut tree = Tree::empty(&repo);
    put(&mut tree, &policy_files(contexts));
    for (path, text) in os(&[("usr/etc/passwd", "root"), ("usr/etc/dir/x", "x")]) {
        tree.put_bytes(path, &root(0o644), text.as_bytes()).unwrap();
    }
    let commit = tree.commit(&CommitSpec::default()).unwrap();
    transaction.set_ref("tiny/1", &commit);
    transaction.commit().unwrap();
    commit
}

fn expected(at: &Path, prefix: &str) -> Vec<(String, Option<String>)> {
    let oracle = Oracle::new(CONTEXTS);
    let kind = |path: &PathBuf| {
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            DIRECTORY
        } else if kind.is_symlink() {
            LINK
        } else {
            FILE
        }
    };
    let label = |(path, _): (String, Option<String>)| {
        let place = format!("{prefix}/{path}");
        let label = oracle.label(place.trim_end_matches('/'), kind(&at.join(&path)));
        (path, label)
    };
    on_disk(at).into_iter().map(label).collect()
}

#[test]
fn a_deployments_etc_and_var_are_labelled_whatever_kernel_runs() {
    let host = Host::new();
    let sysroot = host.sysroot();
    let var = host.path().join("ostree/deploy/tiny/var");
    std::fs::create_dir_all(var.join("log/journal")).unwrap();
    std::os::unix::fs::symlink("../run", var.join("log/link")).unwrap();
    let commit = deployable(&sysroot, CONTEXTS);
    // The deployment before has no policy, and files of its own.
    let before = host.deploy(&host.first.clone(), None);
    assert!(!var.join(".ostree-selabeled").exists(), "nothing was labelled");
    let etc = host.sysroot().deployment_path(&before).join("etc");
    std::fs::write(etc.join("a"), "changed here").unwrap();
    std::fs::create_dir(etc.join("mine")).unwrap();
    std::fs::write(etc.join("mine/passwd"), "added here").unwrap();
    let own = "system_u:object_r:own_t:s0\0";
    std::fs::write(etc.join("own"), "labelled here").unwrap();
    let empty = rustix::fs::XattrFlags::empty();
    rustix::fs::lsetxattr(etc.join("own"), "security.selinux", own.as_bytes(), empty).unwrap();

    let id = host.deploy(&commit, Some(&before));
    let etc = host.sysroot().deployment_path(&id).join("etc");
    let mut wanted = expected(&etc, "/etc");
    let kept = wanted.iter_mut().find(|(path, _)| path == "own").unwrap();
    kept.1 = Some("system_u:object_r:own_t:s0".to_owned());
    assert_eq!(on_disk(&etc), wanted);
    assert_eq!(std::fs::read_to_string(etc.join("a")).unwrap(), "changed here");
    assert_eq!(on_disk(&var), expected(&var, "/var"));
    assert!(var.join(".ostree-selabeled").exists());

    // From now on /var is the running system's.
    std::fs::write(var.join("later"), "").unwrap();
    host.deploy(&commit, Some(&id));
    assert_eq!(Attributes::of_path(&var.join("later")).unwrap().xattrs, []);
}

#[test]
fn a_deployment_is_labelled_as_libostree_itself_labels_it() {
    let deployed = |by: &dyn Fn(&Host, &Checksum)| {
        let host = Host::new();
        let commit = deployable(&host.sysroot(), CONTEXTS);
        by(&host, &commit);
        let place = host.path().join("ostree/deploy/tiny");
        let entries = std::fs::read_dir(place.join("deploy")).unwrap();
        let deployment = entries.map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
        (on_disk(&deployment.unwrap().join("etc")), on_disk(&place.join("var")))
    };
    let (etc, var) = deployed(&|host, commit| drop(host.deploy(commit, None)));
    let (mut their_etc, mut their_var) = deployed(&|host, _| {
        let sysroot = format!("--sysroot={}", host.path().display());
        run("ostree", &["admin", "deploy", &sysroot, "--os=tiny", "--karg=root=x", "tiny/1"]);
    });
    // Directories of /etc and the stamp are labelled as the kernel creates them, as libostree has
    // told it: without SELinux in the kernel they have no label.
    let (etc_t, var_t) = ("system_u:object_r:etc_t:s0", "system_u:object_r:var_t:s0");
    for (_, label) in &mut their_etc {
        label.get_or_insert_with(|| etc_t.to_owned());
    }
    for (_, label) in their_var.iter_mut().filter(|(path, _)| path == ".ostree-selabeled") {
        label.get_or_insert_with(|| var_t.to_owned());
    }
    assert_eq!(etc, their_etc);
    assert_eq!(var, their_var);
}

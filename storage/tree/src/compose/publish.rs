//! From the cache's bare repository to the repository that is served.
//!
//! Compressing 750 MB is the longest step of a compose, and most of the bytes are known as soon
//! as the packages are imported. So their file objects go ahead, on every core, while scripts and
//! the initramfs keep one busy ([`content`]), and the finished commit follows with what is new
//! since ([`commit`]). What went ahead and is in no commit in the end (a file that a script
//! changed) is left to the next prune. For repositories that do not compress there is nothing to
//! hurry, and libostree links or copies.

mod filez;

use super::{Counts, Error};
use cambium_model::{Checksum, Observer, Unobserved};
use cambium_ostree::{Child, FileKind, ObjectKind, Pull, PullSource, Repo, RepoMode, Tree};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};

/// zlib's level where the repository's configuration says none; libostree's default.
const LEVEL: u32 = 6;

/// Adds the content objects of a commit to `objects`, but for files below the paths `without`.
pub(crate) fn add_content_objects(
    repo: &Repo,
    commit: &Checksum,
    without: &[String],
    objects: &mut BTreeSet<Checksum>,
) -> Result<(), Error> {
    let mut tree = Tree::from_commit(repo, commit)?;
    let excluded = |path: &str| {
        without.iter().any(|prefix| {
            let rest = path.trim_start_matches('/').strip_prefix(prefix.trim_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    walk(&mut tree, "", &mut |path, file| {
        if !excluded(path) {
            objects.insert(file.clone());
        }
    })?;
    Ok(())
}

/// Calls `each` with the path and object of every file; gives the number of directories.
pub(crate) fn walk(
    tree: &mut Tree<'_>,
    path: &str,
    each: &mut dyn FnMut(&str, &Checksum),
) -> Result<u64, Error> {
    let mut directories = 1;
    for (name, child) in tree.list(path)? {
        let path = format!("{path}/{name}");
        match child {
            Child::File(file) => each(&path, &file),
            Child::Directory => directories += walk(tree, &path, each)?,
        }
    }
    Ok(directories)
}

/// Writes those of `objects` that an archive at `target` lacks, from the bare repository
/// `source`, on all cores. Other repositories are left to [`commit`].
///
/// Objects appear under their names only when all of them are on disk: a name with half a file
/// behind it would be taken for the object ever after.
pub(crate) fn content(
    source: &Path,
    target: &Path,
    objects: &BTreeSet<Checksum>,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let repo = Repo::open(target)?;
    if repo.mode() != RepoMode::Archive {
        return Ok(());
    }
    // libostree's lock, so that no prune runs meanwhile.
    let _transaction = repo.transaction()?;
    let mut missing = Vec::new();
    for object in objects {
        if !repo.has_object(ObjectKind::File, object)? {
            missing.push(object);
        }
    }
    let staging = tempfile::Builder::new()
        .prefix("cambium-publish-")
        .tempdir_in(target.join("tmp"))
        .map_err(|source| Error::io("write to", &target.join("tmp"), source))?;
    let level = level(target)?;
    // Enough for a thread to be worth opening the repository, few enough to end together.
    missing.par_chunks(32).try_for_each(|chunk| {
        if observer.cancelled() {
            return Err(Error::Cancelled);
        }
        let source = Repo::open(source)?;
        let mut writer = filez::Writer::new(level);
        chunk.iter().try_for_each(|object| compress(&source, object, staging.path(), &mut writer))
    })?;
    place(&missing, staging.path(), target)
}

fn compress(
    source: &Repo,
    object: &Checksum,
    staging: &Path,
    writer: &mut filez::Writer,
) -> Result<(), Error> {
    let info = source.file_info(object)?;
    let path = staging.join(object.as_str());
    let failed = |source| Error::io("write", &path, source);
    let mut out = BufWriter::new(File::create(&path).map_err(failed)?);
    let mut content;
    let content: Option<&mut dyn Read> = match info.kind {
        FileKind::Symlink { .. } => None,
        FileKind::Regular { .. } => {
            content = source.open_object(object)?;
            Some(&mut content)
        }
    };
    writer.write(&mut out, &info, content).map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed)
}

/// Makes the staged files durable, then gives them their names, then makes those durable.
fn place(objects: &[&Checksum], staging: &Path, target: &Path) -> Result<(), Error> {
    let sync = |path: &Path| {
        let file = File::open(path).map_err(|source| Error::read(path, source))?;
        rustix::fs::syncfs(file).map_err(|errno| Error::io("sync", path, errno.into()))
    };
    sync(staging)?;
    for object in objects {
        let path = loose_path(target, object, "filez");
        let failed = |source| Error::io("write", &path, source);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        fs::rename(staging.join(object.as_str()), &path).map_err(failed)?;
    }
    sync(target)
}

/// `objects/12/3456….filez`.
fn loose_path(repo: &Path, object: &Checksum, extension: &str) -> PathBuf {
    let (directory, rest) = object.as_str().split_at(2);
    repo.join("objects").join(directory).join(format!("{rest}.{extension}"))
}

/// `archive.zlib-level` of the repository's configuration.
fn level(target: &Path) -> Result<u32, Error> {
    let path = target.join("config");
    let text = fs::read_to_string(&path).map_err(|source| Error::read(&path, source))?;
    let lines = text.lines().skip_while(|line| line.trim() != "[archive]").skip(1);
    let value = lines
        .take_while(|line| !line.trim_start().starts_with('['))
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == "zlib-level")
        .and_then(|(_, value)| value.trim().parse().ok());
    Ok(value.filter(|level| (1..=9).contains(level)).unwrap_or(LEVEL))
}

/// Brings `commit` with all that it needs from `source` to `target` and points `treeref` at it.
pub(crate) fn commit(
    source: &Path,
    target: &Path,
    commit: &Checksum,
    treeref: Option<&str>,
    observer: &dyn Observer,
) -> Result<Counts, Error> {
    let repo = Repo::open(source)?;
    let mut tree = Tree::from_commit(&repo, commit)?;
    let mut counts = Counts::default();
    let mut objects = BTreeSet::new();
    let directories = walk(&mut tree, "", &mut |_, file| {
        counts.content_total += 1;
        objects.insert(file.clone());
    })?;
    // A directory is a tree and a metadata object; then there is the commit.
    counts.metadata_total = 2 * directories + 1;
    let (metadata, files) = present(target)?;
    content(source, target, &objects, observer)?;

    let into = Repo::open(target)?;
    let url = format!("file://{}", source.display());
    let from = PullSource::Url { url, remote: None };
    // What libostree says of its own pull is of no use to anybody who composes.
    into.pull(&Pull::newest(from, &[commit.as_str()]), &Unobserved)?;
    let (metadata_now, files_now) = present(target)?;
    counts.metadata_written = metadata_now - metadata;
    counts.content_written = files_now - files;
    if let Some(treeref) = treeref {
        let transaction = into.transaction()?;
        transaction.set_ref(treeref, commit);
        transaction.commit()?;
    }
    Ok(counts)
}

/// How many metadata and content objects a repository holds.
fn present(repo: &Path) -> Result<(u64, u64), Error> {
    let (mut metadata, mut content) = (0, 0);
    for directory in names(&repo.join("objects"))? {
        for name in names(&directory)? {
            match name.extension().and_then(|extension| extension.to_str()) {
                Some("file" | "filez") => content += 1,
                Some("dirtree" | "dirmeta" | "commit") => metadata += 1,
                _ => {}
            }
        }
    }
    Ok((metadata, content))
}

fn names(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::read(directory, source);
    let entries = fs::read_dir(directory).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_ostree::{Attributes, CommitSpec};

    /// A bare repository with one commit of every kind of file.
    fn source(dir: &Path) -> (PathBuf, Checksum) {
        let path = dir.join("source");
        let repo = Repo::create(&path, RepoMode::Bare).unwrap();
        let transaction = repo.transaction().unwrap();
        let mut tree = Tree::empty(&repo);
        let plain = Attributes::root(0o644);
        tree.put_bytes("/usr/empty", &plain, b"").unwrap();
        tree.put_bytes("/usr/text", &Attributes { uid: 3, gid: 4, ..plain.clone() }, b"text\n")
            .unwrap();
        tree.put_bytes("/usr/big", &Attributes::root(0o4755), &vec![7; 3 << 20]).unwrap();
        tree.put_symlink("/usr/link", &plain, "text").unwrap();
        let long = vec![b'x'; 300];
        let xattrs = vec![(b"user.b".to_vec(), long), (b"user.a".to_vec(), b"1".to_vec())];
        tree.put_bytes("/usr/marked", &Attributes { xattrs, ..plain }, b"marked").unwrap();
        let commit = tree.commit(&CommitSpec::default()).unwrap();
        transaction.commit().unwrap();
        (path, commit)
    }

    fn published(mode: RepoMode) {
        let dir = tempfile::tempdir().unwrap();
        let (from, commit) = source(dir.path());
        let to = dir.path().join("target");
        Repo::create(&to, mode).unwrap();
        let mut ahead = BTreeSet::new();
        let (repo, without) =
            (Repo::open(&from).unwrap(), ["usr/big".to_owned(), "/us".to_owned()]);
        add_content_objects(&repo, &commit, &without, &mut ahead).unwrap();
        assert_eq!(ahead.len(), 4);
        content(&from, &to, &ahead, &Unobserved).unwrap();
        let counts = super::commit(&from, &to, &commit, Some("os/1"), &Unobserved).unwrap();
        assert_eq!((counts.content_total, counts.metadata_total), (5, 5));

        let repo = Repo::open(&to).unwrap();
        assert_eq!(repo.resolve_ref("os/1").unwrap(), Some(commit.clone()));
        let fsck = std::process::Command::new("ostree").arg("fsck").arg("--repo").arg(&to).output();
        let fsck = fsck.unwrap();
        assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stderr));
        let read = |path: &str| repo.read_file(&commit, path).unwrap().unwrap();
        assert_eq!(read("/usr/text"), b"text\n");
        assert_eq!(read("/usr/big").len(), 3 << 20);
        assert_eq!(
            fs::read_dir(to.join("tmp"))
                .unwrap()
                .filter(|entry| {
                    entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("cambium")
                })
                .count(),
            0
        );
    }

    #[test]
    fn an_archive_gets_objects_that_ostree_accepts() {
        published(RepoMode::Archive);
    }

    #[test]
    fn a_bare_repository_gets_the_same_commit() {
        published(RepoMode::Bare);
    }

    #[test]
    fn the_level_is_the_repositorys() {
        let dir = tempfile::tempdir().unwrap();
        for (config, expected) in [
            ("[core]\nmode=archive-z2\n", 6),
            ("[core]\nzlib-level=1\n[archive]\nzlib-level = 2\n", 2),
            ("[archive]\nzlib-level=99\n", 6),
        ] {
            fs::write(dir.path().join("config"), config).unwrap();
            assert_eq!(level(dir.path()).unwrap(), expected, "{config}");
        }
    }
}

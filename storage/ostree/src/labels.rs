//! SELinux labels as a tree's own policy gives them.
//!
//! Owns: finding the policy of a tree ([`Policy`]), asking it, and what a tree's builder is told
//! ([`Labels`]): a [`crate::Tree`] that labels does so wherever it takes a file or directory in,
//! so nobody else thinks of labels. The policy is opened by libostree (`OstreeSePolicy`) and the
//! answers are libselinux's; [`rules`] only tells which paths have the same answer. Whether the
//! machine's kernel has SELinux does not matter: libostree asks it (`is_selinux_enabled`) only
//! before it has the kernel label what it creates (`ostree_sepolicy_setfscreatecon`), and nothing
//! here relies on that. Deliberately absent: loading or building policies, and `restorecon` of a
//! running system.
//!
//! `/usr/etc` is labelled as `/etc`: that is where its files are used (rpm-ostree's
//! `selinux-label-version: 1`).

mod rules;
mod source;

use crate::attributes::Attributes;
use crate::error::{Error, Result, failed};
use rules::Rules;
use source::Source;
use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The extended attribute that holds a label.
pub(crate) const XATTR: &[u8] = b"security.selinux";

/// libselinux has one policy root for the whole process, which is set and then read: two policies
/// that are opened at once would get each other's files.
static OPENING: Mutex<()> = Mutex::new(());

/// Where a tree's builder takes labels from.
#[derive(Debug, Clone, Default)]
pub enum Labels {
    /// Attributes are what they are: for trees that are copies of others.
    #[default]
    AsGiven,
    /// No file has a label, whatever the machine that builds has put on it.
    None,
    /// What the policy says of the path.
    By(Arc<Policy>),
}

impl Labels {
    /// Labels by this policy, or none where there is no policy.
    #[must_use]
    pub fn of(policy: Option<Arc<Policy>>) -> Self {
        policy.map_or(Self::None, Self::By)
    }

    /// The policy, where there is one.
    #[must_use]
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        match self {
            Self::By(policy) => Some(policy),
            Self::AsGiven | Self::None => None,
        }
    }
}

/// What is labelled: the label may depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Directory,
    Regular,
    Symlink,
}

impl Kind {
    /// `st_mode` as libselinux wants it. It looks at the type only.
    fn mode(self) -> u32 {
        match self {
            Self::Directory => libc::S_IFDIR | 0o755,
            Self::Regular => libc::S_IFREG | 0o644,
            Self::Symlink => libc::S_IFLNK | 0o777,
        }
    }
}

/// The label that each rule gave to each kind of file.
type Known = HashMap<(usize, Kind), Option<Arc<str>>>;

/// An open policy. Any thread may ask it.
pub struct Policy {
    opened: Mutex<ostree::SePolicy>,
    checksum: String,
    contexts: String,
    rules: Rules,
    /// False once libselinux has answered otherwise than the rules: from then on it is asked of
    /// each path.
    rules_hold: AtomicBool,
    known: Mutex<Known>,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("checksum", &self.checksum).finish_non_exhaustive()
    }
}

impl PartialEq for Policy {
    /// Whether both label alike, as far as their files tell.
    fn eq(&self, other: &Self) -> bool {
        self.checksum == other.checksum && self.contexts == other.contexts
    }
}

impl Eq for Policy {}

impl Policy {
    /// The policy of a root directory: of `etc/selinux`, or where that is absent of
    /// `usr/etc/selinux`. `None` where there is none, or its configuration disables it.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn of_directory(root: &Path) -> Result<Option<Arc<Self>>> {
        let etc = match root.join("etc/selinux").symlink_metadata() {
            Ok(_) => "etc/selinux",
            Err(_) => "usr/etc/selinux",
        };
        Source::of_directory(&root.join(etc))?.map(|source| Self::open(&source)).transpose()
    }

    /// The policy of a tree, as its files stand now.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn of_tree(tree: &mut crate::Tree<'_>) -> Result<Option<Arc<Self>>> {
        Source::of_tree(tree)?.map(|source| Self::open(&source)).transpose()
    }

    /// The policy of a commit.
    ///
    /// # Errors
    /// When the commit is not here, or there is a policy and it cannot be read.
    pub fn of_commit(
        repo: &crate::Repo,
        commit: &cambium_model::Checksum,
    ) -> Result<Option<Arc<Self>>> {
        Self::of_tree(&mut crate::Tree::from_commit(repo, commit)?)
    }

    fn open(source: &Source) -> Result<Arc<Self>> {
        let directory = source.write()?;
        let opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let root = crate::checkout::open_directory(directory.path())?;
        let what = || format!("the tree ({})", source.kind());
        let opened = ostree::SePolicy::new_at(root.as_raw_fd(), gio::Cancellable::NONE)
            .map_err(|error| failed("read the SELinux policy of", what())(error))?;
        drop(opening);
        let checksum = opened.csum().ok_or_else(|| Error::Corrupt {
            what: format!("The SELinux policy of {}", what()),
            reason: "libostree finds none in it".to_owned(),
        })?;
        Ok(Arc::new(Self {
            checksum: checksum.to_string(),
            contexts: source.digest(),
            rules: Rules::parse(source.contexts()),
            rules_hold: AtomicBool::new(true),
            known: Mutex::new(HashMap::new()),
            opened: Mutex::new(opened),
        }))
    }

    /// libostree's checksum, `rpmostree.sepolicy`: SHA-256 of the binary policy.
    #[must_use]
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// SHA-256 of the files that say which path gets which label. The checksum does not cover
    /// them: a local `semanage fcontext` changes these alone.
    #[must_use]
    pub fn contexts(&self) -> &str {
        &self.contexts
    }

    /// The label of what is at `path` (relative to the tree's root) by the type of `mode`
    /// (`st_mode`). `None` where the policy says that it has none.
    ///
    /// # Errors
    /// When libselinux cannot be asked.
    pub fn label(&self, path: &str, mode: u32) -> Result<Option<Arc<str>>> {
        let kind = match mode & libc::S_IFMT {
            libc::S_IFDIR => Kind::Directory,
            libc::S_IFLNK => Kind::Symlink,
            _ => Kind::Regular,
        };
        self.label_of(path, kind)
    }

    pub(crate) fn label_of(&self, path: &str, kind: Kind) -> Result<Option<Arc<str>>> {
        let path = place_in_use(path);
        let rule = if self.rules_hold.load(Ordering::Relaxed) {
            self.rules.deciding(&path, kind)
        } else {
            None
        };
        let Some(rule) = rule else { return self.ask(&path, kind) };
        if let Some(label) = self.known().get(&(rule, kind)) {
            return Ok(label.clone());
        }
        let label = self.ask(&path, kind)?;
        if label.as_deref() != self.rules.label(rule) {
            // Another libselinux may read the files otherwise; its word counts.
            let said = label.as_deref().unwrap_or("no label");
            tracing::warn!(%path, label = said, "the policy's rules are not read as libselinux does");
            self.rules_hold.store(false, Ordering::Relaxed);
            return Ok(label);
        }
        self.known().insert((rule, kind), label.clone());
        Ok(label)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// libselinux's answer for an absolute path: some 0.4 ms with libselinux 3.4 and a
    /// distribution's policy, since it tries thousands of expressions.
    fn ask(&self, path: &str, kind: Kind) -> Result<Option<Arc<str>>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let label = opened
            .label(path, kind.mode(), gio::Cancellable::NONE)
            .map_err(failed("look up the SELinux label of", path))?;
        Ok(label.map(|label| label.as_str().into()))
    }
}

/// The absolute path where a path of the tree is used.
fn place_in_use(path: &str) -> String {
    let path = path.trim_matches('/');
    let used = match path.strip_prefix("usr/etc") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("etc{rest}"),
        _ => path.to_owned(),
    };
    format!("/{used}")
}

/// A label as the attribute holds it, with its final NUL.
pub(crate) fn value(label: &str) -> Vec<u8> {
    let mut value = label.as_bytes().to_vec();
    value.push(0);
    value
}

impl Attributes {
    /// The value of the label's attribute.
    pub(crate) fn label(&self) -> Option<&[u8]> {
        self.xattrs.iter().find(|(name, _)| name == XATTR).map(|(_, value)| value.as_slice())
    }

    /// With this label's value in place of whatever label it has.
    pub(crate) fn with_label(&self, value: Option<Vec<u8>>) -> Self {
        let mut labelled = self.clone();
        labelled.xattrs.retain(|(name, _)| name != XATTR);
        labelled.xattrs.extend(value.map(|value| (XATTR.to_vec(), value)));
        labelled.xattrs.sort();
        labelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usr_etc_is_etc_and_nothing_else_is() {
        for (path, used) in [
            ("usr/etc", "/etc"),
            ("/usr/etc/", "/etc"),
            ("usr/etc/passwd", "/etc/passwd"),
            ("usr/etcetera", "/usr/etcetera"),
            ("usr/bin/x", "/usr/bin/x"),
            ("", "/"),
            ("etc/x", "/etc/x"),
        ] {
            assert_eq!(place_in_use(path), used, "{path}");
        }
    }

    #[test]
    fn a_label_takes_the_place_of_the_one_before() {
        let mut attributes = Attributes::root(0o644);
        attributes.xattrs =
            vec![(b"user.a".to_vec(), vec![1]), (XATTR.to_vec(), b"host\0".to_vec())];
        let labelled = attributes.with_label(Some(value("ours")));
        assert_eq!(labelled.label(), Some(&b"ours\0"[..]));
        assert_eq!(labelled.xattrs.len(), 2);
        assert_eq!(labelled.with_label(None).xattrs, [(b"user.a".to_vec(), vec![1])]);
    }
}

//! Files and links that scripts made below /var, as lines of tmpfiles.d(5), and those that cannot
//! be.

use super::{ALL, COPIED, LINE};
use crate::assemble::inside::Inside;
use crate::assemble::{Accounts, tmpfiles};
use crate::{Error, Result};
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Where content that no line can hold is kept, for `C` lines: systemd's own place for the same.
const FACTORY: &str = "share/factory";

/// What is kept of one transaction.
pub(super) struct Kept<'a> {
    tree: &'a Inside,
    accounts: &'a Accounts,
    bytes: u64,
    lost: Vec<(String, &'static str)>,
}

impl<'a> Kept<'a> {
    pub(super) fn new(tree: &'a Inside, accounts: &'a Accounts) -> Self {
        Self { tree, accounts, bytes: 0, lost: Vec::new() }
    }

    pub(super) fn user(&self, uid: u32) -> String {
        self.accounts.user_name(uid)
    }

    pub(super) fn group(&self, gid: u32) -> String {
        self.accounts.group_name(gid)
    }

    /// What was not kept, and why.
    pub(super) fn lost(self) -> Vec<(String, &'static str)> {
        self.lost
    }

    pub(super) fn lose(&mut self, path: &str, why: &'static str) {
        self.lost.push((path.to_owned(), why));
    }

    /// The line for the file or link at `at`, which is `path` inside; empty where it is lost.
    pub(super) fn keep(
        &mut self,
        path: &str,
        at: &Path,
        metadata: &Metadata,
        public: bool,
    ) -> Result<String> {
        let problem = if metadata.is_symlink() {
            let target = fs::read_link(at).map_err(Error::io("read", at))?;
            match target.to_str().filter(|target| !target.contains(['\n', '\r'])) {
                Some(target) => return Ok(tmpfiles::link_line(path, target)),
                None => "its target cannot stand in a line",
            }
        } else if is_special(metadata) {
            "it is no file, directory or link"
        } else if !public || metadata.mode() & 0o004 == 0 {
            "not everybody may read it"
        } else if metadata.len() > COPIED {
            "it is larger than 1 MiB"
        } else if self.bytes + metadata.len() > ALL {
            "the scripts made more than 16 MiB"
        } else {
            return self.file(path, at, metadata);
        };
        self.lose(path, problem);
        Ok(String::new())
    }

    fn file(&mut self, path: &str, at: &Path, metadata: &Metadata) -> Result<String> {
        let content = fs::read(at).map_err(Error::io("read", at))?;
        self.bytes += content.len() as u64;
        let owners = (self.user(metadata.uid()), self.group(metadata.gid()));
        let attributes = (metadata.mode() & 0o7777, owners.0.as_str(), owners.1.as_str());
        let text = std::str::from_utf8(&content).ok().filter(|text| {
            text.len() as u64 <= LINE
                && !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
        });
        if let Some(text) = text {
            return Ok(tmpfiles::file_line(path, attributes, text));
        }
        let source = format!("/usr/{FACTORY}{path}");
        let target = format!("usr/{FACTORY}{path}");
        if let Some((directory, _)) = target.rsplit_once('/') {
            self.tree.make_directories(directory)?;
        }
        // Whoever may write the copy could change what every later host begins with.
        self.tree.put(&target, &content, 0o644)?;
        Ok(tmpfiles::copy_line(path, attributes, &source))
    }
}

fn is_special(metadata: &Metadata) -> bool {
    let kind = metadata.file_type();
    kind.is_socket() || kind.is_fifo() || kind.is_char_device() || kind.is_block_device()
}

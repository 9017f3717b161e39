//! The changelog of a package.

use super::{lossy, tag};
use crate::wire::Blob;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChangelogEntry {
    /// Seconds since 1970.
    pub time: u64,
    /// Who, with address and often the EVR.
    pub author: String,
    /// What changed, in lines.
    pub text: String,
}

pub(super) fn read(blob: &Blob) -> Vec<ChangelogEntry> {
    let times = blob.numbers(tag::CHANGELOGTIME);
    let authors = blob.strings(tag::CHANGELOGNAME);
    let texts = blob.strings(tag::CHANGELOGTEXT);
    let rows = times.into_iter().zip(authors).zip(texts);
    rows.map(|((time, author), text)| ChangelogEntry {
        time,
        author: lossy(author),
        text: lossy(text),
    })
    .collect()
}

//! Pulling commits from a remote or another repository, with the progress that clients know.
//!
//! Signatures are verified by libostree as the remote's configuration says; this module can only
//! add to that. Static deltas are off unless asked for: a hostile one expands without limit
//! (GHSA-7cgc-gp99-6jmm).

use crate::cancel::watched;
use crate::error::{Error, Result, failed};
use crate::repo::Repo;
use cambium_model::{Checksum, Observer, Progress, ProgressUnit};
use glib::variant::ToVariant;

/// Where to pull from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullSource {
    /// A configured remote, whose refs become `remote:ref` here.
    Remote(String),
    /// A URL (`file:///…` for a directory), whose refs are stored under the remote's name if one
    /// is given, else as local refs. Nothing is verified.
    Url {
        /// The URL of the repository.
        url: String,
        /// The remote whose refs they become.
        remote: Option<String>,
    },
}

impl PullSource {
    /// The name or URL, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Remote(name) => name,
            Self::Url { url, .. } => url,
        }
    }
}

/// How much of each commit to fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Content {
    /// The commit and its whole tree.
    #[default]
    Everything,
    /// The commit object alone: enough for version, history and package list.
    CommitOnly,
}

/// Whether static deltas may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StaticDeltas {
    /// Objects only.
    #[default]
    Off,
    /// Deltas where the remote has them.
    On,
}

/// What to pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// From where.
    pub source: PullSource,
    /// Branches, or commits by checksum.
    pub refs: Vec<String>,
    /// For each ref the commit to take instead of its newest; empty for the newest.
    pub commits: Vec<Checksum>,
    /// How much of each commit.
    pub content: Content,
    /// Only these directories of the tree; empty for all.
    pub subpaths: Vec<String>,
    /// How many parents to fetch too; −1 for all.
    pub depth: i32,
    /// Whether deltas may be used.
    pub deltas: StaticDeltas,
}

impl Pull {
    /// The newest commits of `refs`, whole.
    #[must_use]
    pub fn newest(source: PullSource, refs: &[&str]) -> Self {
        Self {
            source,
            refs: refs.iter().map(|name| (*name).to_owned()).collect(),
            commits: Vec::new(),
            content: Content::Everything,
            subpaths: Vec::new(),
            depth: 0,
            deltas: StaticDeltas::Off,
        }
    }

    fn options(&self) -> glib::Variant {
        let mut flags = ostree::RepoPullFlags::NONE;
        if self.content == Content::CommitOnly {
            flags |= ostree::RepoPullFlags::COMMIT_ONLY;
        }
        let options = glib::VariantDict::new(None);
        options.insert("flags", i32::try_from(flags.bits()).unwrap_or(0));
        options.insert("refs", self.refs.as_slice().to_variant());
        options.insert("depth", self.depth);
        options.insert("disable-static-deltas", self.deltas == StaticDeltas::Off);
        if !self.commits.is_empty() {
            let commits: Vec<&str> = self.commits.iter().map(Checksum::as_str).collect();
            options.insert("override-commit-ids", commits.to_variant());
        }
        if !self.subpaths.is_empty() {
            options.insert("subdirs", self.subpaths.as_slice().to_variant());
        }
        if let PullSource::Url { remote, .. } = &self.source {
            // A URL has no keys. Said explicitly, since libostree would ask the configuration of
            // the remote whose name is lent, which need not exist.
            for (key, value) in [
                ("gpg-verify", false),
                ("gpg-verify-summary", false),
                ("disable-sign-verify", true),
                ("disable-sign-verify-summary", true),
            ] {
                options.insert(key, value);
            }
            if let Some(remote) = remote {
                options.insert("override-remote-name", remote.as_str());
            }
        }
        options.end()
    }
}

impl Repo {
    /// Pulls. Progress is a task `Receiving objects` whose steps carry the line that clients
    /// match; a cancel is honoured while waiting for the network, too.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Untrusted`], [`Error::Full`], [`Error::Cancelled`].
    pub fn pull(&self, pull: &Pull, observer: &dyn Observer) -> Result<()> {
        if observer.cancelled() {
            return Err(Error::Cancelled);
        }
        let name = pull.source.name();
        observer.progress(Progress::TaskBegin { text: format!("Pulling from {name}") });
        let (result, summary) = watched(observer, |cancellable, sender| {
            // A context of our own: pulls on two threads must not share the default one.
            let run = || {
                let progress = ostree::AsyncProgress::new();
                let handler = progress.connect_changed(move |progress| {
                    if let Some(step) = step(progress) {
                        // The receiver outlives the pull; a lost step would not matter.
                        drop(sender.send(step));
                    }
                });
                let options = pull.options();
                let result = self.inner.pull_with_options(
                    name,
                    &options,
                    Some(&progress),
                    Some(cancellable),
                );
                progress.finish();
                let summary = progress.status().map(String::from).unwrap_or_default();
                glib::prelude::ObjectExt::disconnect(&progress, handler);
                (result, summary)
            };
            glib::MainContext::new().with_thread_default(run).unwrap_or_else(|error| {
                let error = glib::Error::new(gio::IOErrorEnum::Failed, &error.to_string());
                (Err(error), String::new())
            })
        });
        observer.progress(Progress::TaskEnd { text: summary });
        result.map_err(|error| classify(error, pull, &self.described(&pull.source)))
    }
}

impl Repo {
    /// A source for messages: a remote's name with its URL.
    fn described(&self, source: &PullSource) -> String {
        match source {
            PullSource::Url { url, .. } => format!("'{url}'"),
            PullSource::Remote(name) => match self.inner.remote_get_url(name) {
                Ok(url) => format!("the remote '{name}' ({url})"),
                // The pull's own error says what is wrong with it.
                Err(_) => format!("the remote '{name}'"),
            },
        }
    }
}

/// What kind of failure libostree's error is: it has few codes, so its words must serve.
fn classify(error: glib::Error, pull: &Pull, source: &str) -> Error {
    let remote = source.to_owned();
    let message = error.message();
    let signature = error.domain() == ostree::gpg_error_quark()
        || message.contains("GPG")
        || message.contains("signature");
    if error.matches(gio::IOErrorEnum::Cancelled) || message.contains("Operation was cancelled") {
        Error::Cancelled
    } else if signature {
        Error::Untrusted { commit: pull.refs.join(" "), remote, source: error }
    } else if message.contains("Corrupted") || message.contains("checksum") {
        Error::Corrupt { what: format!("What {remote} serves"), reason: message.to_owned() }
    } else {
        match failed("pull from", &remote)(error) {
            Error::Ostree { source, .. } => Error::Unavailable { remote, source },
            other => other,
        }
    }
}

/// The state of a pull as one step, in the words of surface §1.11.
fn step(progress: &ostree::AsyncProgress) -> Option<Progress> {
    let count = |key| u64::from(progress.uint(key));
    if progress.status().is_some_and(|status| !status.is_empty()) {
        return None;
    }
    let bytes = progress.uint64("bytes-transferred");
    let started = progress.uint64("start-time");
    let elapsed = u64::try_from(glib::monotonic_time()).unwrap_or(0).saturating_sub(started);
    let rate = if started == 0 || elapsed == 0 { 0 } else { bytes * 1_000_000 / elapsed };
    let (rate, bytes) = (glib::format_size(rate), glib::format_size(bytes));
    let (fetched, requested) = (count("fetched"), count("requested"));
    let (parts, of_parts) = (count("fetched-delta-parts"), count("total-delta-parts"));
    let metadata = count("metadata-fetched");
    if count("outstanding-fetches") == 0 {
        return None;
    }
    let (done, total, item) = if of_parts > 0 {
        let size = glib::format_size(progress.uint64("total-delta-part-size"));
        let item = format!("Receiving delta parts: {parts}/{of_parts} {rate}/s {bytes}/{size}");
        (parts, of_parts, item)
    } else if count("outstanding-metadata-fetches") > 0 || count("scanning") > 0 {
        let item = format!("Receiving metadata objects: {metadata}/(estimating) {rate}/s {bytes}");
        (metadata, 0, item)
    } else {
        let percent = (fetched * 100).checked_div(requested).unwrap_or(0);
        let item =
            format!("Receiving objects; {percent}% ({fetched}/{requested}) {rate}/s {bytes}");
        (fetched, requested, item)
    };
    Some(Progress::Step { done, total, unit: ProgressUnit::Items, item })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(counts: &[(&str, u32)], expected: Option<&str>) {
        let progress = ostree::AsyncProgress::new();
        counts.iter().for_each(|(key, count)| progress.set_uint(key, *count));
        progress.set_uint64("bytes-transferred", 2_000_000);
        let item = step(&progress).map(|step| match step {
            Progress::Step { item, .. } => item,
            other => format!("{other:?}"),
        });
        // GLib puts a space that does not break between number and unit.
        assert_eq!(item.map(|item| item.replace('\u{a0}', " ")).as_deref(), expected);
    }

    #[test]
    fn the_lines_are_those_that_clients_match() {
        check(&[("outstanding-fetches", 0)], None);
        check(
            &[("outstanding-fetches", 1), ("scanning", 1), ("metadata-fetched", 7)],
            Some("Receiving metadata objects: 7/(estimating) 0 bytes/s 2.0 MB"),
        );
        check(
            &[("outstanding-fetches", 1), ("fetched", 1), ("requested", 4)],
            Some("Receiving objects; 25% (1/4) 0 bytes/s 2.0 MB"),
        );
        check(
            &[("outstanding-fetches", 1), ("fetched-delta-parts", 1), ("total-delta-parts", 2)],
            Some("Receiving delta parts: 1/2 0 bytes/s 2.0 MB/0 bytes"),
        );
    }
}

//! `rebase [REFSPEC [REVISION]]`

use super::change::{
    ChangeArgs, FetchArgs, Order, PackageArgs, UnchangedExit, invalid, not_supported, options,
};
use cambium_model::{Change, Checksum, Failure, FailureKind, Options, Refspec};
use clap::Args;

/// `rebase`.
#[derive(Debug, Clone, Default, Args)]
pub struct RebaseArgs {
    /// `[REMOTE:]BRANCH`, `REMOTE:` (keeps the branch), `:BRANCH` (keeps the remote), or a checksum
    pub refspec: Option<String>,
    /// A commit of it
    pub revision: Option<String>,
    /// Rebase to branch BRANCH; use --remote to change remote as well
    #[arg(short, long, conflicts_with = "refspec")]
    pub branch: Option<String>,
    /// Rebase to current branch name using REMOTE; may also be combined with --branch
    #[arg(short = 'm', long, conflicts_with = "refspec")]
    pub remote: Option<String>,
    /// Keep previous refspec after rebase
    #[arg(long)]
    pub skip_purge: bool,
    /// Forbid deployment of chronologically older trees
    #[arg(long)]
    pub disallow_downgrade: bool,
    /// Ignored
    #[arg(long, hide = true)]
    pub experimental: bool,
    /// Force a rebase even if an updates driver is registered
    #[arg(long, hide = true)]
    pub bypass_driver: bool,
    /// Human-readable description of custom origin
    #[arg(long, hide = true, value_name = "TEXT")]
    pub custom_origin_description: Option<String>,
    /// Machine-readable description of custom origin
    #[arg(long, hide = true, value_name = "URL")]
    pub custom_origin_url: Option<String>,
    /// Packages changed along with it.
    #[command(flatten)]
    pub packages: PackageArgs,
    /// Shared with every change.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Shared with every assembly.
    #[command(flatten)]
    pub fetch: FetchArgs,
}

impl RebaseArgs {
    /// Whether the new ref can only be said beside the one that is followed now.
    #[must_use]
    pub fn needs_current(&self) -> bool {
        match &self.refspec {
            Some(text) => text.starts_with(':') || text.ends_with(':'),
            None => true,
        }
    }

    /// What is asked for, on a host that follows `current`.
    ///
    /// # Errors
    /// When no ref is named, it does not parse, it leaves out a part that `current` does not have,
    /// or an option cannot be followed.
    pub fn order(&self, current: Option<&Refspec>) -> Result<Order, Failure> {
        if self.custom_origin_url.is_some() || self.custom_origin_description.is_some() {
            return Err(not_supported(
                "--custom-origin-url",
                "Leave it out: the origin is then shown by its ref.",
            ));
        }
        let refspec = self.target(current)?;
        let revision = match &self.revision {
            Some(text) => Some(text.parse::<Checksum>().map_err(|error| {
                Failure::from_error(FailureKind::InvalidRequest, &error)
                    .advise("Rebase to the ref, then: deploy version=VERSION.")
            })?),
            None => None,
        };
        Ok(Order {
            change: Change::Rebase { refspec, revision, packages: self.packages.change() },
            options: Options {
                skip_purge: self.skip_purge,
                disallow_downgrade: self.disallow_downgrade,
                ..options(&self.change, &self.fetch)
            },
            stateroot: self.change.stateroot.clone(),
            extent: self.fetch.extent(),
            unchanged: UnchangedExit::Success,
        })
    }

    fn target(&self, current: Option<&Refspec>) -> Result<Refspec, Failure> {
        let (mut remote, mut branch) = (self.remote.as_deref(), self.branch.as_deref());
        if let Some(text) = self.refspec.as_deref() {
            match (text.strip_suffix(':'), text.strip_prefix(':')) {
                (Some(name), _) if !name.is_empty() => remote = Some(name),
                (_, Some(name)) if !name.is_empty() => branch = Some(name),
                _ => return parse(text),
            }
        } else if remote.is_none() && branch.is_none() {
            return Err(invalid("Refspec or --branch or --remote must be specified"));
        }
        let (current_remote, current_branch) = match current {
            Some(Refspec::Ostree { remote, branch }) => (remote.as_deref(), Some(branch.as_str())),
            _ => (None, None),
        };
        let Some(branch) = branch.or(current_branch) else {
            return Err(invalid("the host follows no branch that the rebase could keep")
                .advise("Name both: REMOTE:BRANCH."));
        };
        match remote.or(current_remote) {
            Some(remote) => parse(&format!("{remote}:{branch}")),
            None => parse(branch),
        }
    }
}

fn parse(text: &str) -> Result<Refspec, Failure> {
    text.parse::<Refspec>()
        .map_err(|error| Failure::from_error(FailureKind::InvalidRequest, &error))
}

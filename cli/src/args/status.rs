//! `status`

use clap::Args;

/// `status`.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "independent options of rpm-ostree's surface")]
pub struct StatusArgs {
    /// Print additional fields (e.g. StateRoot)
    #[arg(short, long)]
    pub verbose: bool,
    /// Expand advisories listing
    #[arg(short, long)]
    pub advisories: bool,
    /// Filter JSONPath expression
    #[arg(short = 'J', long, value_name = "EXPRESSION")]
    pub jsonpath: Option<String>,
    /// Only print the booted deployment
    #[arg(short, long)]
    pub booted: bool,
    /// If pending deployment available, exit 77
    #[arg(long = "pending-exit-77")]
    pub pending_exit_77: bool,
    /// Ignored
    #[arg(short = 'p', hide = true)]
    pub pretty: bool,
}

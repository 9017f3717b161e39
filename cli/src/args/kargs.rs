//! `kargs`

use super::change::{
    ChangeArgs, Extent, Option77, Order, UnchangedExit, invalid, not_supported, plain_options,
};
use cambium_model::{Change, Failure, KargsEdit};
use clap::Args;

/// `kargs`.
#[derive(Debug, Clone, Default, Args)]
pub struct KargsArgs {
    /// Print the kernel args of the deployment with this index
    #[arg(long, value_name = "INDEX")]
    pub deploy_index: Option<u32>,
    /// Append kernel argument; useful with e.g. console= that can be used multiple times
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub append: Vec<String>,
    /// Replace existing kernel argument
    #[arg(long, value_name = "KEY=VALUE=NEWVALUE", allow_hyphen_values = true)]
    pub replace: Vec<String>,
    /// Delete a specific kernel argument key/val pair or an entire argument with a single value
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub delete: Vec<String>,
    /// Like --append, but does nothing if the key/value is already present
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub append_if_missing: Vec<String>,
    /// Like --delete, but does nothing if the key/value is missing
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub delete_if_present: Vec<String>,
    /// Instead of modifying old kernel arguments, modify args from current /proc/cmdline
    #[arg(long, hide = true)]
    pub import_proc_cmdline: bool,
    /// Use an editor to modify the kernel arguments
    #[arg(long, hide = true)]
    pub editor: bool,
    /// The exit code.
    #[command(flatten)]
    pub exit: Option77,
    /// Shared with every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

impl KargsArgs {
    /// The edit that is asked for; `None` where the arguments are only to be printed.
    ///
    /// # Errors
    /// When an option cannot be followed, or an edit names another deployment than the default.
    pub fn order(&self) -> Result<Option<Order>, Failure> {
        for (given, option) in
            [(self.import_proc_cmdline, "--import-proc-cmdline"), (self.editor, "--editor")]
        {
            if given {
                return Err(not_supported(option, "Use --append, --replace and --delete."));
            }
        }
        let edit = KargsEdit {
            replace: self.replace.clone(),
            delete: self.delete.clone(),
            delete_if_present: self.delete_if_present.clone(),
            append: self.append.clone(),
            append_if_missing: self.append_if_missing.clone(),
        };
        if edit == KargsEdit::default() {
            return Ok(None);
        }
        if self.deploy_index.is_some() {
            return Err(invalid("--deploy-index only prints: an edit starts from the default")
                .advise("Leave --deploy-index out, or roll back to that deployment first."));
        }
        Ok(Some(Order {
            change: Change::KernelArguments(edit),
            options: plain_options(&self.change),
            stateroot: self.change.stateroot.clone(),
            extent: Extent::Carry,
            unchanged: UnchangedExit::requested(self.exit),
        }))
    }
}

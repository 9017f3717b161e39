//! Where the daemon's own log goes: standard error, which systemd takes into the journal.

use anyhow::{Context as _, Result};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts logging what `filter` lets through. `CAMBIUM_LOG` overrides it.
///
/// # Errors
/// When the filter is none, or logging was started before.
pub(crate) fn start(filter: &str) -> Result<()> {
    let filter = std::env::var("CAMBIUM_LOG").unwrap_or_else(|_| filter.to_owned());
    let filter = EnvFilter::try_new(&filter)
        .with_context(|| format!("'{filter}' is not a filter for the log"))?;
    // The journal stamps lines itself; a second time in each would only push the text aside.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let layer = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_span_events(FmtSpan::NONE);
    let started = if journal { layer.without_time().try_init() } else { layer.try_init() };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}

//! What each verb does: one file for each that does more than change the host; those that change
//! it share `change`.

pub mod compose;

mod cancel;
mod change;
mod db;
mod generate_docs;
mod history;
mod kargs;
mod rebase;
mod reload;
mod search;
mod status;
mod transaction;

use crate::Exit;
use crate::args::db::DbVerb;
use crate::args::{Cli, ExVerb, Global, Verb};
use crate::connection::Daemon;
use crate::invocation::Invocation;
use crate::output::Output;
use anyhow::{Context as _, Result};
use cambium_model::{Failure, FailureKind};
use cambium_proto::{DecodeError, HostView, v1};

/// What every verb works with.
pub(crate) struct Session<'a> {
    pub(crate) invocation: &'a Invocation,
    pub(crate) global: Global,
    pub(crate) output: Output,
    pub(crate) daemon: Daemon,
}

/// Runs a parsed command line.
///
/// # Errors
/// Whatever the verb's own errors are.
pub fn run(invocation: &Invocation, cli: Cli) -> Result<Exit> {
    let Cli { global, verb } = cli;
    let output = Output::new(&global);
    if global.version {
        output.text(&crate::render::version::yaml(invocation.program))?;
        return Ok(Exit::Success);
    }
    match verb {
        Verb::GenerateDocs(args) => return generate_docs::run(&args),
        Verb::Compose(args) => return Err(compose::exec(&args.args)),
        _ => {}
    }
    // One thread: the daemon does the work, and starting threads would be a good part of the time
    // that `status` takes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(async {
        let daemon = Daemon::connect(&global).await?;
        let session = Session { invocation, global, output, daemon };
        let result = dispatch(&session, verb).await;
        let closed = session.daemon.close().await;
        let exit = result?;
        closed?;
        Ok(exit)
    })
}

async fn dispatch(session: &Session<'_>, verb: Verb) -> Result<Exit> {
    match verb {
        Verb::Status(args) => status::run(session, &args).await,
        Verb::Install(args) => change::run(session, args.order()?).await,
        Verb::Uninstall(args) => change::run(session, args.order()?).await,
        Verb::Upgrade(args) => change::run(session, args.order()).await,
        Verb::Deploy(args) => change::run(session, args.order()?).await,
        Verb::Rebase(args) => rebase::run(session, &args).await,
        Verb::Rollback(args) => change::run(session, args.order()).await,
        Verb::Kargs(args) => kargs::run(session, &args).await,
        Verb::Cleanup(args) => change::run(session, args.order()?).await,
        Verb::RefreshMd(args) => change::run(session, args.order()).await,
        Verb::Cancel(args) => cancel::run(session, &args).await,
        Verb::Db(args) => match args.verb {
            DbVerb::Diff(args) => db::diff(session, &args).await,
            DbVerb::List(args) => db::list(session, &args).await,
            DbVerb::Version(args) => db::version(session, &args).await,
        },
        Verb::History(args) => history::run(session, &args).await,
        Verb::Ex(args) => match args.verb {
            ExVerb::History(args) => history::run(session, &args).await,
        },
        Verb::Search(args) => search::run(session, &args).await,
        Verb::Reload(_) => reload::run(session).await,
        Verb::Compose(args) => Err(compose::exec(&args.args)),
        Verb::GenerateDocs(args) => generate_docs::run(&args),
    }
}

impl Session<'_> {
    /// The host as it is now.
    pub(crate) async fn host(&self) -> Result<HostView> {
        let answer = self.daemon.host().get_status(v1::GetStatusRequest {}).await;
        let status = answer.map_err(refused)?.into_inner();
        Ok(HostView::try_from(status).map_err(unreadable)?)
    }
}

/// What the daemon said instead of an answer.
pub(crate) fn refused(status: tonic::Status) -> Failure {
    cambium_proto::failure_from_status(&status)
}

/// An answer that this program cannot read.
pub(crate) fn unreadable(error: DecodeError) -> Failure {
    let what = "the daemon's answer cannot be read";
    Failure { causes: vec![error.to_string()], ..Failure::new(FailureKind::Internal, what) }
        .advise("Client and daemon should be of the same version: restart the daemon.")
}

/// A part of an answer that must be there.
pub(crate) fn part<T>(part: Option<T>, field: &'static str) -> Result<T, Failure> {
    part.ok_or_else(|| unreadable(DecodeError::Missing { field }))
}

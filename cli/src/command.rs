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
use crate::args::change::Order;
use crate::args::db::DbVerb;
use crate::args::{self, Cli, ExVerb, Global, Verb};
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
    let task = match Task::read(verb)? {
        Task::GenerateDocs(args) => return generate_docs::run(&args),
        Task::Compose(args) => return Err(compose::exec(&args)),
        task => task,
    };
    // One thread: the daemon does the work, and starting threads would be a good part of the time
    // that `status` takes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(async {
        let daemon = Daemon::connect(&global).await?;
        let session = Session { invocation, global, output, daemon };
        let result = dispatch(&session, task).await;
        let closed = session.daemon.close().await;
        let exit = result?;
        closed?;
        Ok(exit)
    })
}

/// What is to be done. What the arguments alone can be refused for is refused before the daemon is
/// asked for anything.
enum Task {
    Change(Order),
    Rebase(args::rebase::RebaseArgs),
    Kargs(args::kargs::KargsArgs),
    Status(args::status::StatusArgs),
    Cancel(args::cancel::CancelArgs),
    Db(DbVerb),
    History(args::history::HistoryArgs),
    Search(args::search::SearchArgs),
    Reload,
    Compose(Vec<std::ffi::OsString>),
    GenerateDocs(args::generate_docs::GenerateDocsArgs),
}

impl Task {
    fn read(verb: Verb) -> Result<Self> {
        Ok(match verb {
            Verb::Install(args) => Self::Change(args.order()?),
            Verb::Uninstall(args) => Self::Change(args.order()?),
            Verb::Upgrade(args) => Self::Change(args.order()),
            Verb::Deploy(args) => Self::Change(args.order()?),
            Verb::Rollback(args) => Self::Change(args.order()),
            Verb::Cleanup(args) => Self::Change(args.order()?),
            Verb::RefreshMd(args) => Self::Change(args.order()),
            Verb::Kargs(args) => match args.order()? {
                Some(order) => Self::Change(order),
                None => Self::Kargs(args),
            },
            Verb::Rebase(args) if args.needs_current() => Self::Rebase(args),
            Verb::Rebase(args) => Self::Change(args.order(None)?),
            Verb::Status(args) => Self::Status(args),
            Verb::Cancel(args) => Self::Cancel(args),
            Verb::Db(args) => Self::Db(args.verb),
            Verb::History(args) => Self::History(args),
            Verb::Ex(args) => match args.verb {
                ExVerb::History(args) => Self::History(args),
            },
            Verb::Search(args) => Self::Search(args),
            Verb::Reload(_) => Self::Reload,
            Verb::Compose(args) => Self::Compose(args.args),
            Verb::GenerateDocs(args) => Self::GenerateDocs(args),
        })
    }
}

async fn dispatch(session: &Session<'_>, task: Task) -> Result<Exit> {
    match task {
        Task::Change(order) => change::run(session, order).await,
        Task::Rebase(args) => rebase::run(session, &args).await,
        Task::Kargs(args) => kargs::run(session, &args).await,
        Task::Status(args) => status::run(session, &args).await,
        Task::Cancel(args) => cancel::run(session, &args).await,
        Task::Db(DbVerb::Diff(args)) => db::diff(session, &args).await,
        Task::Db(DbVerb::List(args)) => db::list(session, &args).await,
        Task::Db(DbVerb::Version(args)) => db::version(session, &args).await,
        Task::History(args) => history::run(session, &args).await,
        Task::Search(args) => search::run(session, &args).await,
        Task::Reload => reload::run(session).await,
        Task::Compose(args) => Err(compose::exec(&args)),
        Task::GenerateDocs(args) => generate_docs::run(&args),
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

//! Drives one transaction through its phases: log, act, log.
//!
//! Owns: the order of phases and what each hands to the next. A phase is durable in the log before
//! its first message is sent. Whatever ends a transaction early, the same recovery undoes it that
//! runs at start.

use super::metrics::CoordinatorMetrics;
use super::record::Record;
use actix::{Message, Recipient};
use cambium_messages::{Ports, Reply, bootloader, depsolve, lost, repo, sandbox, txlog};
use cambium_model::{
    AssemblyStart, Base, BaseChoice, Change, Checksum, Event, Failure, FailureKind, FetchPolicy,
    Finalization, Freshness, HostState, Intent, MetadataCache, Observer, Outcome, Phase, Progress,
    Resolution, Solution, Sweep, Target, intend,
};
use cambium_runtime::{Call, Changes};
use std::sync::Arc;
use std::time::Instant;

/// Sends `message` and waits for its reply.
async fn ask<M, T>(port: &Recipient<M>, message: M) -> Reply<T>
where
    M: Message<Result = Reply<T>> + Send + 'static,
    T: Send + 'static,
{
    port.send(message).await.unwrap_or_else(|error| Err(lost(&error)))
}

/// Undoes what a dead daemon left and says so in the log.
pub(super) async fn recover(ports: Ports) -> Reply<()> {
    let unfinished = ask(&ports.unfinished, txlog::ListUnfinished { call: Call::read() }).await?;
    let recovered = ask(&ports.recover, repo::Recover { call: Call::read() }).await?;
    for what in &recovered.undone {
        tracing::info!(what, "undone");
    }
    let host = ask(&ports.read_host, repo::ReadHost { call: Call::read() }).await?;
    let note = txlog::NoteHost { call: Call::read(), host: host.clone() };
    ask(&ports.note_host, note).await?;
    for transaction in unfinished {
        let outcome = Outcome::Interrupted { phase: transaction.phase };
        let (id, after) = (transaction.id, Some(host.clone()));
        let finish = txlog::Finish { call: Call::read(), id, outcome, before: None, after };
        ask(&ports.finish, finish).await?;
    }
    Ok(())
}

/// Tidies up on nobody's behalf: what fails is logged and tried again the next time.
pub(super) async fn tidy(ports: &Ports, sweep: Sweep) {
    let (call, metadata) = (Call::read(), MetadataCache::Keep);
    if let Err(failure) = ask(&ports.tidy, repo::Tidy { call, metadata, sweep }).await {
        tracing::warn!(%failure, "could not tidy up");
    }
}

/// What drives one transaction.
#[derive(Debug)]
pub(super) struct Driver {
    ports: Ports,
    metrics: CoordinatorMetrics,
    changes: Changes,
    record: Arc<Record>,
    call: Call,
    entered: Instant,
    /// The host before the transaction.
    before: Option<Arc<HostState>>,
}

impl Driver {
    pub(super) fn new(
        ports: Ports,
        metrics: CoordinatorMetrics,
        changes: Changes,
        record: Arc<Record>,
    ) -> Self {
        let call = record.call();
        Self { ports, metrics, changes, record, call, entered: Instant::now(), before: None }
    }

    /// Runs the transaction to its end, whatever that is, then tidies up.
    pub(super) async fn run(mut self) {
        let outcome = match self.begin_and_run().await {
            Ok(outcome) => outcome,
            Err(failure) => self.fail(failure).await,
        };
        self.finish(outcome.clone()).await;
        let cleanup = matches!(self.record.request.change, Change::Cleanup(_));
        if matches!(outcome, Outcome::Succeeded { .. }) && !cleanup {
            self.tidy_in_the_background().await;
        }
    }

    async fn begin_and_run(&mut self) -> Reply<Outcome> {
        let begin = txlog::Begin {
            call: self.call.clone(),
            id: self.record.id.clone(),
            request: Box::new((*self.record.request).clone()),
        };
        ask(&self.ports.begin, begin).await?;
        self.steps().await
    }

    /// Undoes the half-done and says how it ended.
    async fn fail(&mut self, failure: Failure) -> Outcome {
        // Recovery is not the caller's to cancel any more.
        if let Err(left) = ask(&self.ports.recover, repo::Recover { call: Call::read() }).await {
            tracing::error!(failure = %left, "recovery after a failed transaction failed");
        }
        if failure.kind == FailureKind::Cancelled {
            return Outcome::Cancelled;
        }
        let span = &self.call.span;
        span.in_scope(|| tracing::error!(kind = %failure.kind, %failure, "transaction failed"));
        Outcome::Failed(failure)
    }

    async fn finish(&mut self, outcome: Outcome) {
        self.metrics.phase(self.record.phase(), self.entered.elapsed());
        self.metrics.ended(&self.record.request.change, &outcome);
        let after = match ask(&self.ports.read_host, repo::ReadHost { call: Call::read() }).await {
            Ok(host) => Some(host),
            Err(failure) => {
                tracing::warn!(%failure, "the log cannot say what the host became");
                None
            }
        };
        let finish = txlog::Finish {
            call: Call::read(),
            id: self.record.id.clone(),
            outcome: outcome.clone(),
            before: self.before.take(),
            after,
        };
        if let Err(failure) = ask(&self.ports.finish, finish).await {
            tracing::error!(%failure, "the outcome could not be logged");
            let text = format!("the outcome could not be logged: {failure}");
            self.call.progress(Progress::Warning { text });
        }
        self.record.set_phase(Phase::Finished);
        self.call.progress(Progress::Finished { outcome });
        self.changes.ring();
    }

    /// Drops names that no deployment needs and gets the next spare ready. Objects stay until
    /// the host has been quiet: whoever looks at the repository now finds it whole.
    async fn tidy_in_the_background(&self) {
        tidy(&self.ports, Sweep::Names).await;
    }

    /// Logs that `phase` begins, then lets it begin.
    async fn enter(&mut self, phase: Phase) -> Reply<()> {
        if self.call.cancelled() {
            return Err(Failure::new(FailureKind::Cancelled, "the transaction was cancelled"));
        }
        let before = self.record.phase();
        let next = before
            .on(Event::Enter(phase))
            .map_err(|illegal| Failure::from_error(FailureKind::Internal, &illegal))?;
        let enter =
            txlog::Enter { call: self.call.clone(), id: self.record.id.clone(), phase: next };
        ask(&self.ports.enter, enter).await?;
        self.metrics.phase(before, self.entered.elapsed());
        self.entered = Instant::now();
        self.record.set_phase(next);
        self.call.progress(Progress::Phase { phase: next });
        Ok(())
    }

    async fn steps(&mut self) -> Reply<Outcome> {
        let host = ask(&self.ports.read_host, repo::ReadHost { call: self.call.clone() }).await?;
        self.before = Some(host.clone());
        let call = self.call.clone();
        match intend(&self.record.request, &host)? {
            Intent::Unchanged(summary) => Ok(Outcome::Unchanged { summary }),
            Intent::Deploy(target) => self.deploy(target).await,
            Intent::RefreshMetadata { force } => {
                self.enter(Phase::Resolving).await?;
                let freshness = if force { Freshness::All } else { Freshness::Expired };
                let refresh = depsolve::RefreshMetadata { call, freshness };
                ask(&self.ports.refresh_metadata, refresh).await?;
                Ok(succeeded(None, String::new()))
            }
            Intent::Rollback(stateroot) => {
                self.enter(Phase::Swapping).await?;
                let roll_back = bootloader::RollBack { call, stateroot };
                let id = ask(&self.ports.roll_back, roll_back).await?;
                self.reboot_if_asked().await?;
                let summary = format!("Moved '{id}' to be first deployment");
                Ok(succeeded(Some(id.to_string()), summary))
            }
            Intent::Cleanup(stateroot, scope) => {
                self.enter(Phase::Swapping).await?;
                let clean_up = bootloader::CleanUp { call, stateroot, scope };
                let dropped = ask(&self.ports.clean_up, clean_up).await?;
                let metadata =
                    if scope.metadata { MetadataCache::Remove } else { MetadataCache::Keep };
                let sweep = Sweep::Objects;
                let tidy = repo::Tidy { call: self.call.clone(), metadata, sweep };
                ask(&self.ports.tidy, tidy).await?;
                let nothing = dropped == 0 && (scope.pending || scope.rollback);
                let summary = if nothing { "Deployments unchanged." } else { "" };
                Ok(succeeded(None, summary.to_owned()))
            }
        }
    }

    async fn deploy(&mut self, mut target: Box<Target>) -> Reply<Outcome> {
        let options = self.record.request.options.clone();
        self.enter(Phase::Resolving).await?;
        let fetch = if options.cache_only { FetchPolicy::CacheOnly } else { FetchPolicy::Fetch };
        let base = self.find_base(&mut target, fetch).await?;
        let commit = match self.commit_without_assembly(&target, &base) {
            Some(commit) => commit,
            None => match self.assemble(&target, &base, fetch).await? {
                Assembly::Commit(commit) => commit,
                Assembly::Downloaded => return Ok(downloaded()),
            },
        };
        if options.download_only {
            return Ok(downloaded());
        }
        let same_origin = target.merge.origin.as_ref() == Some(&target.origin);
        if commit == target.merge.id.checksum && same_origin && target.kargs.is_none() {
            return Ok(Outcome::Unchanged { summary: unchanged(&self.record.request.change) });
        }
        self.enter(Phase::Deploying).await?;
        let prepare = bootloader::PrepareDeployment {
            call: self.call.clone(),
            target: target.clone(),
            commit: commit.clone(),
        };
        let prepared = ask(&self.ports.prepare, prepare).await?;
        self.enter(Phase::Swapping).await?;
        let finalization = match options.lock_finalization {
            true => Finalization::Locked,
            false => Finalization::AtShutdown,
        };
        let swap = bootloader::Swap { call: self.call.clone(), prepared, target, finalization };
        let id = ask(&self.ports.swap, swap).await?;
        self.reboot_if_asked().await?;
        let summary = "Changes queued for next boot. Run \"systemctl reboot\" to start a reboot";
        Ok(succeeded(Some(id.to_string()), summary.to_owned()))
    }

    async fn find_base(&self, target: &mut Target, fetch: FetchPolicy) -> Reply<Base> {
        let find =
            repo::FindBase { call: self.call.clone(), target: Box::new(target.clone()), fetch };
        let base = ask(&self.ports.find_base, find).await?;
        if target.forbid_downgrade && base.timestamp < target.merge.base_timestamp {
            let what = format!(
                "Upgrade target revision '{}' with timestamp '{}' is chronologically older than \
                 current revision '{}' with timestamp '{}'",
                base.commit,
                base.timestamp,
                target.merge.base_checksum,
                target.merge.base_timestamp
            );
            return Err(Failure::new(FailureKind::Precondition, what)
                .advise("Use --allow-downgrade to permit it."));
        }
        if matches!(target.base, BaseChoice::Version(_) | BaseChoice::Commit(_)) {
            target.origin.override_commit = Some(base.commit.clone());
        }
        Ok(base)
    }

    /// The commit to deploy where none has to be assembled: the base itself, or the one that is
    /// deployed already.
    fn commit_without_assembly(&self, target: &Target, base: &Base) -> Option<Checksum> {
        if !target.origin.needs_assembly() {
            return Some(base.commit.clone());
        }
        let same_base = target.merge.base_checksum == base.commit;
        (target.kargs.is_some() && same_base).then(|| target.merge.id.checksum.clone())
    }

    async fn assemble(
        &mut self,
        target: &Target,
        base: &Base,
        fetch: FetchPolicy,
    ) -> Reply<Assembly> {
        let options = self.record.request.options.clone();
        let solution = self.resolve(target, base, fetch).await?;
        if solution.unchanged && !options.rebuild {
            return Ok(Assembly::Commit(target.merge.id.checksum.clone()));
        }
        self.enter(Phase::Fetching).await?;
        let call = self.call.clone();
        let fetch = repo::Fetch { call: call.clone(), packages: solution.packages.clone(), fetch };
        let fetched = ask(&self.ports.fetch, fetch).await?;
        if options.download_only {
            return Ok(Assembly::Downloaded);
        }
        self.enter(Phase::Importing).await?;
        let repos = solution.repos.clone();
        let base_commit = base.commit.clone();
        let import =
            repo::Import { call: call.clone(), packages: fetched, repos, base: base_commit };
        let packages = ask(&self.ports.import, import).await?;
        self.enter(Phase::Assembling).await?;
        let start = if options.rebuild { AssemblyStart::Base } else { AssemblyStart::Extend };
        let assemble = sandbox::Assemble {
            call: call.clone(),
            target: Box::new(target.clone()),
            base: base.clone(),
            solution,
            packages,
            start,
        };
        let commit = ask(&self.ports.assemble, assemble).await?;
        self.enter(Phase::Committing).await?;
        ask(&self.ports.keep_commit, repo::KeepCommit { call, commit: commit.clone() }).await?;
        Ok(Assembly::Commit(commit))
    }

    async fn resolve(&self, target: &Target, base: &Base, fetch: FetchPolicy) -> Reply<Solution> {
        let resolve = depsolve::Resolve {
            call: self.call.clone(),
            target: Box::new(target.clone()),
            base: base.clone(),
            fetch,
        };
        let solution = match ask(&self.ports.resolve, resolve).await? {
            Resolution::Solved(solution) => solution,
            Resolution::Problems(failure) => return Err(failure),
        };
        for warning in &solution.warnings {
            self.call.warning(warning.clone());
        }
        self.refuse_inactive(&solution)?;
        Ok(solution)
    }

    /// Asking anew for what the base holds is a mistake unless it is said to be meant.
    fn refuse_inactive(&self, solution: &Solution) -> Reply<()> {
        let request = &self.record.request;
        let asked = request.change.packages().map_or(&[][..], |change| &change.install);
        let inactive = asked.iter().find(|name| solution.inactive.contains(name));
        match inactive {
            Some(name) if !request.options.allow_inactive => {
                let what = format!("\"{name}\" is already provided by the base");
                Err(Failure::new(FailureKind::InvalidRequest, what)
                    .advise("Use --allow-inactive to explicitly require it."))
            }
            _ => Ok(()),
        }
    }

    async fn reboot_if_asked(&self) -> Reply<()> {
        if self.record.request.options.reboot {
            ask(&self.ports.reboot, sandbox::Reboot { call: Call::read() }).await?;
        }
        Ok(())
    }
}

/// How an assembly ended.
enum Assembly {
    Commit(Checksum),
    /// Everything is on disk; `--download-only` wants no more.
    Downloaded,
}

fn succeeded(deployment: Option<String>, summary: String) -> Outcome {
    Outcome::Succeeded { deployment, summary }
}

fn downloaded() -> Outcome {
    succeeded(None, "Update downloaded.".to_owned())
}

fn unchanged(change: &Change) -> String {
    let text = if change.moves_base() { "No upgrade available." } else { "No change." };
    text.to_owned()
}

//! The order of messages, and what ends a transaction early. The workers here record what they
//! are asked and answer plausibly; the real ones are tested end to end in integration/.

use super::*;
use cambium_messages::{bootloader, depsolve, repo, sandbox, txlog};
use cambium_model::{
    Base, Change, Checksum, Deployment, DeploymentId, HostState, KargsEdit, Options, Origin,
    PackageChange, Phase, PreparedDeployment, Request, Resolution, Solution,
};
use std::sync::Mutex;

const BASE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const LAYERED: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

/// A worker that records, and does what a test wants for one message.
#[derive(Default)]
struct Script {
    seen: Arc<Mutex<Vec<String>>>,
    /// The message that fails, and with what.
    fails: Option<(&'static str, FailureKind)>,
    /// The message that waits until its call is cancelled.
    hangs: Option<&'static str>,
}

impl Actor for Script {
    type Context = SyncContext<Self>;
}

impl Script {
    fn answer<T>(&self, name: &'static str, call: &cambium_runtime::Call, reply: T) -> Reply<T> {
        use cambium_model::Observer;
        self.seen.lock().unwrap().push(name.to_owned());
        if self.hangs == Some(name) {
            while !call.cancelled() {
                std::thread::yield_now();
            }
            return Err(Failure::new(FailureKind::Cancelled, name));
        }
        match self.fails {
            Some((failing, kind)) if failing == name => Err(Failure::new(kind, name)),
            _ => Ok(reply),
        }
    }
}

macro_rules! answers {
    ($($message:ty, $reply:ty, $name:literal => $value:expr;)*) => {$(
        impl Handler<$message> for Script {
            type Result = Reply<$reply>;
            fn handle(&mut self, message: $message, _: &mut Self::Context) -> Self::Result {
                self.answer($name, &message.call, $value)
            }
        }
    )*};
}

answers! {
    repo::ReadHost, Arc<HostState>, "read-host" => Arc::new(host());
    repo::FindBase, Base, "find-base" => Base { commit: checksum(BASE), version: None, timestamp: 1 };
    repo::Fetch, Vec<cambium_model::Fetched>, "fetch" => Vec::new();
    repo::Import, Vec<cambium_model::Imported>, "import" => Vec::new();
    repo::KeepCommit, (), "keep-commit" => ();
    repo::Recover, cambium_model::Recovered, "recover" => cambium_model::Recovered::default();
    depsolve::Resolve, Resolution, "resolve" => Resolution::Solved(Solution {
        inactive: vec!["bash".into()],
        ..Solution::default()
    });
    depsolve::RefreshMetadata, (), "refresh-metadata" => ();
    depsolve::FindPackages, Vec<cambium_model::FoundPackage>, "find-packages" => Vec::new();
    depsolve::ListPackages, Vec<cambium_model::Nevra>, "list-packages" => Vec::new();
    sandbox::Assemble, Checksum, "assemble" => checksum(LAYERED);
    sandbox::Reboot, (), "reboot" => ();
    bootloader::PrepareDeployment, PreparedDeployment, "prepare" => PreparedDeployment {
        id: id(LAYERED),
        kernel_arguments: Vec::new(),
    };
    bootloader::Swap, DeploymentId, "swap" => id(LAYERED);
    bootloader::RollBack, DeploymentId, "roll-back" => id(BASE);
    bootloader::CleanUp, usize, "clean-up" => 0;
    txlog::Begin, (), "begin" => ();
    txlog::Finish, (), "finish" => ();
    txlog::NoteHost, (), "note-host" => ();
    txlog::ListUnfinished, Vec<txlog::UnfinishedTransaction>, "unfinished" => vec![
        txlog::UnfinishedTransaction { id: TransactionId::new("old"), phase: Phase::Importing },
    ];
    txlog::ReadHistory, Vec<txlog::TransactionRecord>, "history" => Vec::new();
    txlog::CountRecords, u64, "count" => 0;
    txlog::Verify, txlog::Verified, "verify" => txlog::Verified::Intact { records: 0 };
    txlog::Export, Vec<u8>, "export" => Vec::new();
}

impl Handler<repo::Tidy> for Script {
    type Result = Reply<cambium_model::Freed>;

    fn handle(&mut self, message: repo::Tidy, _: &mut Self::Context) -> Self::Result {
        let name = if message.sweep == Sweep::Objects { "sweep" } else { "tidy" };
        self.answer(name, &message.call, cambium_model::Freed::default())
    }
}

impl Handler<txlog::Enter> for Script {
    type Result = Reply<()>;

    fn handle(&mut self, message: txlog::Enter, _: &mut Self::Context) -> Self::Result {
        self.seen.lock().unwrap().push(format!("[{}]", message.phase));
        Ok(())
    }
}

impl Handler<depsolve::MakePlan> for Script {
    type Result = Reply<cambium_model::Plan>;

    fn handle(&mut self, _: depsolve::MakePlan, _: &mut Self::Context) -> Self::Result {
        Err(Failure::new(FailureKind::Internal, "no transaction makes a plan"))
    }
}

impl Handler<depsolve::DiffPackages> for Script {
    type Result = Reply<cambium_model::PackageDiffs>;

    fn handle(&mut self, _: depsolve::DiffPackages, _: &mut Self::Context) -> Self::Result {
        Err(Failure::new(FailureKind::Internal, "no transaction compares packages"))
    }
}

fn checksum(text: &str) -> Checksum {
    text.parse().unwrap()
}

fn id(commit: &str) -> DeploymentId {
    DeploymentId { stateroot: "os".parse().unwrap(), checksum: checksum(commit), serial: 0 }
}

fn host() -> HostState {
    let mut deployment = Deployment::bare(id(BASE));
    (deployment.booted, deployment.timestamp, deployment.base_timestamp) = (true, 1, 1);
    deployment.origin = Some(Origin::following("r:os".parse().unwrap()));
    HostState {
        deployments: vec![deployment],
        stateroots: vec!["os".parse().unwrap()],
        ..HostState::default()
    }
}

type Seen = Arc<Mutex<Vec<String>>>;

/// A coordinator that has resumed, over `threads` scripted workers behind one address.
async fn coordinator(script: Script, threads: usize) -> (Addr<Coordinator>, Seen) {
    let Script { seen, fails, hangs } = script;
    let record = seen.clone();
    let a = SyncArbiter::start(threads, move || Script { seen: record.clone(), fails, hangs });
    let ports = Ports {
        read_host: a.clone().recipient(),
        find_base: a.clone().recipient(),
        fetch: a.clone().recipient(),
        import: a.clone().recipient(),
        keep_commit: a.clone().recipient(),
        tidy: a.clone().recipient(),
        recover: a.clone().recipient(),
        resolve: a.clone().recipient(),
        make_plan: a.clone().recipient(),
        refresh_metadata: a.clone().recipient(),
        find_packages: a.clone().recipient(),
        list_packages: a.clone().recipient(),
        diff_packages: a.clone().recipient(),
        assemble: a.clone().recipient(),
        reboot: a.clone().recipient(),
        prepare: a.clone().recipient(),
        swap: a.clone().recipient(),
        roll_back: a.clone().recipient(),
        clean_up: a.clone().recipient(),
        begin: a.clone().recipient(),
        enter: a.clone().recipient(),
        finish: a.clone().recipient(),
        note_host: a.clone().recipient(),
        unfinished: a.clone().recipient(),
        history: a.clone().recipient(),
        count: a.clone().recipient(),
        verify: a.clone().recipient(),
        export: a.recipient(),
    };
    let address =
        Coordinator::new(ports, CoordinatorMetrics::default(), Changes::default()).start();
    address.send(Resume).await.unwrap().unwrap();
    assert_eq!(
        std::mem::take(&mut *seen.lock().unwrap()),
        ["unfinished", "recover", "read-host", "note-host", "finish"]
    );
    (address, seen)
}

fn install(names: &[&str]) -> Request {
    let install = names.iter().map(|&name| name.to_owned()).collect();
    let change = Change::Packages(PackageChange { install, ..PackageChange::default() });
    request(change)
}

fn request(change: Change) -> Request {
    Request { stateroot: None, change, options: Options::default(), initiator: Default::default() }
}

fn start(request: Request) -> StartTransaction {
    StartTransaction { request: Box::new(request), idempotency_key: None }
}

/// Waits for the end of transaction `id`.
async fn outcome(address: &Addr<Coordinator>, id: TransactionId) -> Outcome {
    let watch = WatchTransaction { id, after: 0 };
    let mut watcher = address.send(watch).await.unwrap().unwrap();
    let mut last = None;
    while let Some(batch) = watcher.next().await {
        last = batch.into_iter().next_back();
    }
    match last.map(|event| event.progress) {
        Some(Progress::Finished { outcome }) => outcome,
        other => panic!("{other:?}"),
    }
}

/// Runs `request` alone and returns its outcome and the messages in order, without the tidying.
async fn run(script: Script, request: Request) -> (Outcome, Vec<String>) {
    let (address, seen) = coordinator(script, 1).await;
    let started = address.send(start(request)).await.unwrap().unwrap();
    let outcome = outcome(&address, started.id).await;
    address.send(Drain).await.unwrap();
    let mut seen = seen.lock().unwrap().clone();
    seen.retain(|name| name != "tidy" && name != "read-host");
    (outcome, seen)
}

#[actix::test]
async fn a_layering_logs_each_phase_before_its_work() {
    let (outcome, seen) = run(Script::default(), install(&["vim"])).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert_eq!(
        seen,
        [
            "begin",
            "[resolving]",
            "find-base",
            "resolve",
            "[fetching]",
            "fetch",
            "[importing]",
            "import",
            "[assembling]",
            "assemble",
            "[committing]",
            "keep-commit",
            "[deploying]",
            "prepare",
            "[swapping]",
            "swap",
            "finish",
        ]
    );
}

#[actix::test]
async fn kernel_arguments_assemble_nothing() {
    let edit = KargsEdit { append: vec!["quiet".into()], ..KargsEdit::default() };
    let (outcome, seen) = run(Script::default(), request(Change::KernelArguments(edit))).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert!(!seen.iter().any(|name| name == "resolve" || name == "assemble"), "{seen:?}");
    assert_eq!(seen.last().unwrap(), "finish");
}

#[actix::test]
async fn an_upgrade_to_the_same_commit_changes_nothing() {
    let change = Change::Upgrade { packages: PackageChange::default(), allow_downgrade: false };
    let (outcome, seen) = run(Script::default(), request(change)).await;
    assert_eq!(outcome, Outcome::Unchanged { summary: "No upgrade available.".into() });
    assert!(!seen.iter().any(|name| name == "prepare"), "{seen:?}");
}

#[actix::test]
async fn what_the_base_holds_is_not_requested_by_mistake() {
    let (outcome, _) = run(Script::default(), install(&["bash"])).await;
    assert!(matches!(&outcome, Outcome::Failed(f) if f.advice.contains("--allow-inactive")));
    let mut meant = install(&["bash"]);
    meant.options.allow_inactive = true;
    let (outcome, _) = run(Script::default(), meant).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
}

#[actix::test]
async fn a_failure_anywhere_is_recovered_and_logged() {
    for step in ["find-base", "resolve", "fetch", "import", "assemble", "keep-commit", "swap"] {
        let script = Script { fails: Some((step, FailureKind::NoSpace)), ..Script::default() };
        let (outcome, seen) = run(script, install(&["vim"])).await;
        assert!(matches!(&outcome, Outcome::Failed(f) if f.kind == FailureKind::NoSpace), "{step}");
        assert_eq!(seen[seen.len() - 3..], [step, "recover", "finish"]);
    }
}

#[actix::test]
async fn a_cancel_ends_the_step_that_runs() {
    for step in ["find-base", "resolve", "fetch", "import", "assemble"] {
        let script = Script { hangs: Some(step), ..Script::default() };
        let (address, seen) = coordinator(script, 2).await;
        let id = address.send(start(install(&["vim"]))).await.unwrap().unwrap().id;
        while seen.lock().unwrap().last().is_none_or(|name| name != step) {
            tokio::task::yield_now().await;
        }
        address.send(CancelTransaction { id: None }).await.unwrap().unwrap();
        assert_eq!(outcome(&address, id).await, Outcome::Cancelled);
        let ends = ["recover", "read-host", "finish"].map(str::to_owned);
        assert!(seen.lock().unwrap().ends_with(&ends));
    }
}

#[actix::test]
async fn equal_requests_join_and_others_are_told_who_runs() {
    let script = Script { hangs: Some("resolve"), ..Script::default() };
    let (address, _) = coordinator(script, 2).await;
    let first = address.send(start(install(&["vim"]))).await.unwrap().unwrap();
    let second = address.send(start(install(&["vim"]))).await.unwrap().unwrap();
    assert_eq!((&second.id, second.joined), (&first.id, Joined::Existing));
    let busy = address.send(start(install(&["zsh"]))).await.unwrap().unwrap_err();
    assert_eq!(busy.kind, FailureKind::Busy);
    assert!(busy.what.contains("install vim"), "{busy}");

    let mut patient = install(&["zsh"]);
    patient.options.wait = true;
    let waiting = address.send(start(patient)).await.unwrap().unwrap();
    assert_eq!(waiting.joined, Joined::New);
    let activity = address.send(ReadActivity).await.unwrap();
    assert_eq!((activity.running.unwrap().id, activity.waiting), (first.id.clone(), 1));

    // One that waits is cancelled at once; the one that runs ends by its cancel.
    address.send(CancelTransaction { id: Some(waiting.id.clone()) }).await.unwrap().unwrap();
    assert_eq!(outcome(&address, waiting.id).await, Outcome::Cancelled);
    address.send(CancelTransaction { id: Some(first.id.clone()) }).await.unwrap().unwrap();
    assert_eq!(outcome(&address, first.id).await, Outcome::Cancelled);
}

#[actix::test]
async fn a_key_names_its_transaction_also_when_it_is_over() {
    let (address, _) = coordinator(Script::default(), 1).await;
    let keyed = |names: &[&str]| StartTransaction {
        request: Box::new(install(names)),
        idempotency_key: Some("k1".into()),
    };
    let first = address.send(keyed(&["vim"])).await.unwrap().unwrap();
    outcome(&address, first.id.clone()).await;
    let again = address.send(keyed(&["vim"])).await.unwrap().unwrap();
    assert_eq!((again.id, again.joined), (first.id, Joined::Existing));
}

#[actix::test]
async fn a_draining_coordinator_takes_nothing_and_ends_what_runs() {
    let script = Script { hangs: Some("resolve"), ..Script::default() };
    let (address, _) = coordinator(script, 2).await;
    let id = address.send(start(install(&["vim"]))).await.unwrap().unwrap().id;
    address.send(Drain).await.unwrap();
    assert_eq!(outcome(&address, id).await, Outcome::Cancelled);
    let refused = address.send(start(install(&["zsh"]))).await.unwrap().unwrap_err();
    assert_eq!(refused.kind, FailureKind::Busy);
}

#[actix::test]
async fn a_host_that_is_quiet_after_the_start_gets_its_spare() {
    let (_address, seen) = coordinator(Script::default(), 1).await;
    tokio::time::pause();
    tokio::time::advance(QUIET / 2).await;
    assert!(seen.lock().unwrap().is_empty(), "a start is not followed by work at once");
    while seen.lock().unwrap().is_empty() {
        tokio::time::advance(QUIET).await;
    }
    // Names only: nothing has become unneeded.
    assert_eq!(seen.lock().unwrap()[..], ["tidy"]);
}

#[actix::test]
async fn objects_are_swept_once_the_host_is_quiet() {
    let (address, seen) = coordinator(Script::default(), 1).await;
    let run = async |names: &[&str]| {
        let id = address.send(start(install(names))).await.unwrap().unwrap().id;
        outcome(&address, id).await;
        while seen.lock().unwrap().last().is_none_or(|name| name != "tidy") {
            tokio::task::yield_now().await;
        }
    };
    let sweeps = || seen.lock().unwrap().iter().filter(|name| *name == "sweep").count();
    run(&["vim"]).await;
    tokio::time::pause();
    tokio::time::advance(QUIET / 2).await;
    tokio::time::resume();
    run(&["zsh"]).await;
    assert_eq!(sweeps(), 0);
    tokio::time::pause();
    while sweeps() == 0 {
        tokio::time::advance(QUIET).await;
    }
    tokio::time::resume();
    // The sweep had the turn, and gives it back.
    run(&["emacs"]).await;
    assert_eq!(sweeps(), 1);
}

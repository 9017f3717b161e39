//! Whatever the vocabulary can say comes back from the wire as it was, through the bytes; and
//! what is missing, unknown or malformed is refused by its field's name.

use crate::{DecodeError, HostView, TransactionView, v1};
use cambium_model::*;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message;

fn checksum() -> impl Strategy<Value = Checksum> {
    "[0-9a-f]{64}".prop_map(|text| text.parse().unwrap())
}

fn words() -> impl Strategy<Value = Vec<String>> {
    vec(".{0,8}", 0..3)
}

fn nevra() -> impl Strategy<Value = Nevra> {
    ("[a-z][a-z0-9+.-]{0,8}", any::<u32>(), ".{0,6}", ".{0,6}", "[a-z_0-9]{1,6}").prop_map(
        |(name, epoch, version, release, arch)| Nevra {
            name,
            evr: Evr { epoch, version, release },
            arch,
        },
    )
}

fn failure() -> impl Strategy<Value = Failure> {
    (0..FailureKind::ALL.len(), ".{0,9}", words(), ".{0,9}").prop_map(
        |(kind, what, causes, advice)| Failure {
            kind: FailureKind::ALL[kind],
            what,
            causes,
            advice,
        },
    )
}

fn phase() -> impl Strategy<Value = Phase> {
    (0..Phase::ALL.len()).prop_map(|at| Phase::ALL[at])
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (option::of(".{0,9}"), ".{0,9}")
            .prop_map(|(deployment, summary)| Outcome::Succeeded { deployment, summary }),
        ".{0,9}".prop_map(|summary| Outcome::Unchanged { summary }),
        failure().prop_map(Outcome::Failed),
        Just(Outcome::Cancelled),
        phase().prop_map(|phase| Outcome::Interrupted { phase }),
    ]
}

fn refspec() -> impl Strategy<Value = Refspec> {
    prop_oneof![
        (option::of("[a-z]{1,5}"), "[a-z]{1,5}(/[a-z0-9_-]{1,5}){0,2}")
            .prop_map(|(remote, branch)| Refspec::Ostree { remote, branch }),
        checksum().prop_map(Refspec::Checksum),
        "[a-z/]{1,9}".prop_map(|i| Refspec::Container(format!("ostree-unverified-registry:{i}"))),
    ]
}

fn stateroot() -> impl Strategy<Value = Stateroot> {
    "[a-z][a-z-]{0,8}".prop_map(|name| name.parse().unwrap())
}

fn packages() -> impl Strategy<Value = PackageChange> {
    (words(), words(), any::<bool>()).prop_map(|(install, uninstall, uninstall_all)| {
        PackageChange { install, uninstall, uninstall_all }
    })
}

fn change() -> impl Strategy<Value = Change> {
    let kargs = (words(), words(), words(), words(), words()).prop_map(|(a, b, c, d, e)| {
        Change::KernelArguments(KargsEdit {
            replace: a,
            delete: b,
            delete_if_present: c,
            append: d,
            append_if_missing: e,
        })
    });
    let cleanup = any::<[bool; 4]>().prop_map(|[base, pending, rollback, metadata]| {
        Change::Cleanup(CleanupScope { base, pending, rollback, metadata })
    });
    prop_oneof![
        packages().prop_map(Change::Packages),
        (packages(), any::<bool>())
            .prop_map(|(packages, allow_downgrade)| Change::Upgrade { packages, allow_downgrade }),
        (".{0,9}", packages())
            .prop_map(|(revision, packages)| Change::Deploy { revision, packages }),
        (refspec(), option::of(checksum()), packages()).prop_map(
            |(refspec, revision, packages)| Change::Rebase { refspec, revision, packages }
        ),
        Just(Change::Rollback),
        kargs,
        cleanup,
        any::<bool>().prop_map(|force| Change::RefreshMetadata { force }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let options = any::<[bool; 11]>().prop_map(|[a, b, c, d, e, f, g, h, i, j, k]| Options {
        cache_only: a,
        download_only: b,
        idempotent: c,
        allow_inactive: d,
        rebuild: e,
        lock_finalization: f,
        disallow_downgrade: g,
        skip_branch_check: h,
        skip_purge: i,
        reboot: j,
        wait: k,
    });
    let initiator = (any::<u32>(), any::<i32>(), ".{0,9}", ".{0,9}")
        .prop_map(|(uid, pid, agent, command_line)| Initiator { uid, pid, agent, command_line });
    (option::of(stateroot()), change(), options, initiator).prop_map(
        |(stateroot, change, options, initiator)| Request { stateroot, change, options, initiator },
    )
}

fn progress() -> impl Strategy<Value = Progress> {
    let unit = prop_oneof![
        Just(ProgressUnit::Bytes),
        Just(ProgressUnit::Items),
        Just(ProgressUnit::Percent)
    ];
    prop_oneof![
        phase().prop_map(|phase| Progress::Phase { phase }),
        ".{0,9}".prop_map(|text| Progress::TaskBegin { text }),
        (any::<u64>(), any::<u64>(), unit, ".{0,9}")
            .prop_map(|(done, total, unit, item)| Progress::Step { done, total, unit, item }),
        ".{0,9}".prop_map(|text| Progress::TaskEnd { text }),
        ".{0,9}".prop_map(|text| Progress::Message { text }),
        ".{0,9}".prop_map(|text| Progress::Warning { text }),
        outcome().prop_map(|outcome| Progress::Finished { outcome }),
    ]
}

fn local() -> impl Strategy<Value = Vec<LocalPackage>> {
    let one = (".{0,9}", ".{0,9}").prop_map(|(sha256, nevra)| LocalPackage { sha256, nevra });
    vec(one, 0..3)
}

fn origin() -> impl Strategy<Value = Origin> {
    let texts = (words(), words(), words(), words());
    let head = (refspec(), option::of(checksum()), option::of(".{0,9}"), any::<[bool; 2]>());
    (head, texts, local(), local(), local()).prop_map(
        |((refspec, override_commit, unconfigured_state, flags), texts, a, b, c)| Origin {
            refspec,
            override_commit,
            unconfigured_state,
            requested: texts.0,
            requested_local: a,
            requested_local_fileoverride: b,
            override_remove: texts.1,
            override_replace_local: c,
            regenerate_initramfs: flags[0],
            initramfs_args: texts.2,
            initramfs_etc: texts.3,
            cliwrap: flags[1],
        },
    )
}

fn deployment() -> impl Strategy<Value = Deployment> {
    let unlocked = prop_oneof![
        Just(UnlockedState::None),
        Just(UnlockedState::Development),
        Just(UnlockedState::Hotfix),
        Just(UnlockedState::Transient),
    ];
    let id = (stateroot(), checksum(), any::<u32>())
        .prop_map(|(stateroot, checksum, serial)| DeploymentId { stateroot, checksum, serial });
    let head = (id, any::<u32>(), any::<[bool; 5]>(), unlocked, option::of(origin()), checksum());
    let versions = (option::of(".{0,9}"), any::<u64>(), option::of(".{0,9}"), any::<u64>());
    let tail =
        (vec(nevra(), 0..2), words(), btree_map(".{0,5}", ".{0,5}", 0..3), option::of(".{0,9}"));
    (head, versions, words(), words(), words(), ".{0,9}", tail).prop_map(
        |(head, versions, layered, inactive, kernel_arguments, boot_checksum, tail)| Deployment {
            id: head.0,
            index: head.1,
            booted: head.2[0],
            staged: head.2[1],
            finalization_locked: head.2[2],
            pinned: head.2[3],
            unlocked: head.3,
            origin: head.4,
            base_checksum: head.5,
            version: versions.0,
            timestamp: versions.1,
            base_version: versions.2,
            base_timestamp: versions.3,
            layered,
            inactive,
            removed: tail.0,
            scripts_left_out: tail.1,
            kernel_arguments,
            boot_checksum,
            gpg_verified_remote: head.2[4],
            base_metadata: tail.2,
            problem: tail.3,
        },
    )
}

fn transaction() -> impl Strategy<Value = TransactionView> {
    let phases = vec((phase(), any::<u64>()), 0..3);
    let times = (any::<u64>(), option::of(any::<u64>()));
    (".{0,9}", request(), phase(), times, phases, option::of(outcome())).prop_map(
        |(id, request, phase, (started, finished), phases, outcome)| TransactionView {
            id: TransactionId::new(id),
            request,
            phase,
            started,
            finished,
            phases,
            outcome,
        },
    )
}

fn host() -> impl Strategy<Value = HostView> {
    let state = (vec(deployment(), 0..3), vec(stateroot(), 0..3), option::of(".{0,9}"));
    (".{0,9}", state, any::<[u64; 3]>(), option::of(transaction()), any::<u32>()).prop_map(
        |(daemon_version, state, bytes, transaction, waiting)| HostView {
            daemon_version,
            state: HostState {
                sysroot: "/".into(),
                deployments: state.0,
                stateroots: state.1,
                finalize_failure: state.2,
                repo_bytes: bytes[0],
                free_bytes: bytes[1],
                metadata_timestamp: bytes[2],
                sandbox: (bytes[0] % 2 == 0)
                    .then(|| ScriptSandbox { name: "container".into(), reason: "it works".into() }),
            },
            transaction,
            waiting,
        },
    )
}

fn diff() -> impl Strategy<Value = PackageDiff> {
    (0..4, nevra(), nevra()).prop_map(|(kind, previous, new)| match kind {
        0 => PackageDiff { kind: DiffKind::Added, previous: None, new: Some(new) },
        1 => PackageDiff { kind: DiffKind::Removed, previous: Some(previous), new: None },
        2 => PackageDiff { kind: DiffKind::Upgraded, previous: Some(previous), new: Some(new) },
        _ => PackageDiff { kind: DiffKind::Downgraded, previous: Some(previous), new: Some(new) },
    })
}

fn planned() -> impl Strategy<Value = PlannedPackage> {
    let actions = [
        PlannedAction::Install,
        PlannedAction::Dependency,
        PlannedAction::Keep,
        PlannedAction::Upgrade,
        PlannedAction::Downgrade,
        PlannedAction::Remove,
    ];
    (0..actions.len(), nevra(), option::of(nevra()), ".{0,9}", any::<[u64; 2]>()).prop_map(
        move |(action, nevra, previous, text, bytes)| PlannedPackage {
            action: actions[action],
            nevra,
            repository: text.clone(),
            location: format!("{text}.rpm"),
            checksum: format!("sha256:{text}"),
            download_bytes: bytes[0],
            installed_bytes: bytes[1],
            previous,
        },
    )
}

fn plan() -> impl Strategy<Value = Plan> {
    let severities = [
        Severity::None,
        Severity::Low,
        Severity::Moderate,
        Severity::Important,
        Severity::Critical,
    ];
    let advisory = (".{0,9}", 0..severities.len(), vec(nevra(), 0..2)).prop_map(
        move |(id, severity, packages)| Advisory {
            id,
            kind: "security".into(),
            severity: severities[severity],
            packages,
        },
    );
    let script = ".{0,9}".prop_map(|package| ScriptNotice {
        package,
        kind: "post".into(),
        interpreter: "/bin/sh".into(),
        left_out: "it hangs".into(),
    });
    let bases = (checksum(), option::of(".{0,9}"), checksum(), option::of(".{0,9}"));
    let lists = (vec(diff(), 0..3), vec(planned(), 0..3), vec(script, 0..2), vec(advisory, 0..2));
    (any::<bool>(), bases, lists, words(), any::<[u64; 6]>(), option::of(failure())).prop_map(
        |(unchanged, bases, lists, inactive, bytes, problem)| Plan {
            unchanged,
            base: bases.0,
            base_version: bases.1,
            base_timestamp: bytes[5],
            previous_base: bases.2,
            previous_base_version: bases.3,
            base_diff: lists.0,
            packages: lists.1,
            warnings: inactive.iter().map(|word| format!("no {word}")).collect(),
            next_default: inactive.first().cloned(),
            removed_deployments: inactive.clone(),
            removed_refs: inactive.iter().map(|word| format!("ref {word}")).collect(),
            removed_paths: inactive.iter().map(|word| format!("/{word}")).collect(),
            freed_bytes: bytes[5],
            inactive,
            download_bytes: bytes[0],
            disk: SpaceNeed { needed: bytes[1], free: bytes[2] },
            boot: SpaceNeed { needed: bytes[3], free: bytes[4] },
            scripts: lists.2,
            scripts_unknown: 7,
            advisories: lists.3,
            problem,
        },
    )
}

/// Through the bytes and back.
fn travel<W: Message + Default>(message: &W) -> W {
    W::decode(&*message.encode_to_vec()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn requests_come_back(model in request()) {
        let wire = travel(&v1::Request::from(&model));
        prop_assert_eq!(Request::try_from(wire), Ok(model));
    }

    #[test]
    fn hosts_come_back(model in host()) {
        let wire = travel(&v1::HostStatus::from(&model));
        prop_assert_eq!(HostView::try_from(wire), Ok(model));
    }

    #[test]
    fn plans_come_back(model in plan()) {
        let wire = travel(&v1::Plan::from(&model));
        prop_assert_eq!(Plan::try_from(wire), Ok(model));
    }

    #[test]
    fn events_come_back(sequence in any::<u64>(), model in progress()) {
        let wire = travel(&v1::Event::new(sequence, &model));
        prop_assert_eq!(wire.sequence, sequence);
        prop_assert_eq!(Progress::try_from(wire), Ok(model));
    }

    #[test]
    fn package_differences_come_back(diffs in vec(diff(), 0..5), log in words(), from in ".{0,9}") {
        let changelogs = vec![(from.clone(), log)];
        let model = PackageDiffs { to: from.clone(), from, diffs, changelogs };
        let wire = travel(&v1::PackageDiffs::from(&model));
        prop_assert_eq!(PackageDiffs::try_from(wire), Ok(model));
    }

    #[test]
    fn found_packages_come_back(nevra in nevra(), summary in ".{0,9}", bytes in any::<[u64; 2]>()) {
        for matched in [Matched::NameAndSummary, Matched::Name, Matched::Summary] {
            let package = PackageInfo {
                nevra: nevra.clone(),
                repository: summary.clone(),
                summary: summary.clone(),
                download_bytes: bytes[0],
                installed_bytes: bytes[1],
            };
            let model = FoundPackage { package, matched };
            let wire = travel(&v1::FoundPackage::from(&model));
            prop_assert_eq!(FoundPackage::try_from(wire), Ok(model));
        }
    }
}

fn check_refused<W, M>(wire: W, expected: &str)
where
    M: TryFrom<W, Error = DecodeError> + std::fmt::Debug,
{
    assert_eq!(M::try_from(wire).unwrap_err().to_string(), expected);
}

#[test]
fn what_is_missing_unknown_or_malformed_is_named() {
    check_refused::<_, Request>(v1::Request::default(), "Request.change is missing");
    check_refused::<_, Request>(
        v1::Request { stateroot: Some("../x".into()), ..Default::default() },
        "Request.stateroot: '../x' is not a stateroot's name (one path component)",
    );
    check_refused::<_, Nevra>(v1::Nevra::default(), "Nevra.name is missing");
    check_refused::<_, PackageDiff>(
        v1::PackageDiff { kind: v1::DiffKind::Upgraded.into(), previous: None, new: None },
        "PackageDiff.previous is missing",
    );
    check_refused::<_, PackageDiff>(
        v1::PackageDiff::default(),
        "PackageDiff.kind has the unknown value 0",
    );
    check_refused::<_, Progress>(v1::Event::default(), "Event.progress is missing");
    let phase = Some(v1::event::Progress::Phase(77));
    check_refused::<_, Progress>(
        v1::Event { sequence: 1, progress: phase },
        "Event.phase has the unknown value 77",
    );
    check_refused::<_, Outcome>(v1::Outcome::default(), "Outcome.result is missing");
    check_refused::<_, Plan>(
        v1::Plan::default(),
        "Plan.base: '' is not a checksum (64 lower-case hex digits)",
    );
}

#[test]
fn a_request_that_cannot_be_read_is_an_invalid_request() {
    let failure = Failure::from(Request::try_from(v1::Request::default()).unwrap_err());
    assert_eq!(failure.kind, FailureKind::InvalidRequest);
    assert_eq!(failure.what, "Request.change is missing");
}

#[test]
fn the_descriptor_set_names_the_three_services() {
    let set = crate::FILE_DESCRIPTOR_SET;
    for name in ["Host", "Transactions", "Packages", "WatchStatus", "RpmdbVersion"] {
        assert!(set.windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
    }
}

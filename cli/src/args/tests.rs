//! Every verb's options as they are typed, and what they come to.

use super::change::{Extent, Order, UnchangedExit};
use super::*;
use cambium_model::{Change, FailureKind};
use cambium_model::{CleanupScope, Failure, KargsEdit, Options, PackageChange, Refspec};
use clap::CommandFactory as _;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("cambium").chain(line.split_whitespace()))
}

fn order(line: &str) -> Result<Order, Failure> {
    let current: Refspec = "fedora:os/main".parse().unwrap();
    match parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).verb {
        Verb::Install(args) => args.order(),
        Verb::Uninstall(args) => args.order(),
        Verb::Upgrade(args) => Ok(args.order()),
        Verb::Deploy(args) => args.order(),
        Verb::Rebase(args) => args.order(Some(&current)),
        Verb::Rollback(args) => Ok(args.order()),
        Verb::Kargs(args) => args.order().map(Option::unwrap),
        Verb::Cleanup(args) => args.order(),
        Verb::RefreshMd(args) => Ok(args.order()),
        other => panic!("{line}: {other:?}"),
    }
}

fn check(line: &str, change: Change, options: Options) {
    let order = order(line).unwrap();
    assert_eq!((&order.change, &order.options), (&change, &options), "{line}");
}

fn packages(install: &[&str], uninstall: &[&str]) -> PackageChange {
    let own = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
    PackageChange { install: own(install), uninstall: own(uninstall), uninstall_all: false }
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn packages_and_their_aliases() {
    let none = Options::default;
    check("install vim zsh", Change::Packages(packages(&["vim", "zsh"], &[])), none());
    check("pkg-add vim", Change::Packages(packages(&["vim"], &[])), none());
    check("install vim --uninstall nano", Change::Packages(packages(&["vim"], &["nano"])), none());
    for verb in ["uninstall", "remove", "pkg-remove"] {
        check(&format!("{verb} vim"), Change::Packages(packages(&[], &["vim"])), none());
    }
    check("uninstall vim --install zsh", Change::Packages(packages(&["zsh"], &["vim"])), none());
    let all = PackageChange { uninstall_all: true, ..PackageChange::default() };
    check("uninstall --all", Change::Packages(all), none());
    let options = Options {
        idempotent: true,
        allow_inactive: true,
        cache_only: true,
        rebuild: true,
        lock_finalization: true,
        reboot: true,
        wait: true,
        ..none()
    };
    let line = "install --allow-inactive --idempotent -C -r --rebuild --lock-finalization --wait \
                --assumeyes vim";
    check(line, Change::Packages(packages(&["vim"], &[])), options);
}

#[test]
fn changes_of_the_base() {
    let none = Options::default;
    let change = |packages, allow_downgrade| Change::Upgrade { packages, allow_downgrade };
    check("upgrade", change(packages(&[], &[]), false), none());
    check("update --bypass-driver", change(packages(&[], &[]), false), none());
    check(
        "update --install a --uninstall b --install=c --allow-downgrade",
        change(packages(&["a", "c"], &["b"]), true),
        none(),
    );
    check(
        "upgrade --download-only",
        change(packages(&[], &[]), false),
        Options { download_only: true, ..none() },
    );
    check(
        "deploy --lock-finalization --skip-branch-check revision=0a --disallow-downgrade",
        Change::Deploy { revision: "revision=0a".into(), packages: packages(&[], &[]) },
        Options {
            lock_finalization: true,
            skip_branch_check: true,
            disallow_downgrade: true,
            ..none()
        },
    );
    check("rollback -r", Change::Rollback, Options { reboot: true, ..none() });
}

#[test]
fn rebase_fills_in_what_is_left_out() {
    for (line, expected) in [
        ("rebase other:os/next", "other:os/next"),
        ("rebase :os/next", "fedora:os/next"),
        ("rebase other:", "other:os/main"),
        ("rebase -b os/next", "fedora:os/next"),
        ("rebase -m other", "other:os/main"),
        ("rebase -b os/next -m other", "other:os/next"),
        ("rebase --experimental ostree-unverified-registry:q/x", "ostree-unverified-registry:q/x"),
    ] {
        let refspec = expected.parse().unwrap();
        let change = Change::Rebase { refspec, revision: None, packages: packages(&[], &[]) };
        check(line, change, Options::default());
    }
    let commit = "0a".repeat(32);
    let change = Change::Rebase {
        refspec: "os/x".parse().unwrap(),
        revision: Some(commit.parse().unwrap()),
        packages: packages(&[], &[]),
    };
    check(
        &format!("rebase os/x {commit} --skip-purge"),
        change,
        Options { skip_purge: true, ..Options::default() },
    );
}

#[test]
fn kernel_arguments_may_begin_with_dashes_and_stand_apart() {
    let edit = KargsEdit {
        append: vec!["a=1".into(), "--b".into()],
        replace: vec!["c=1=2".into()],
        delete: vec!["d".into()],
        delete_if_present: vec!["e=1".into()],
        append_if_missing: vec!["f".into()],
    };
    let line = "kargs --append a=1 --append=--b --replace=c=1=2 --delete=d --delete-if-present=e=1 \
                --append-if-missing f --os install";
    check(line, Change::KernelArguments(edit), Options::default());
    assert_eq!(order(line).unwrap().stateroot.unwrap().as_str(), "install");
    match parse("kargs").unwrap().verb {
        Verb::Kargs(args) => assert_eq!(args.order(), Ok(None)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn cleanup_and_metadata() {
    let scope = CleanupScope { base: true, pending: true, rollback: true, metadata: true };
    check("cleanup -bprm", Change::Cleanup(scope), Options::default());
    let scope = CleanupScope { metadata: true, ..CleanupScope::default() };
    check("cleanup --repomd", Change::Cleanup(scope), Options::default());
    check("refresh-md -f", Change::RefreshMetadata { force: true }, Options::default());
    check("makecache", Change::RefreshMetadata { force: false }, Options::default());
}

#[test]
fn how_far_it_goes_and_how_it_exits() {
    use Extent::{Carry, Check, Plan, Preview};
    use UnchangedExit::{Code77, Success};
    for (line, extent, unchanged) in [
        ("upgrade", Carry, Success),
        ("upgrade --check", Check, Code77),
        ("upgrade --preview", Preview, Code77),
        ("upgrade --unchanged-exit-77", Carry, Code77),
        ("upgrade --upgrade-unchanged-exit-77", Carry, Code77),
        ("install -n vim", Plan, Success),
        ("install --dry-run --unchanged-exit-77 vim", Plan, Code77),
        ("deploy --preview 41", Preview, Success),
        ("kargs --append=a --unchanged-exit-77", Carry, Code77),
        ("rollback", Carry, Success),
        ("rollback --dry-run", Plan, Success),
        ("cleanup -p --dry-run", Plan, Success),
    ] {
        let order = order(line).unwrap();
        assert_eq!((order.extent, order.unchanged), (extent, unchanged), "{line}");
    }
}

#[test]
fn what_cannot_be_followed_is_refused_with_advice() {
    for line in [
        "install",
        "uninstall",
        "install -A vim",
        "install --force-replacefiles vim",
        "install --enablerepo=x vim",
        "deploy 41 --register-driver=Zincati",
        "rebase",
        "rebase a//b",
        "rebase os/x 41.2",
        "rebase os/x --custom-origin-url=u",
        "kargs --editor",
        "kargs --import-proc-cmdline",
        "kargs --deploy-index=1 --append=a",
        "cleanup",
    ] {
        let failure = order(line).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidRequest, "{line}");
    }
}

#[test]
fn contradictions_are_usage_errors() {
    for line in [
        "",
        "frobnicate",
        "upgrade --check --preview",
        "upgrade --check --reboot",
        "upgrade -C --download-only",
        "install -n --download-only vim",
        "rebase os/x --branch os/y",
        "status --peer --socket /x",
        "history --verify --export",
        "history --all --limit 3",
        "search",
        "db list",
        "install --stateroot a/b vim",
        "status --frobnicate",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn global_options_stand_before_and_after_the_verb() {
    for line in [
        "--socket /x --json -q --sysroot /s --progress-fd 3 -y status",
        "status --socket /x --json --quiet --sysroot /s --progress-fd=3 --yes",
    ] {
        let global = parse(line).unwrap().global;
        assert_eq!(global.socket, Some("/x".into()), "{line}");
        assert_eq!(global.sysroot, Some("/s".into()));
        assert_eq!(global.progress_fd, Some(3));
        assert!(global.json && global.quiet && global.assumeyes);
    }
}

#[test]
fn questions_parse_as_clients_ask_them() {
    for line in [
        "status -v -b -a -p --json --pending-exit-77",
        "status -J $.deployments[0].booted",
        "db diff --format=json A B",
        "db diff -F block -c",
        "rpm diff --changelogs --format=block A B",
        "db list REV vim* bash",
        "db version",
        "history -n 5 -v --no-pager",
        "ex history --json --all",
        "search vim editor",
        "cancel",
        "reload",
    ] {
        assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
    }
}

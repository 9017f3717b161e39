//! The rpmdb, read back by this crate and by the system's rpm.

use crate::fixture::{self, file};
use cambium_model::{Observer, Progress, Unobserved};
use cambium_rpm::rpmdb::{Rpmdb, Update, create, update};
use cambium_rpm::{Error, Header};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const TIME: u32 = 1_700_000_000;

fn package(name: &str, version: &str) -> Header {
    let mut builder = fixture::versioned(name, version);
    file(&mut builder, &format!("/usr/bin/{name}"), version);
    file(&mut builder, "/usr/share/shared", "same");
    builder.trans_file_trigger_in(&format!("/usr/{name}"), None, "x");
    fixture::header(&mut builder)
}

fn change<'a>(add: &'a [Header], remove: &[&str]) -> Update<'a> {
    let remove = remove.iter().map(|nevra| nevra.parse().unwrap()).collect();
    Update { add: add.iter().collect(), remove, time: TIME }
}

fn made(add: &[Header]) -> TempDir {
    let directory = TempDir::new().unwrap();
    create(directory.path(), &change(add, &[]), &Unobserved).unwrap();
    directory
}

fn list(directory: &Path) -> Vec<String> {
    let packages = Rpmdb::open(directory).unwrap().list().unwrap();
    packages.iter().map(|package| package.nevra.to_string()).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_is_created_and_changed_is_read_back() {
    let directory = made(&[package("b", "1"), package("a", "1")]);
    assert_eq!(list(directory.path()), ["a-1-1.noarch", "b-1-1.noarch"]);
    let added = [package("a", "2"), package("c", "1")];
    let change = change(&added, &["a-1-1.noarch"]);
    update(directory.path(), &change, &Unobserved).unwrap();
    assert_eq!(list(directory.path()), ["a-2-1.noarch", "b-1-1.noarch", "c-1-1.noarch"]);
    assert_eq!(names(directory.path()), ["rpmdb.sqlite"]);

    let database = Rpmdb::open(directory.path()).unwrap();
    assert_eq!(database.list().unwrap()[0].install_time, u64::from(TIME));
    let found = |headers: Vec<Header>| {
        headers.iter().map(|header| header.nevra().name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(database.find_name("a").unwrap()), ["a"]);
    assert_eq!(found(database.find_name("x").unwrap()), [""; 0]);
    assert_eq!(found(database.find_owner("/bin/b").unwrap()), ["b"]);
    assert_eq!(found(database.find_owner("/usr/share/shared").unwrap()), ["a", "b", "c"]);
    assert_eq!(found(database.find_owner("/usr/b").unwrap()), [""; 0]);
    // In the order of their installation, by which rpm runs them.
    assert_eq!(found(database.trigger_owners().unwrap()), ["b", "a", "c"]);
}

#[test]
fn the_systems_rpm_reads_the_result_even_where_it_may_not_write() {
    let root = TempDir::new().unwrap();
    let directory = root.path().join("usr/share/rpm");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    create(&directory, &change(&[package("a", "1")], &[]), &Unobserved).unwrap();
    std::fs::write(root.path().join("usr/bin/a"), "1").unwrap();
    std::fs::write(root.path().join("usr/share/shared"), "changed").unwrap();
    for path in ["usr/bin/a", "usr/share/shared"] {
        let path = root.path().join(path);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    let rpm = |arguments: &str| {
        // In a mount namespace of its own, where the database is read-only as on a booted host.
        let script = format!(
            "mount --bind $0 $0 && mount -o remount,bind,ro $0 && exec rpm --root $1 \
             --dbpath /usr/share/rpm {arguments}"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).arg(&directory).arg(root.path());
        let output = command.output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert_eq!(rpm("-qa"), "a-1-1.noarch\n");
    let verified = rpm("-V --nomtime a");
    assert!(verified.starts_with("S.5......    /usr/share/shared"), "{verified}");
    assert!(!verified.contains("/usr/bin/a"), "{verified}");
    assert_eq!(rpm("-qf /usr/bin/a"), "a-1-1.noarch\n");
    assert_eq!(names(&directory), ["rpmdb.sqlite"], "reading leaves nothing behind");
}

/// Debian's configuration puts the database below HOME; a user's may say anything.
#[test]
fn the_machines_configuration_does_not_matter() {
    let home = TempDir::new().unwrap();
    let macros = "%_dbpath /nonexistent\n%_db_backend ndb\n%_pkgverify_level all\n\
                  %_install_langs de\n%_excludedocs 1\n%_netsharedpath /usr\n\
                  %_rpmlock_path /nonexistent/lock\n%_transaction_color 0\n";
    std::fs::write(home.path().join(".rpmmacros"), macros).unwrap();
    let directory = made(&[package("a", "1")]);
    let expected = std::fs::read(directory.path().join("rpmdb.sqlite")).unwrap();
    let copy = TempDir::new().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "rpmdb::a_database_is_made_where_the_environment_says"]);
    command.env("HOME", home.path()).env("CAMBIUM_TEST_RPMDB", copy.path());
    assert!(command.output().unwrap().status.success());
    assert!(std::fs::read(copy.path().join("rpmdb.sqlite")).unwrap() == expected);
}

/// The other half of the test above; alone it makes a database that is read back.
#[test]
fn a_database_is_made_where_the_environment_says() {
    let own = TempDir::new().unwrap();
    let place = std::env::var_os("CAMBIUM_TEST_RPMDB").unwrap_or_else(|| own.path().into());
    create(Path::new(&place), &change(&[package("a", "1")], &[]), &Unobserved).unwrap();
    assert_eq!(list(Path::new(&place)), ["a-1-1.noarch"]);
}

#[test]
fn equal_input_gives_equal_bytes() {
    let read = |directory: &TempDir| std::fs::read(directory.path().join("rpmdb.sqlite")).unwrap();
    let packages = [package("a", "1"), package("b", "1"), package("c", "1")];
    let reversed: Vec<Header> = packages.iter().rev().cloned().collect();
    let (first, second) = (made(&packages), made(&reversed));
    assert!(read(&first) == read(&second));
    let before = read(&first);
    let added = [package("d", "1"), package("a", "2")];
    let change = change(&added, &["a-1-1.noarch"]);
    for directory in [&first, &second] {
        update(directory.path(), &change, &Unobserved).unwrap();
    }
    assert!(read(&first) == read(&second));
    assert!(read(&first) != before);
}

#[test]
fn a_package_that_is_not_there_cannot_be_removed() {
    let directory = made(&[package("a", "1")]);
    let change = change(&[], &["a-2-1.noarch"]);
    let error = update(directory.path(), &change, &Unobserved).unwrap_err();
    assert!(matches!(error, Error::NotInstalled { nevra, .. } if nevra.evr.version == "2"));
    assert_eq!(list(directory.path()), ["a-1-1.noarch"]);
    assert_eq!(names(directory.path()), ["rpmdb.sqlite"]);
}

#[test]
fn a_database_may_be_empty_and_is_never_replaced() {
    let directory = made(&[]);
    assert_eq!(list(directory.path()), [""; 0]);
    let again = create(directory.path(), &change(&[], &[]), &Unobserved);
    assert!(matches!(again, Err(Error::Io { .. })));
    let nowhere = TempDir::new().unwrap();
    assert!(matches!(Rpmdb::open(nowhere.path()), Err(Error::Io { .. })));
    let missing = update(nowhere.path(), &change(&[], &[]), &Unobserved);
    assert!(matches!(missing, Err(Error::Io { .. })));
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("rpmdb.sqlite"), "no database".repeat(99)).unwrap();
    let database = Rpmdb::open(directory.path()).unwrap();
    assert!(matches!(database.list(), Err(Error::Rpmdb { .. })));
    let result = update(directory.path(), &change(&[package("a", "1")], &[]), &Unobserved);
    assert!(matches!(result, Err(Error::Rpmdb { .. })));
}

/// Databases of other composers are in WAL mode: reading them must not write beside them.
#[test]
fn reading_a_database_in_wal_mode_leaves_nothing_behind() {
    let directory = made(&[package("a", "1")]);
    let path = directory.path().join("rpmdb.sqlite");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[18..20].copy_from_slice(&[2, 2]);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(list(directory.path()), ["a-1-1.noarch"]);
    assert_eq!(names(directory.path()), ["rpmdb.sqlite"]);
    assert!(std::fs::read(&path).unwrap() == bytes);
}

#[test]
fn other_threads_keep_their_root_directory() {
    let before = std::fs::read_link("/proc/self/root").unwrap();
    made(&[package("a", "1")]);
    assert_eq!(std::fs::read_link("/proc/self/root").unwrap(), before);
    assert!(Path::new("/proc/self/status").exists());
}

struct Stopped;

impl Observer for Stopped {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_cancelled_update_writes_nothing() {
    let directory = made(&[package("a", "1")]);
    let added = [package("b", "1")];
    let result = update(directory.path(), &change(&added, &[]), &Stopped);
    assert!(matches!(result, Err(Error::Cancelled)));
    assert_eq!(list(directory.path()), ["a-1-1.noarch"]);
}

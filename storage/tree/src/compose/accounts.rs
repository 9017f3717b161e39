//! Users and groups of the tree: stable ids from one compose to the next, and nothing in their
//! files that depends on the day.
//!
//! Owns: the tables, what is carried over from the previous commit before scripts run, the checks
//! of `check-passwd` and `check-groups`, the move to /usr/lib where nss-altfiles reads it there.
//! Who makes new users (systemd-sysusers, scripts) is not decided here.

mod check;

pub(crate) use crate::account_table::Table;
pub(crate) use check::{Expected, check_groups, check_users};

use super::Error;
use super::root::Root;
use super::treefile::Treefile;
use std::collections::BTreeMap;

/// The files that say who has which id.
const FILES: [&str; 2] = ["passwd", "group"];

/// Names for ids, for files that tell owners by name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    /// The names that hold in `root`.
    pub(crate) fn of(root: &Root) -> Result<Self, Error> {
        let mut names = Self::default();
        for (file, ids) in [("passwd", &mut names.users), ("group", &mut names.groups)] {
            for directory in ["/etc", "/usr/lib"] {
                let text = root.read(&format!("{directory}/{file}"))?.unwrap_or_default();
                for line in Table::parse(&String::from_utf8_lossy(&text)).lines() {
                    if let Some(id) = line.number(2) {
                        ids.entry(id).or_insert_with(|| line.name().to_owned());
                    }
                }
            }
        }
        Ok(names)
    }

    /// The user's name, or the number where nobody has it.
    pub(crate) fn user(&self, uid: u32) -> String {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }

    /// The group's name, or the number where none has it.
    pub(crate) fn group(&self, gid: u32) -> String {
        self.groups.get(&gid).cloned().unwrap_or_else(|| gid.to_string())
    }
}

/// The account files of a tree, by name; /usr/lib's lines follow /etc's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    files: BTreeMap<&'static str, Table>,
}

impl Accounts {
    /// Reads them with `read`, which is given absolute paths of the tree.
    pub(crate) fn read(
        mut read: impl FnMut(&str) -> Result<Option<Vec<u8>>, Error>,
    ) -> Result<Self, Error> {
        let mut accounts = Self::default();
        for file in FILES {
            let mut table = Table::default();
            for directory in ["/etc", "/usr/lib"] {
                let bytes = read(&format!("{directory}/{file}"))?.unwrap_or_default();
                table.add_missing(&Table::parse(&String::from_utf8_lossy(&bytes)));
            }
            accounts.files.insert(file, table);
        }
        Ok(accounts)
    }

    /// The users.
    pub(crate) fn users(&self) -> Table {
        self.files.get("passwd").cloned().unwrap_or_default()
    }

    /// The groups.
    pub(crate) fn groups(&self) -> Table {
        self.files.get("group").cloned().unwrap_or_default()
    }

    /// The accounts as lines of sysusers.d(5), so that whoever makes them keeps their ids. A user
    /// or group without a number, or with a name that sysusers would not take, is left out.
    pub(crate) fn sysusers(&self) -> String {
        let mut lines = String::new();
        for group in self.groups().lines() {
            if let Some(gid) = group.number(2) {
                lines.push_str(&format!("g {} {gid}\n", group.name()));
            }
        }
        for user in self.users().lines() {
            if let (Some(uid), Some(gid)) = (user.number(2), user.number(3)) {
                let field = |index| user.field(index).filter(|text| !text.is_empty());
                let gecos = field(4).map_or_else(|| "-".to_owned(), |text| format!("\"{text}\""));
                let home = field(5).unwrap_or("-");
                let shell = field(6).unwrap_or("-");
                lines.push_str(&format!("u {} {uid}:{gid} {gecos} {home} {shell}\n", user.name()));
            }
        }
        lines
    }
}

/// Empties the day of the last password change of locked accounts: tools write today's.
pub(crate) fn forget_days(root: &Root) -> Result<(), Error> {
    let Some(text) = root.read("/etc/shadow")? else { return Ok(()) };
    let mut table = Table::parse(&String::from_utf8_lossy(&text));
    if table.forget_days() {
        let (mode, ..) = root.owner("/etc/shadow")?;
        root.replace("/etc/shadow", table.print().as_bytes(), mode)?;
    }
    Ok(())
}

/// Moves users and groups to /usr/lib, root and `etc-group-members` aside, where the tree has
/// nss-altfiles to read them there; other trees keep them in /etc.
pub(crate) fn move_to_usr_lib(root: &Root, treefile: &Treefile) -> Result<bool, Error> {
    if !has_altfiles(root)? {
        return Ok(false);
    }
    let stay: [(&str, Vec<&str>); 2] = [
        ("passwd", vec!["root"]),
        (
            "group",
            std::iter::once("root")
                .chain(treefile.etc_group_members.iter().map(String::as_str))
                .collect(),
        ),
    ];
    for (file, stay) in stay {
        let path = format!("/etc/{file}");
        let Some(text) = root.read(&path)? else { continue };
        let (kept, moved) = Table::parse(&String::from_utf8_lossy(&text)).split(&stay);
        let lib = root.read(&format!("/usr/lib/{file}"))?.unwrap_or_default();
        let mut lib = Table::parse(&String::from_utf8_lossy(&lib));
        lib.add_missing(&moved);
        root.write(&format!("/usr/lib/{file}"), lib.print().as_bytes(), 0o644)?;
        root.write(&path, kept.print().as_bytes(), 0o644)?;
    }
    if let Some(text) = root.read_text("/etc/nsswitch.conf")? {
        root.write("/etc/nsswitch.conf", with_altfiles(&text).as_bytes(), 0o644)?;
    }
    Ok(true)
}

fn has_altfiles(root: &Root) -> Result<bool, Error> {
    for directory in ["/usr/lib64", "/usr/lib", "/usr/lib/x86_64-linux-gnu"] {
        if root.exists(&format!("{directory}/libnss_altfiles.so.2"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// nsswitch.conf with `altfiles` after `files` for users and groups.
fn with_altfiles(text: &str) -> String {
    let mut changed = String::with_capacity(text.len() + 32);
    for line in text.lines() {
        let database = line.split(':').next().unwrap_or_default().trim();
        let ours = ["passwd", "group"].contains(&database);
        if ours && !line.contains("altfiles") {
            changed.push_str(&line.replacen("files", "files altfiles", 1));
        } else {
            changed.push_str(line);
        }
        changed.push('\n');
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        for (path, text) in files {
            root.write(path, text.as_bytes(), 0o640).unwrap();
        }
        (dir, root)
    }

    #[test]
    fn the_previous_commits_accounts_are_said_to_sysusers() {
        let (_dir, before) = root(&[
            ("/usr/lib/passwd", "late:x:990:989:Late daemon:/:/bin/false\nbad:x:::\n"),
            ("/etc/passwd", "root:x:0:0::/root:\n"),
            ("/etc/group", "late:x:989:root\n"),
        ]);
        let previous = Accounts::read(|path| before.read(path)).unwrap();
        assert_eq!(
            previous.sysusers(),
            "g late 989\nu root 0:0 - /root -\nu late 990:989 \"Late daemon\" / /bin/false\n"
        );
        assert_eq!(Accounts::default().sysusers(), "");
    }

    #[test]
    fn days_of_locked_accounts_are_forgotten() {
        let shadow = "root:$6$x:19000:0:99999:7:::\nd:!*:20000::::::\ne:*:20000:0:1:7:::\n";
        let (_dir, root) = root(&[("/etc/shadow", shadow)]);
        forget_days(&root).unwrap();
        let expected = "root:$6$x:19000:0:99999:7:::\nd:!*:::::::\ne:*::0:1:7:::\n";
        assert_eq!(root.read_text("/etc/shadow").unwrap().unwrap(), expected);
    }

    #[test]
    fn accounts_move_only_where_something_reads_them_there() {
        let files = [
            ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nd:x:1:1::/:/bin/false\n"),
            ("/etc/group", "root:x:0:\nwheel:x:10:\nd:x:1:\n"),
            ("/etc/nsswitch.conf", "passwd: files systemd\nhosts: files\n"),
        ];
        let (_dir, tree) = root(&files);
        let treefile = Treefile { etc_group_members: vec!["wheel".into()], ..Treefile::default() };
        assert!(!move_to_usr_lib(&tree, &treefile).unwrap());
        assert!(!tree.exists("/usr/lib/passwd").unwrap());

        tree.write("/usr/lib64/libnss_altfiles.so.2", b"", 0o755).unwrap();
        assert!(move_to_usr_lib(&tree, &treefile).unwrap());
        let read = |path: &str| tree.read_text(path).unwrap().unwrap();
        assert_eq!(read("/etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
        assert_eq!(read("/usr/lib/passwd"), "d:x:1:1::/:/bin/false\n");
        assert_eq!(read("/etc/group"), "root:x:0:\nwheel:x:10:\n");
        assert_eq!(read("/usr/lib/group"), "d:x:1:\n");
        assert_eq!(read("/etc/nsswitch.conf"), "passwd: files altfiles systemd\nhosts: files\n");
        let names = Names::of(&tree).unwrap();
        assert_eq!((names.user(1), names.group(10)), ("d".to_owned(), "wheel".to_owned()));
        assert_eq!(names.user(77), "77");
    }
}

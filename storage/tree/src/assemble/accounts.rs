//! Users and groups of a tree: names to numbers.
//!
//! A tree has `usr/etc/passwd` (what a new host's /etc begins with) and, where it uses
//! nss-altfiles, `usr/lib/passwd` as well (surface §2.6); the same for groups. Names are looked up
//! in both, the image's own first.

use std::collections::HashMap;

/// The numbers behind names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

impl Accounts {
    /// Reads texts in the formats of passwd(5) and group(5). The first entry of a name counts;
    /// lines that are no entry (NIS's `+`, blanks) are passed over, as libc does.
    #[must_use]
    pub fn parse<'a>(
        passwd: impl IntoIterator<Item = &'a str>,
        group: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self { users: table(passwd), groups: table(group) }
    }

    /// The number of a user. `root` needs no entry.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<u32> {
        number(&self.users, name)
    }

    /// The number of a group. `root` needs no entry.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<u32> {
        number(&self.groups, name)
    }

    /// The name of a user number, or the number as text.
    #[must_use]
    pub fn user_name(&self, uid: u32) -> String {
        name(&self.users, uid)
    }

    /// The name of a group number, or the number as text.
    #[must_use]
    pub fn group_name(&self, gid: u32) -> String {
        name(&self.groups, gid)
    }
}

fn table<'a>(texts: impl IntoIterator<Item = &'a str>) -> HashMap<String, u32> {
    let mut table = HashMap::new();
    for line in texts.into_iter().flat_map(str::lines) {
        let mut fields = line.split(':');
        if let (Some(name), Some(_), Some(id)) = (fields.next(), fields.next(), fields.next())
            && let Ok(id) = id.parse()
            && !name.is_empty()
        {
            table.entry(name.to_owned()).or_insert(id);
        }
    }
    table
}

fn number(table: &HashMap<String, u32>, name: &str) -> Option<u32> {
    table.get(name).copied().or_else(|| (name.is_empty() || name == "root").then_some(0))
}

fn name(table: &HashMap<String, u32>, id: u32) -> String {
    if id == 0 {
        return "root".to_owned();
    }
    let names = table.iter().filter(|(_, number)| **number == id).map(|(name, _)| name);
    names.min().cloned().unwrap_or_else(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_all_files_the_first_entry_counts() {
        let lib = "root:x:0:0::/root:/bin/sh\ndaemon:x:2:2::/:/bin/false\n";
        let etc =
            "+::::::\n\ndaemon:x:99:99::/:/bin/false\nbad:x:no:1\nuser:x:1000:1000::/:/bin/sh";
        let accounts = Accounts::parse([lib, etc], ["tty:x:5:\nssl:x:101:user\n"]);
        for (name, id) in [
            ("root", Some(0)),
            ("daemon", Some(2)),
            ("user", Some(1000)),
            ("bad", None),
            ("", Some(0)),
        ] {
            assert_eq!(accounts.user(name), id, "{name}");
        }
        assert_eq!(accounts.group("ssl"), Some(101));
        assert_eq!((accounts.group_name(5), accounts.group_name(6)), ("tty".into(), "6".into()));
        assert_eq!(accounts.user_name(0), "root");
    }
}

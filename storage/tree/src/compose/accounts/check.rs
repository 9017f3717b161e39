//! `check-passwd` and `check-groups`: an id that moves from one commit to the next gives files on
//! deployed hosts to somebody else, so it is an error of the compose.

use super::Table;
use crate::compose::Error;
use crate::compose::treefile::Ids;
use std::collections::BTreeMap;

/// What the accounts of a new tree are held against.
#[derive(Debug)]
pub(crate) enum Expected<'a> {
    /// An older table, by what it comes from.
    Table(&'a Table),
    /// The treefile's own list, which also must name every account of the tree.
    Data(&'a BTreeMap<String, Ids>),
}

/// Holds the tree's users against `expected`; `ignored` ones may be gone.
pub(crate) fn check_users(
    users: &Table,
    expected: &Expected<'_>,
    ignored: &[String],
) -> Result<(), Error> {
    let ids = |table: &Table| -> BTreeMap<String, (u32, u32)> {
        let ids = |line: &crate::account_table::Line| Some((line.number(2)?, line.number(3)?));
        table.lines().filter_map(|line| Some((line.name().to_owned(), ids(line)?))).collect()
    };
    let wanted = match expected {
        Expected::Table(table) => ids(table),
        Expected::Data(data) => data.iter().map(|(name, ids)| (name.clone(), pair(*ids))).collect(),
    };
    let print = |(uid, gid): &(u32, u32)| format!("{uid}:{gid}");
    compare(
        &Side { table: "check-passwd", kind: "user" },
        &ids(users),
        &wanted,
        expected,
        ignored,
        print,
    )
}

/// Holds the tree's groups against `expected`; `ignored` ones may be gone.
pub(crate) fn check_groups(
    groups: &Table,
    expected: &Expected<'_>,
    ignored: &[String],
) -> Result<(), Error> {
    let ids = |table: &Table| -> BTreeMap<String, u32> {
        let lines = table.lines();
        lines.filter_map(|line| Some((line.name().to_owned(), line.number(2)?))).collect()
    };
    let wanted = match expected {
        Expected::Table(table) => ids(table),
        Expected::Data(data) => {
            data.iter().map(|(name, ids)| (name.clone(), pair(*ids).0)).collect()
        }
    };
    let side = Side { table: "check-groups", kind: "group" };
    compare(&side, &ids(groups), &wanted, expected, ignored, u32::to_string)
}

fn pair(ids: Ids) -> (u32, u32) {
    match ids {
        Ids::One(id) => (id, id),
        Ids::Two(uid, gid) => (uid, gid),
    }
}

/// What is compared, for messages.
struct Side {
    table: &'static str,
    kind: &'static str,
}

fn compare<T: PartialEq>(
    side: &Side,
    found: &BTreeMap<String, T>,
    wanted: &BTreeMap<String, T>,
    expected: &Expected<'_>,
    ignored: &[String],
    print: impl Fn(&T) -> String,
) -> Result<(), Error> {
    let Side { table, kind } = *side;
    let refuse = |problem| Err(Error::Accounts { table, problem });
    for (name, want) in wanted {
        match found.get(name) {
            // A table in the treefile may name accounts of packages that are not installed.
            None if matches!(expected, Expected::Data(_)) => {}
            None if ignored.iter().any(|ignored| ignored == name || ignored == "*") => {}
            None => return refuse(format!("the {kind} '{name}' is gone")),
            Some(have) if have != want => {
                let (have, want) = (print(have), print(want));
                return refuse(format!("the {kind} '{name}' has {have} instead of {want}"));
            }
            Some(_) => {}
        }
    }
    let unlisted = found.keys().find(|name| !wanted.contains_key(*name));
    match (expected, unlisted) {
        (Expected::Data(_), Some(name)) => refuse(format!("the {kind} '{name}' is not listed")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "root:x:0:0\nd:x:5:6\n";

    fn check(old: &str, ignored: &[&str], expected: Option<&str>) {
        let ignored: Vec<String> = ignored.iter().map(|name| (*name).to_owned()).collect();
        let (new, old) = (Table::parse(NEW), Table::parse(old));
        let error = check_users(&new, &Expected::Table(&old), &ignored).err();
        assert_eq!(error.map(|error| error.to_string()).as_deref(), expected);
    }

    fn check_data(entries: &[(&str, Ids)], expected: Option<&str>) {
        let data = entries.iter().map(|(name, ids)| ((*name).to_owned(), *ids)).collect();
        let error = check_users(&Table::parse(NEW), &Expected::Data(&data), &[]).err();
        assert_eq!(error.map(|error| error.to_string()).as_deref(), expected);
    }

    #[test]
    fn users_of_the_previous_commit_stay() {
        check("root:x:0:0\n", &[], None);
        check("d:x:5:7\n", &[], Some("check-passwd: the user 'd' has 5:6 instead of 5:7"));
        check("e:x:9:9\n", &[], Some("check-passwd: the user 'e' is gone"));
        check("e:x:9:9\n", &["e"], None);
        check("e:x:9:9\n", &["*"], None);
    }

    #[test]
    fn a_list_in_the_treefile_names_everybody() {
        let root = ("root", Ids::One(0));
        check_data(&[root, ("d", Ids::Two(5, 6)), ("absent", Ids::One(7))], None);
        check_data(&[root], Some("check-passwd: the user 'd' is not listed"));
        check_data(
            &[root, ("d", Ids::One(5))],
            Some("check-passwd: the user 'd' has 5:6 instead of 5:5"),
        );
    }

    #[test]
    fn groups_are_held_to_their_one_id() {
        let (new, old) = (Table::parse("d:x:5:\n"), Table::parse("d:x:6:m\n"));
        let error = check_groups(&new, &Expected::Table(&old), &[]).unwrap_err();
        assert_eq!(error.to_string(), "check-groups: the group 'd' has 5 instead of 6");
    }
}

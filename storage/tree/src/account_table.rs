//! Files of lines whose fields stand between colons: passwd(5), group(5), shadow(5) and kin.

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line(String);

impl Line {
    /// The first field.
    pub(crate) fn name(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// The field at `index`, from 0.
    pub(crate) fn field(&self, index: usize) -> Option<&str> {
        self.0.split(':').nth(index)
    }

    /// The field at `index` as a number.
    pub(crate) fn number(&self, index: usize) -> Option<u32> {
        self.field(index)?.parse().ok()
    }
}

/// A file's lines in their order; comments and empty lines are dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table(Vec<Line>);

impl Table {
    /// Takes a file apart.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|line| Line(line.to_owned())).collect())
    }

    /// The file again.
    pub(crate) fn print(&self) -> String {
        self.0.iter().map(|line| format!("{}\n", line.0)).collect()
    }

    /// The lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.0.iter()
    }

    /// The line of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&Line> {
        self.0.iter().find(|line| line.name() == name)
    }

    /// Adds `other`'s lines whose names are not here, in its order; says whether there were any.
    pub(crate) fn add_missing(&mut self, other: &Self) -> bool {
        let before = self.0.len();
        for line in &other.0 {
            if self.find(line.name()).is_none() {
                self.0.push(line.clone());
            }
        }
        self.0.len() > before
    }

    /// The lines with these names, and the others.
    pub(crate) fn split(self, names: &[&str]) -> (Self, Self) {
        let (named, others) = self.0.into_iter().partition(|line| names.contains(&line.name()));
        (Self(named), Self(others))
    }

    /// For shadow(5): empties the day of the last change where the password is locked; says
    /// whether anything changed.
    pub(crate) fn forget_days(&mut self) -> bool {
        let mut changed = false;
        for line in &mut self.0 {
            let mut fields: Vec<&str> = line.0.split(':').collect();
            let locked = fields.get(1).is_some_and(|password| password.starts_with(['!', '*']));
            if locked && fields.get(2).is_some_and(|day| !day.is_empty()) {
                fields[2] = "";
                line.0 = fields.join(":");
                changed = true;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn print_parses_back(lines in prop::collection::vec("[a-z]{1,5}:[a-z0-9:]{0,9}", 0..5)) {
            let table = Table::parse(&(lines.join("\n") + "\n# comment\n\n"));
            prop_assert_eq!(Table::parse(&table.print()), table);
        }

        #[test]
        fn adding_twice_adds_nothing(
            own in prop::collection::vec("[a-d]:[0-9]", 0..4),
            other in prop::collection::vec("[a-d]:[0-9]", 0..4),
        ) {
            let (mut table, other) = (Table::parse(&own.join("\n")), Table::parse(&other.join("\n")));
            table.add_missing(&other);
            prop_assert!(!table.clone().add_missing(&other));
            prop_assert!(other.lines().all(|line| table.find(line.name()).is_some()));
        }
    }
}

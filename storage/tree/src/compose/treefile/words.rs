//! Entries of `packages`: one string may hold several names, quotes keep one together.

/// The names in `entry`, split at white space outside `'…'` and `"…"`; `None` where a quote is
/// never closed. `'pkgconfig(zlib) >= 1.2' bash` are two names.
pub(crate) fn package_names(entry: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut name: Option<String> = None;
    let mut quote = None;
    for letter in entry.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                name.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => names.extend(name.take()),
            _ => name.get_or_insert_default().push(letter),
        }
    }
    names.extend(name);
    quote.is_none().then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits_outside_quotes() {
        for (entry, names) in [
            ("bash", Some(vec!["bash"])),
            (" bash\tsed \n", Some(vec!["bash", "sed"])),
            ("'a >= 1' b", Some(vec!["a >= 1", "b"])),
            ("\"it's\"", Some(vec!["it's"])),
            ("", Some(vec![])),
            ("'open", None),
        ] {
            let names = names.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(package_names(entry), names, "{entry}");
        }
    }

    proptest! {
        #[test]
        fn quoted_names_come_back(names in prop::collection::vec("[a-z() =>\"]{1,8}", 0..4)) {
            let entry = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(package_names(&entry), Some(names));
        }
    }
}

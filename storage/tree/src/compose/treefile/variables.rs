//! `${name}` in treefile values.
//!
//! Scripts and file contents are left alone: there `${}` is the shell's. `$name` without braces
//! is text everywhere.

use super::{Scalar, Treefile};
use std::collections::BTreeMap;

/// A `${name}` that nothing gives a value to, or that is never closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unresolved {
    /// The key it stands in.
    pub key: &'static str,
    /// The text from `${` on, up to the brace.
    pub name: String,
}

/// The values that `${}` may name: the treefile's own variables, `basearch` and `releasever`.
pub(crate) fn known(treefile: &Treefile, basearch: &str) -> BTreeMap<String, String> {
    let own = treefile.variables.iter();
    let mut known: BTreeMap<_, _> =
        own.map(|(name, value)| (name.clone(), value.0.clone())).collect();
    known.insert("basearch".to_owned(), basearch.to_owned());
    if let Some(Scalar(releasever)) = &treefile.releasever {
        known.insert("releasever".to_owned(), releasever.clone());
    }
    known
}

/// Replaces every `${}` in the values that name things.
pub(crate) fn substitute(treefile: &mut Treefile, basearch: &str) -> Result<(), Unresolved> {
    if let Some(Scalar(releasever)) = &mut treefile.releasever {
        let variables = treefile.variables.iter();
        let variables: BTreeMap<_, _> =
            variables.map(|(name, value)| (name.clone(), value.0.clone())).collect();
        *releasever = expand("releasever", releasever, &variables)?;
    }
    let known = known(treefile, basearch);
    let each = |key, values: &mut dyn Iterator<Item = &mut String>| {
        for value in values {
            *value = expand(key, value, &known)?;
        }
        Ok(())
    };
    each("ref", &mut treefile.treeref.iter_mut())?;
    each("automatic-version-prefix", &mut texts(&mut treefile.automatic_version_prefix))?;
    each("automatic-version-suffix", &mut texts(&mut treefile.automatic_version_suffix))?;
    each("mutate-os-release", &mut texts(&mut treefile.mutate_os_release))?;
    each("repos", &mut treefile.repos.iter_mut())?;
    each("packages", &mut treefile.packages.iter_mut())?;
    each("exclude-packages", &mut treefile.exclude_packages.iter_mut())?;
    each("units", &mut treefile.units.iter_mut())?;
    each("default-target", &mut treefile.default_target.iter_mut())?;
    if let Some(rojig) = &mut treefile.rojig {
        let fields = [&mut rojig.name, &mut rojig.summary, &mut rojig.license];
        each("rojig", &mut fields.into_iter().chain(rojig.description.iter_mut()))?;
    }
    for value in treefile.add_commit_metadata.values_mut() {
        if let serde_json::Value::String(text) = value {
            each("add-commit-metadata", &mut std::iter::once(text))?;
        }
    }
    Ok(())
}

fn texts(value: &mut Option<Scalar>) -> impl Iterator<Item = &mut String> {
    value.iter_mut().map(|scalar| &mut scalar.0)
}

/// `text` with every `${name}` replaced.
pub(crate) fn expand(
    key: &'static str,
    text: &str,
    known: &BTreeMap<String, String>,
) -> Result<String, Unresolved> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let unresolved = |name: &str| Unresolved { key, name: name.to_owned() };
        let (name, after) = after.split_once('}').ok_or_else(|| unresolved(after))?;
        expanded.push_str(before);
        expanded.push_str(known.get(name).ok_or_else(|| unresolved(name))?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::treefile::parse::parse;
    use proptest::prelude::*;
    use std::path::Path;

    fn substituted(yaml: &str) -> Result<Treefile, Unresolved> {
        let mut treefile = parse(Path::new("t.yaml"), yaml).unwrap();
        substitute(&mut treefile, "x86_64").map(|()| treefile)
    }

    #[test]
    fn names_take_variables_and_scripts_do_not() {
        let treefile = substituted(
            "ref: ${os}/${releasever}/${basearch}\nreleasever: ${major}\n\
             variables: {os: realos, major: 12}\nrepos: ['${os}-$basearch']\n\
             mutate-os-release: ${releasever}\npostprocess: ['echo ${HOME}']\n\
             add-commit-metadata: {k: '${os}', n: 3}\n",
        )
        .unwrap();
        assert_eq!(treefile.treeref.as_deref(), Some("realos/12/x86_64"));
        assert_eq!(treefile.repos, ["realos-$basearch"]);
        assert_eq!(treefile.mutate_os_release, Some(Scalar("12".into())));
        assert_eq!(treefile.postprocess, ["echo ${HOME}"]);
        assert_eq!(treefile.add_commit_metadata["k"], "realos");
    }

    #[test]
    fn a_variable_without_value_is_named_with_its_key() {
        for (yaml, key, name) in [
            ("ref: ${nope}", "ref", "nope"),
            ("units: ['${basearch']", "units", "basearch"),
            ("releasever: ${releasever}", "releasever", "releasever"),
        ] {
            let unresolved = Unresolved { key, name: name.to_owned() };
            assert_eq!(substituted(yaml).unwrap_err(), unresolved, "{yaml}");
        }
    }

    proptest! {
        #[test]
        fn text_without_braces_stays(text in "[a-z$}]{0,12}") {
            let expanded = expand("ref", &text, &BTreeMap::new());
            prop_assert_eq!(expanded, Ok(text));
        }

        #[test]
        fn values_are_not_expanded_again(value in "[a-z${}]{0,12}") {
            let known = BTreeMap::from([("v".to_owned(), value.clone())]);
            prop_assert_eq!(expand("ref", "<${v}>", &known), Ok(format!("<{value}>")));
        }
    }
}

//! Variables of repository files: `$releasever`, `$basearch`, `$arch` and those of vars directories.

use crate::{Config, Error, Result};
use std::collections::BTreeMap;

/// Names without `$`, and values.
pub(crate) type Vars = BTreeMap<String, String>;

/// The variables that a configuration says.
pub(crate) fn load(config: &Config) -> Result<Vars> {
    let mut vars = Vars::new();
    vars.insert("basearch".into(), config.basearch.clone());
    vars.insert("arch".into(), config.basearch.clone());
    for dir in &config.vars_dirs {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("read", dir)(error)),
        };
        for entry in entries {
            let path = entry.map_err(Error::io("read", dir))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if path.is_file() {
                let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
                let value = text.lines().next().unwrap_or_default().trim();
                vars.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    match &config.releasever {
        Some(version) => vars.insert("releasever".into(), version.clone()),
        None => os_version(config).and_then(|found| vars.insert("releasever".into(), found)),
    };
    Ok(vars)
}

fn os_version(config: &Config) -> Option<String> {
    let text = std::fs::read_to_string(config.installed_root.join("usr/lib/os-release")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("VERSION_ID="))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

/// `text` with `$name` and `${name}` replaced; an unknown variable stays as it is, as in dnf.
pub(crate) fn replace(text: &str, vars: &Vars) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, tail) = braced
            .unwrap_or_else(|| after.split_at(after.find(|c| !word(c)).unwrap_or(after.len())));
        match vars.get(name) {
            Some(value) => {
                out.push_str(value);
                rest = tail;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_known_variables_and_leaves_others() {
        let vars =
            Vars::from([("releasever".into(), "12".into()), ("basearch".into(), "x86_64".into())]);
        for (text, expected) in [
            ("http://h/$releasever/$basearch/os", "http://h/12/x86_64/os"),
            ("${releasever}x$basearch.", "12xx86_64."),
            ("$releaseverx $unknown ${also}", "$releaseverx $unknown ${also}"),
            ("100$ ${releasever", "100$ ${releasever"),
            ("", ""),
        ] {
            assert_eq!(replace(text, &vars), expected, "{text}");
        }
    }
}

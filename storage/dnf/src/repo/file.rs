//! Reads the text of a `.repo` file: sections, keys, values continued on indented lines.

use super::{RepoConfig, vars};
use std::path::PathBuf;

/// The repositories of a file. An error says the line.
pub(super) fn parse(text: &str, vars: &vars::Vars) -> Result<Vec<RepoConfig>, String> {
    let mut repos: Vec<RepoConfig> = Vec::new();
    let mut entry: Option<(usize, String, String)> = None;
    let mut skipping = false;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t'])
            && let Some((_, _, value)) = &mut entry
        {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        finish(&mut repos, entry.take(), vars)?;
        if let Some(section) = trimmed.strip_prefix('[') {
            let id = section.strip_suffix(']').ok_or(format!("line {}: ']' is missing", at + 1))?;
            // `[main]` is dnf's own configuration, which some vendors put into these files.
            skipping = id == "main";
            if !skipping {
                let mut repo = RepoConfig::new(vars::replace(id, vars), "");
                repo.gpgcheck = false;
                repos.push(repo);
            }
            continue;
        }
        let (key, value) =
            trimmed.split_once('=').ok_or(format!("line {}: '=' is missing", at + 1))?;
        if skipping {
            continue;
        }
        if repos.is_empty() {
            return Err(format!("line {}: no [section] before it", at + 1));
        }
        entry = Some((at + 1, key.trim().to_owned(), value.trim().to_owned()));
    }
    finish(&mut repos, entry, vars)?;
    Ok(repos)
}

fn finish(
    repos: &mut [RepoConfig],
    entry: Option<(usize, String, String)>,
    vars: &vars::Vars,
) -> Result<(), String> {
    let (Some((line, key, value)), Some(repo)) = (entry, repos.last_mut()) else { return Ok(()) };
    set(repo, &key, &vars::replace(&value, vars)).map_err(|what| format!("line {line}: {what}"))
}

fn set(repo: &mut RepoConfig, key: &str, value: &str) -> Result<(), String> {
    let list = || {
        let parts = value.split(|c: char| c.is_whitespace() || c == ',');
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
    let number = || value.parse().map_err(|_| format!("{key}={value} is no number"));
    let path = || text().map(PathBuf::from);
    match key {
        "name" => repo.name = value.to_owned(),
        "baseurl" => repo.baseurl = list(),
        // An old habit: a metalink under the name of a mirror list.
        "mirrorlist" if value.contains("metalink") => repo.metalink = text(),
        "mirrorlist" => repo.mirrorlist = text(),
        "metalink" => repo.metalink = text(),
        "enabled" => repo.enabled = switch(key, value)?,
        "gpgcheck" => repo.gpgcheck = switch(key, value)?,
        "repo_gpgcheck" => repo.repo_gpgcheck = switch(key, value)?,
        "gpgkey" => repo.gpgkey = list(),
        "priority" => repo.priority = number()?,
        "cost" => repo.cost = number()?,
        "excludepkgs" | "exclude" => repo.excludepkgs.extend(list()),
        "includepkgs" => repo.includepkgs.extend(list()),
        "metadata_expire" => repo.metadata_expire = seconds(key, value)?,
        "proxy" => {
            let none = value.eq_ignore_ascii_case("_none_");
            repo.proxy = Some(if none { String::new() } else { value.to_owned() });
        }
        "proxy_username" => repo.proxy_auth = joined(Some(value), None, &repo.proxy_auth),
        "proxy_password" => repo.proxy_auth = joined(None, Some(value), &repo.proxy_auth),
        "username" => repo.auth = joined(Some(value), None, &repo.auth),
        "password" => repo.auth = joined(None, Some(value), &repo.auth),
        "sslverify" => repo.sslverify = switch(key, value)?,
        "sslcacert" => repo.sslcacert = path(),
        "sslclientcert" => repo.sslclientcert = path(),
        "sslclientkey" => repo.sslclientkey = path(),
        "skip_if_unavailable" => repo.skip_if_unavailable = switch(key, value)?,
        "sslverifystatus" => repo.sslverifystatus = switch(key, value)?,
        "timeout" => repo.timeout = seconds(key, value)?.unwrap_or(0),
        "minrate" => repo.minrate = bytes(key, value)?,
        _ if HONOURED_NOWHERE.contains(&key) => repo.ignored.push(format!("{key}={value}")),
        // dnf has many more keys; one that we do not know is not an error there either.
        _ => {}
    }
    Ok(())
}

fn joined(user: Option<&str>, password: Option<&str>, before: &Option<String>) -> Option<String> {
    let before = before.as_deref().unwrap_or_default();
    let (old_user, old_password) = before.split_once(':').unwrap_or((before, ""));
    Some(format!("{}:{}", user.unwrap_or(old_user), password.unwrap_or(old_password)))
}

fn switch(key: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" | "enabled" => Ok(true),
        "0" | "no" | "false" | "off" | "disabled" => Ok(false),
        _ => Err(format!("{key}={value} is neither yes nor no")),
    }
}

/// Keys that change which packages or bytes come, or by which way, and that are not honoured.
const HONOURED_NOWHERE: [&str; 9] = [
    "bandwidth",
    "ip_resolve",
    "module_hotfixes",
    "proxy_auth_method",
    "proxy_sslcacert",
    "proxy_sslclientcert",
    "proxy_sslclientkey",
    "proxy_sslverify",
    "throttle",
];

/// `1000`, `1.5k`, `2M`, `1G`: units of 1024, as in dnf.
fn bytes(key: &str, value: &str) -> Result<u64, String> {
    let units = [('k', 1024.0), ('m', 1_048_576.0), ('g', 1_073_741_824.0)];
    let lower = value.to_ascii_lowercase();
    scaled(&lower, &units).ok_or_else(|| format!("{key}={value} is no size"))
}

/// `90`, `90s`, `1.5h`, `2d`, `-1` and `never`.
fn seconds(key: &str, value: &str) -> Result<Option<u64>, String> {
    if value == "-1" || value == "never" {
        return Ok(None);
    }
    let units = [('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86400.0)];
    scaled(value, &units).map(Some).ok_or_else(|| format!("{key}={value} is no time"))
}

/// A number with one of these units or none.
fn scaled(value: &str, units: &[(char, f64)]) -> Option<u64> {
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| value.strip_suffix(*unit).map(|digits| (digits, *factor)))
        .unwrap_or((value, 1.0));
    // The cast saturates, and an amount so large is all there is.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    digits
        .parse::<f64>()
        .ok()
        .filter(|number| *number >= 0.0)
        .map(|number| (number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<RepoConfig>, String> {
        parse(text, &vars::Vars::from([("releasever".to_owned(), "12".to_owned())]))
    }

    #[test]
    fn reads_every_key_that_it_knows() {
        let repos = read(
            "# comment\n[main]\nbest=1\n[up-$releasever]\nname = Updates $releasever\n\
             baseurl=http://a/$releasever\n  http://b/\nenabled=0\ngpgcheck=True\nrepo_gpgcheck=yes\n\
             gpgkey=file:///k1, https://k2\npriority=10\ncost = 5\nexclude=a* b\nexcludepkgs=c\n\
             includepkgs=d\nmetadata_expire=1.5h\nproxy=_none_\nusername=u\npassword=p\nsslverify=off\n\
             sslcacert=/ca\nsslclientcert=/c\nsslclientkey=/k\nskip_if_unavailable=1\nfuture=key\n\
             sslverifystatus=1\ntimeout=2m\nminrate=1.5k\nthrottle=50%\n\
             [b]\nmirrorlist=http://m/metalink?x\n",
        )
        .unwrap();
        let mut expected = RepoConfig::new("up-12", "http://a/12");
        expected.name = "Updates 12".into();
        expected.baseurl.push("http://b/".into());
        (expected.enabled, expected.gpgcheck, expected.repo_gpgcheck) = (false, true, true);
        expected.gpgkey = vec!["file:///k1".into(), "https://k2".into()];
        (expected.priority, expected.cost) = (10, 5);
        expected.excludepkgs = vec!["a*".into(), "b".into(), "c".into()];
        expected.includepkgs = vec!["d".into()];
        expected.metadata_expire = Some(5400);
        expected.proxy = Some(String::new());
        expected.auth = Some("u:p".into());
        expected.sslverify = false;
        expected.sslcacert = Some("/ca".into());
        expected.sslclientcert = Some("/c".into());
        expected.sslclientkey = Some("/k".into());
        expected.skip_if_unavailable = true;
        expected.sslverifystatus = true;
        (expected.timeout, expected.minrate) = (120, 1536);
        expected.ignored = vec!["throttle=50%".into()];
        assert_eq!(repos[0], expected);
        assert_eq!(repos[1].metalink.as_deref(), Some("http://m/metalink?x"));
        assert_eq!(repos.len(), 2);
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        for (text, expected) in [
            ("[a\n", "line 1: ']' is missing"),
            ("a=1\n", "line 1: no [section] before it"),
            ("[a]\nenabled\n", "line 2: '=' is missing"),
            ("[a]\nenabled=maybe\n", "line 2: enabled=maybe is neither yes nor no"),
            ("[a]\n\ncost=x\n", "line 3: cost=x is no number"),
            ("[a]\nmetadata_expire=-2\n", "line 2: metadata_expire=-2 is no time"),
            ("[a]\ntimeout=soon\n", "line 2: timeout=soon is no time"),
            ("[a]\nminrate=-1\n", "line 2: minrate=-1 is no size"),
        ] {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn metadata_expires_in_units_or_never() {
        for (text, expected) in [
            ("90", Some(90)),
            ("2d", Some(172_800)),
            ("-1", None),
            ("never", None),
            ("3m", Some(180)),
        ] {
            assert_eq!(seconds("metadata_expire", text), Ok(expected), "{text}");
        }
    }
}

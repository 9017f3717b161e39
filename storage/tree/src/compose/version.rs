//! The version of a new commit, and how os-release tells it.

use jiff::Timestamp;

/// What decides the next version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series<'a> {
    /// `automatic-version-prefix`, which may hold one `<date:FORMAT>` (strftime).
    pub prefix: &'a str,
    /// `automatic-version-suffix`: what stands before the counter; `.` by default.
    pub separator: &'a str,
    /// The previous commit's version.
    pub previous: Option<&'a str>,
    /// The time of the compose.
    pub now: Timestamp,
}

/// The version after `series.previous` by rpm-ostree's rule: `12`, `12.1`, `12.2`, … and with a
/// date `12.20261124.0`, `12.20261124.1`, …; a new prefix starts the counter anew. `None` for a
/// date format that strftime does not know.
pub(crate) fn next(series: &Series<'_>) -> Option<String> {
    let dated = dated(series.prefix, series.now)?;
    let prefix = dated.as_deref().unwrap_or(series.prefix);
    let first =
        if dated.is_some() { format!("{prefix}{}0", series.separator) } else { prefix.to_owned() };
    let Some(rest) = series.previous.and_then(|previous| previous.strip_prefix(prefix)) else {
        return Some(first);
    };
    let counter = rest.strip_prefix(series.separator).and_then(|text| text.parse::<u64>().ok());
    Some(match counter {
        Some(counter) => format!("{prefix}{}{}", series.separator, counter + 1),
        None if rest.is_empty() => format!("{prefix}{}1", series.separator),
        None => first,
    })
}

/// `prefix` with its `<date:FORMAT>` replaced; `Some(None)` where it has none.
fn dated(prefix: &str, now: Timestamp) -> Option<Option<String>> {
    let Some((before, rest)) = prefix.split_once("<date:") else { return Some(None) };
    let (format, after) = rest.split_once('>')?;
    let utc = now.to_zoned(jiff::tz::TimeZone::UTC);
    let date = jiff::fmt::strtime::format(format, &utc).ok()?;
    Some(Some(format!("{before}{date}{after}")))
}

/// os-release with `base` replaced by `version` in VERSION and PRETTY_NAME, and OSTREE_VERSION
/// said: what `mutate-os-release` asks for.
pub(crate) fn os_release(text: &str, base: &str, version: &str) -> String {
    let mut changed = String::with_capacity(text.len() + 64);
    for line in text.lines().filter(|line| !line.starts_with("OSTREE_VERSION=")) {
        if line.starts_with("VERSION=") || line.starts_with("PRETTY_NAME=") {
            changed.push_str(&line.replace(base, version));
        } else {
            changed.push_str(line);
        }
        changed.push('\n');
    }
    changed.push_str(&format!("OSTREE_VERSION='{version}'\n"));
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(prefix: &str, separator: &str, previous: Option<&str>, expected: Option<&str>) {
        let now = "2026-11-24T17:00:00Z".parse().unwrap();
        let next = next(&Series { prefix, separator, previous, now });
        assert_eq!(next.as_deref(), expected, "{prefix} after {previous:?}");
    }

    #[test]
    fn counts_within_a_prefix() {
        check("12", ".", None, Some("12"));
        check("12", ".", Some("12"), Some("12.1"));
        check("12", ".", Some("12.9"), Some("12.10"));
        check("12", "-", Some("12-3"), Some("12-4"));
        check("13", ".", Some("12.9"), Some("13"));
        check("12", ".", Some("121.4"), Some("12"));
        check("12", ".", Some("12.beta"), Some("12"));
    }

    #[test]
    fn a_date_starts_at_zero_each_day() {
        check("12.<date:%Y%m%d>", ".", None, Some("12.20261124.0"));
        check("12.<date:%Y%m%d>", ".", Some("12.20261124.0"), Some("12.20261124.1"));
        check("12.<date:%Y%m%d>", ".", Some("12.20261123.7"), Some("12.20261124.0"));
        check("12.<date:%Y", ".", None, None);
    }

    #[test]
    fn os_release_tells_the_version_once() {
        let text =
            "NAME=Realos\nVERSION=\"12 (bookworm)\"\nVERSION_ID=12\nPRETTY_NAME=\"Realos 12\"\n";
        let once = os_release(text, "12", "12.1");
        assert_eq!(
            once,
            "NAME=Realos\nVERSION=\"12.1 (bookworm)\"\nVERSION_ID=12\nPRETTY_NAME=\"Realos 12.1\"\n\
             OSTREE_VERSION='12.1'\n"
        );
        assert_eq!(os_release(&once, "12.1", "12.2").matches("OSTREE_VERSION").count(), 1);
    }

    proptest! {
        #[test]
        fn every_version_is_followed_by_a_new_one(counter in 0u64..1000) {
            let now = Timestamp::UNIX_EPOCH;
            let previous = format!("12.{counter}");
            let series = Series { prefix: "12", separator: ".", previous: Some(&previous), now };
            prop_assert_eq!(next(&series), Some(format!("12.{}", counter + 1)));
        }
    }
}

//! The text format 0.0.4 for scrapers that do not ask for OpenMetrics (`promtool check metrics`,
//! curl, older agents).
//!
//! The library writes OpenMetrics alone. The two differ, for what is registered here, in a few
//! comment lines: a counter is described under its full name, and there are no `UNIT` and `EOF`.

use std::collections::HashSet;

/// The same metrics in the older format.
pub(super) fn from_open_metrics(text: &str) -> String {
    let comment = |line: &'_ str, kind: &str| -> Option<(String, String)> {
        let (name, rest) = line.strip_prefix("# ")?.strip_prefix(kind)?.trim().split_once(' ')?;
        Some((name.to_owned(), rest.to_owned()))
    };
    let counters: HashSet<String> = text
        .lines()
        .filter_map(|line| comment(line, "TYPE "))
        .filter(|(_, kind)| kind == "counter")
        .map(|(name, _)| name)
        .collect();
    let full = |name: &str| {
        if counters.contains(name) { format!("{name}_total") } else { name.to_owned() }
    };
    let mut classic = String::with_capacity(text.len());
    for line in text.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let described = ["HELP", "TYPE"].into_iter().find_map(|kind| {
            let (name, rest) = comment(line, &format!("{kind} "))?;
            Some(format!("# {kind} {} {rest}", full(&name)))
        });
        classic.push_str(described.as_deref().unwrap_or(line));
        classic.push('\n');
    }
    classic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_described_under_their_full_name() {
        let open = "# HELP c_jobs Jobs that ended.\n# TYPE c_jobs counter\nc_jobs_total{x=\"y\"} 3\n\
                    # HELP c_disk_bytes Space.\n# TYPE c_disk_bytes gauge\n\
                    # UNIT c_disk_bytes bytes\nc_disk_bytes 7\n# EOF\n";
        let classic = "# HELP c_jobs_total Jobs that ended.\n# TYPE c_jobs_total counter\n\
                       c_jobs_total{x=\"y\"} 3\n# HELP c_disk_bytes Space.\n\
                       # TYPE c_disk_bytes gauge\nc_disk_bytes 7\n";
        assert_eq!(from_open_metrics(open), classic);
    }
}

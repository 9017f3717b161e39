//! `units` and `default-target`: links that systemd follows, made without systemctl.

use super::Error;
use super::root::Root;

/// Enables `unit` as its `[Install]` section says; a unit without one is wanted by
/// multi-user.target, as rpm-ostree does for all.
pub(crate) fn enable(root: &Root, unit: &str) -> Result<(), Error> {
    let (file, text) = find(root, unit)?;
    let install = Install::parse(&text);
    let wanted_by = if install.is_empty() {
        vec![("multi-user.target".to_owned(), "wants")]
    } else {
        let wants = install.wanted_by.into_iter().map(|target| (target, "wants"));
        wants.chain(install.required_by.into_iter().map(|target| (target, "requires"))).collect()
    };
    for (target, relation) in wanted_by {
        root.link(&file, &format!("/etc/systemd/system/{target}.{relation}/{unit}"))?;
    }
    for alias in install.alias {
        root.link(&file, &format!("/etc/systemd/system/{alias}"))?;
    }
    Ok(())
}

/// Makes `target` the one that boots.
pub(crate) fn set_default(root: &Root, target: &str) -> Result<(), Error> {
    let (file, _) = find(root, target)?;
    root.link(&file, "/etc/systemd/system/default.target")
}

/// The unit's file as the booted system names it, and its text. An instance is found by its
/// template.
fn find(root: &Root, unit: &str) -> Result<(String, String), Error> {
    let missing = || Error::NoSuchUnit { unit: unit.to_owned() };
    if unit.contains('/') {
        return Err(missing());
    }
    let template = unit.split_once('@').and_then(|(stem, rest)| {
        rest.rsplit_once('.').map(|(_, suffix)| format!("{stem}@.{suffix}"))
    });
    for name in [Some(unit), template.as_deref()].into_iter().flatten() {
        for directory in ["/etc/systemd/system", "/usr/lib/systemd/system"] {
            let path = format!("{directory}/{name}");
            if let Some(text) = root.read_text(&path)? {
                return Ok((path, text));
            }
        }
    }
    Err(missing())
}

/// A unit's `[Install]` section.
#[derive(Debug, Default, PartialEq, Eq)]
struct Install {
    wanted_by: Vec<String>,
    required_by: Vec<String>,
    alias: Vec<String>,
}

impl Install {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn parse(text: &str) -> Self {
        let mut install = Self::default();
        let mut inside = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line == "[Install]";
            } else if let Some((key, value)) = line.split_once('=').filter(|_| inside) {
                let list = match key.trim_end() {
                    "WantedBy" => &mut install.wanted_by,
                    "RequiredBy" => &mut install.required_by,
                    "Alias" => &mut install.alias,
                    _ => continue,
                };
                list.extend(value.split_whitespace().map(str::to_owned));
            }
        }
        install
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], unit: &str, links: &[(&str, &str)]) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        for (path, text) in files {
            root.write(path, text.as_bytes(), 0o644).unwrap();
        }
        enable(&root, unit).unwrap();
        for (path, target) in links {
            assert_eq!(root.read_link(&format!("/etc/systemd/system/{path}")).unwrap(), *target);
        }
    }

    #[test]
    fn a_unit_is_wanted_by_whom_it_says() {
        let unit = "/usr/lib/systemd/system/a.service";
        check(
            &[(unit, "[Service]\n")],
            "a.service",
            &[("multi-user.target.wants/a.service", unit)],
        );
        check(
            &[(unit, "[Unit]\nAlias=no\n[Install]\nWantedBy=x.target y.target\nAlias=b.service\n")],
            "a.service",
            &[
                ("x.target.wants/a.service", unit),
                ("y.target.wants/a.service", unit),
                ("b.service", unit),
            ],
        );
    }

    #[test]
    fn an_instance_links_to_its_template() {
        let unit = "/usr/lib/systemd/system/getty@.service";
        check(
            &[(unit, "[Install]\nRequiredBy=getty.target\n")],
            "getty@tty1.service",
            &[("getty.target.requires/getty@tty1.service", unit)],
        );
    }

    #[test]
    fn a_unit_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        for unit in ["no.service", "../x.service"] {
            let error = enable(&root, unit).unwrap_err();
            assert_eq!(error.to_string(), format!("the tree has no unit '{unit}'"));
        }
        assert!(set_default(&root, "graphical.target").is_err());
    }
}

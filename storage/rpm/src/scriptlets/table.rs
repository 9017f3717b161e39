//! Scripts that are known not to run, or not as they are, each with its reason. Data only.
//!
//! Source: rpm-ostree's lists (surface §2.3), which hosts rely on: a package that installs there
//! must install here.

/// What is done instead of running a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Nothing, for this reason.
    Ignore(&'static str),
    /// Another script, for this reason.
    Replace { interpreter: &'static str, body: &'static str, reason: &'static str },
}

const NO_STATE: &str = "it repairs an installed system in place, and a tree is always new";
const COMPOSED: &str = "the tree's composition has done this already";
const REBUILT: &str = "what it rebuilds is rebuilt when the tree is committed";
const PROBES: &str = "it checks the running system, which is not the tree";

/// (package, `*` at its end for any rest; class; what is done)
const RULES: &[(&str, &str, Rule)] = &[
    ("glibc", "prein", Rule::Ignore(PROBES)),
    ("glibc-headers", "prein", Rule::Ignore(NO_STATE)),
    ("coreutils", "prein", Rule::Ignore(NO_STATE)),
    ("ca-certificates", "prein", Rule::Ignore(NO_STATE)),
    ("libgcc", "post", Rule::Ignore("it runs ldconfig in Lua; the cache is made at commit")),
    ("filesystem", "posttrans", Rule::Ignore(COMPOSED)),
    ("filesystem", "transfiletriggerin", Rule::Ignore(COMPOSED)),
    ("setup", "post", Rule::Ignore(COMPOSED)),
    ("pinentry", "prein", Rule::Ignore(NO_STATE)),
    ("fedora-release*", "posttrans", Rule::Ignore("its presets are applied by the composition")),
    ("vagrant", "prein", Rule::Ignore(NO_STATE)),
    ("vagrant-libvirt", "prein", Rule::Ignore(NO_STATE)),
    ("bash", "post", Rule::Ignore("/etc/shells of the tree lists bash")),
    ("gdb", "prein", Rule::Ignore(NO_STATE)),
    ("systemd", "transfiletriggerin", Rule::Ignore("it talks to the running systemd")),
    ("man-db", "transfiletriggerin", Rule::Ignore("its cache is below /var")),
    ("nfs-utils", "post", Rule::Ignore("it changes state below /var")),
    ("microcode_ctl", "post", Rule::Ignore(REBUILT)),
    ("microcode_ctl", "posttrans", Rule::Ignore(REBUILT)),
    ("kernel*", "posttrans", Rule::Ignore("the kernel and its initramfs are placed at commit")),
    (
        "glibc-all-langpacks",
        "posttrans",
        Rule::Replace {
            interpreter: "/bin/sh",
            body: "set -eu\n\
                   if test -f /usr/lib/locale/locale-archive.tmpl; then\n  \
                   mv /usr/lib/locale/locale-archive.tmpl /usr/lib/locale/locale-archive\n\
                   fi\n",
            reason: "Lua that puts the template of the locale archive in place",
        },
    ),
    (
        "glibc-common",
        "post",
        Rule::Replace {
            interpreter: "/bin/sh",
            body: "set -eu\n\
                   if test -x /usr/sbin/build-locale-archive; then\n  \
                   /usr/sbin/build-locale-archive --install-langs all\n\
                   fi\n",
            reason: "Lua around the program that builds the locale archive",
        },
    ),
    (
        "glibc",
        "post",
        Rule::Replace {
            interpreter: "/bin/sh",
            body: "exec /sbin/ldconfig\n",
            reason: "Lua that ends in running ldconfig",
        },
    ),
    (
        "crypto-policies",
        "post",
        Rule::Replace {
            interpreter: "/bin/sh",
            body: "set -eu\n\
                   profile=$(grep -v '^#' /etc/crypto-policies/config 2>/dev/null || echo DEFAULT)\n\
                   source=/usr/share/crypto-policies/$profile\n\
                   target=/etc/crypto-policies/back-ends\n\
                   mkdir -p \"$target\" /etc/crypto-policies/state\n\
                   for file in \"$source\"/*.txt; do\n  \
                   test -e \"$file\" || continue\n  \
                   name=$(basename \"$file\" .txt)\n  \
                   test -e \"$target/$name.config\" || ln -s \"$file\" \"$target/$name.config\"\n\
                   done\n\
                   echo \"$profile\" > /etc/crypto-policies/state/current\n",
            reason: "Lua that links the policy's files into place",
        },
    ),
    (
        "authselect-libs",
        "prein",
        Rule::Replace {
            interpreter: "/bin/sh",
            body: "exit 0\n",
            reason: "Lua that saves files of an earlier installation, which a tree has not",
        },
    ),
];

/// What is done instead of a package's script, by the class's name.
pub(super) fn rule(package: &str, class: &str) -> Option<Rule> {
    let named = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => package.starts_with(start),
        None => package == pattern,
    };
    RULES.iter().find(|row| row.1 == class && named(row.0)).map(|row| row.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_match() {
        for (package, class, expected) in [
            ("kernel-core", "posttrans", true),
            ("kernel", "post", false),
            ("fedora-release-silverblue", "posttrans", true),
            ("bash", "post", true),
            ("bash-completion", "post", false),
        ] {
            assert_eq!(rule(package, class).is_some(), expected, "{package}.{class}");
        }
    }

    #[test]
    fn no_row_is_hidden_by_an_earlier_one_and_each_has_a_reason() {
        for (index, (package, class, what)) in RULES.iter().enumerate() {
            let name = package.trim_end_matches('*');
            assert!(!RULES[..index].iter().any(|row| row.0 == name && row.1 == *class), "{name}");
            let reason = match what {
                Rule::Ignore(reason) | Rule::Replace { reason, .. } => reason,
            };
            assert!(!reason.is_empty(), "{package}.{class}");
        }
    }

    #[test]
    fn replacements_are_valid_shell() {
        for (package, _, what) in RULES {
            if let Rule::Replace { interpreter, body, .. } = what {
                let status =
                    std::process::Command::new(interpreter).args(["-n", "-c", body]).status();
                assert!(status.unwrap().success(), "{package}");
            }
        }
    }
}

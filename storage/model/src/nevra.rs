//! A package's full name: name, epoch, version, release, architecture.

use crate::Evr;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `name-[epoch:]version-release.arch`, ordered by name, then EVR, then architecture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nevra {
    /// The package's name, which may hold `-` and `.`.
    pub name: String,
    /// Its epoch, version and release.
    pub evr: Evr,
    /// Its architecture: `x86_64`, `noarch`, …
    pub arch: String,
}

/// Text that is no `name-[epoch:]version-release.arch`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a full package name (name-[epoch:]version-release.arch)")]
pub struct InvalidNevra(pub String);

impl FromStr for Nevra {
    type Err = InvalidNevra;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidNevra(text.to_owned());
        let (rest, arch) = text.rsplit_once('.').ok_or_else(invalid)?;
        let (rest, release) = rest.rsplit_once('-').ok_or_else(invalid)?;
        let (name, version) = rest.rsplit_once('-').ok_or_else(invalid)?;
        if [name, version, release, arch].iter().any(|part| part.is_empty()) {
            return Err(invalid());
        }
        let evr = Evr::parse(&format!("{version}-{release}"));
        Ok(Self { name: name.to_owned(), evr, arch: arch.to_owned() })
    }
}

impl fmt::Display for Nevra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.name, self.evr, self.arch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_names_with_dashes_and_dots() {
        let nevra: Nevra = "python3.11-minimal-2:3.11.2-6.x86_64".parse().unwrap();
        assert_eq!(nevra.name, "python3.11-minimal");
        assert_eq!(nevra.evr, Evr { epoch: 2, version: "3.11.2".into(), release: "6".into() });
        assert_eq!(nevra.arch, "x86_64");
    }

    #[test]
    fn refuses_what_lacks_a_part() {
        for text in ["", "vim", "vim-9", "vim-9-1", "-9-1.x86_64", "vim--1.x86_64", "vim-9-1."] {
            assert_eq!(text.parse::<Nevra>(), Err(InvalidNevra(text.into())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn print_parses_back(name in "[a-z][a-z0-9.+_-]{0,12}[a-z0-9]", epoch in 0u32..5,
                             version in "[0-9][a-z0-9.~^+_]{0,8}", release in "[0-9][a-z0-9]{0,4}",
                             arch in "x86_64|noarch|aarch64") {
            let nevra = Nevra { name, evr: Evr { epoch, version, release }, arch };
            prop_assert_eq!(nevra.to_string().parse(), Ok(nevra));
        }
    }
}

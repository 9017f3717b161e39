//! The refs of imported packages: `rpmostree/pkg/NAME/EVR.ARCH`, quoted as rpm-ostree quotes them.
//!
//! Source: surface §1.10: bytes outside of `[A-Za-z0-9.-]` become `_HH` in upper-case hex, `_`
//! becomes `__`, an epoch of 0 is not written.

use crate::error::{Error, Result};
use cambium_model::{Evr, Nevra};
use std::fmt::Write;

const PREFIX: &str = "rpmostree/pkg/";

/// The ref under which a package's commit is kept.
#[must_use]
pub fn ref_of_package(nevra: &Nevra) -> String {
    let mut name = PREFIX.to_owned();
    quote(&nevra.name, &mut name);
    name.push('/');
    quote(&format!("{}.{}", nevra.evr, nevra.arch), &mut name);
    name
}

/// The package that a ref names.
///
/// # Errors
/// [`Error::InvalidRef`] for any other ref.
pub fn package_of_ref(name: &str) -> Result<Nevra> {
    let invalid = || Error::InvalidRef(name.to_owned());
    let rest = name.strip_prefix(PREFIX).ok_or_else(invalid)?;
    let (package, version) = rest.split_once('/').ok_or_else(invalid)?;
    let package = unquote(package).filter(|text| !text.is_empty()).ok_or_else(invalid)?;
    let version = unquote(version).ok_or_else(invalid)?;
    let (evr, arch) = version.rsplit_once('.').ok_or_else(invalid)?;
    let evr = Evr::parse(evr);
    if evr.version.is_empty() || evr.release.is_empty() || arch.is_empty() {
        return Err(invalid());
    }
    Ok(Nevra { name: package, evr, arch: arch.to_owned() })
}

fn quote(text: &str, quoted: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' => quoted.push(char::from(byte)),
            b'_' => quoted.push_str("__"),
            // Writing to a String cannot fail.
            _ => drop(write!(quoted, "_{byte:02X}")),
        }
    }
}

fn unquote(quoted: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' => bytes.push(*first),
            b'_' if tail.first() == Some(&b'_') => {
                bytes.push(b'_');
                rest = &tail[1..];
            }
            b'_' => {
                let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
                let upper = digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'A'..=b'F'));
                bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| upper)?);
                rest = &tail[2..];
            }
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refs_are_those_of_rpm_ostree() {
        for (nevra, expected) in [
            ("perl-4:5.16.3-291.el7.x86_64", "rpmostree/pkg/perl/4_3A5.16.3-291.el7.x86__64"),
            ("gcc-c++-12-1.noarch", "rpmostree/pkg/gcc-c_2B_2B/12-1.noarch"),
            ("a_b-1~rc1-1.noarch", "rpmostree/pkg/a__b/1_7Erc1-1.noarch"),
        ] {
            let nevra: Nevra = nevra.parse().unwrap();
            assert_eq!(ref_of_package(&nevra), expected);
            assert_eq!(package_of_ref(expected).unwrap(), nevra);
        }
    }

    #[test]
    fn other_refs_are_refused() {
        for name in [
            "rpmostree/base/0",
            "rpmostree/pkg/a",
            "rpmostree/pkg/a/1-1",
            "rpmostree/pkg//1-1.x",
            "rpmostree/pkg/a/1_-1.x",
            "rpmostree/pkg/a/1_2b-1.x",
            "rpmostree/pkg/a/1+-1.x",
            "rpmostree/pkg/a/1.x",
            "rpmostree/pkg/a/b/1-1.x",
        ] {
            assert!(matches!(package_of_ref(name), Err(Error::InvalidRef(_))), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_package_comes_back_from_its_ref(
            name in "[a-zA-Z0-9][a-zA-Z0-9._+-]{0,12}", epoch in 0u32..9,
            version in "[0-9][a-zA-Z0-9.~^+_]{0,8}", release in "[0-9][a-zA-Z0-9.~^+_]{0,8}",
            arch in "x86_64|noarch|i686",
        ) {
            let nevra = Nevra { name, evr: Evr { epoch, version, release }, arch };
            let quoted = ref_of_package(&nevra);
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            prop_assert!(quoted.chars().all(allowed));
            prop_assert_eq!(package_of_ref(&quoted).unwrap(), nevra);
        }

        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC{0,40}") {
            if let Ok(nevra) = package_of_ref(&format!("rpmostree/pkg/{text}")) {
                let again = package_of_ref(&ref_of_package(&nevra)).unwrap();
                prop_assert_eq!(again, nevra);
            }
        }
    }
}

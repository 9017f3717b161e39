//! Epoch, version and release of a package, ordered as RPM orders them.
//!
//! Source of the order: rpm's `rpmvercmp`, as documented in rpm-version(7): segments of digits or
//! letters, `~` sorts before anything, `^` after the end of a segment but before anything else.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// `[epoch:]version-release`. The epoch that is not written is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evr {
    /// Compared first; 0 where the package has none.
    pub epoch: u32,
    /// Upstream's version; never holds `-`.
    pub version: String,
    /// The packager's release; empty where a dependency names none.
    pub release: String,
}

impl Evr {
    /// Takes an `[epoch:]version[-release]`. Any text is some EVR, as for rpm itself: an epoch
    /// that is no number is read as part of the version.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => match epoch.parse() {
                Ok(epoch) => (epoch, rest),
                Err(_) => (0, text),
            },
            None => (0, text),
        };
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, version: version.to_owned(), release: release.to_owned() }
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(&self.version)?;
        if !self.release.is_empty() {
            write!(f, "-{}", self.release)?;
        }
        Ok(())
    }
}

impl PartialOrd for Evr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Total over the texts as rpm compares them; two spellings that rpm holds equal (`1.0` and
/// `1_0`) are told apart last, by bytes, so that `Ord` agrees with `Eq`.
impl Ord for Evr {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_segments(&self.version, &other.version))
            .then_with(|| compare_segments(&self.release, &other.release))
            .then_with(|| self.version.cmp(&other.version))
            .then_with(|| self.release.cmp(&other.release))
    }
}

/// One of rpm's `rpmvercmp`: versions or releases, without epoch.
fn compare_segments(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left.as_bytes(), right.as_bytes());
    loop {
        a = skip_separators(a);
        b = skip_separators(b);
        match (a.first() == Some(&b'~'), b.first() == Some(&b'~')) {
            (true, true) => {
                (a, b) = (&a[1..], &b[1..]);
                continue;
            }
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        match (a.first() == Some(&b'^'), b.first() == Some(&b'^')) {
            (true, true) => {
                (a, b) = (&a[1..], &b[1..]);
                continue;
            }
            (true, false) => return if b.is_empty() { Ordering::Greater } else { Ordering::Less },
            (false, true) => return if a.is_empty() { Ordering::Less } else { Ordering::Greater },
            (false, false) => {}
        }
        if a.is_empty() || b.is_empty() {
            return a.len().min(1).cmp(&b.len().min(1));
        }
        let numeric = a[0].is_ascii_digit();
        let class: fn(&u8) -> bool =
            if numeric { u8::is_ascii_digit } else { u8::is_ascii_alphabetic };
        let (x, a_rest) = split_while(a, class);
        let (y, b_rest) = split_while(b, class);
        if y.is_empty() {
            // A number beats letters, whichever side it is on.
            return if numeric { Ordering::Greater } else { Ordering::Less };
        }
        let order = if numeric {
            let (x, y) = (strip_zeros(x), strip_zeros(y));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            x.cmp(y)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|c| c.is_ascii_alphanumeric() || matches!(c, b'~' | b'^'))
        .unwrap_or(text.len());
    &text[start..]
}

fn split_while(text: &[u8], class: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|c| !class(c)).unwrap_or(text.len()))
}

fn strip_zeros(digits: &[u8]) -> &[u8] {
    let start = digits.iter().position(|c| *c != b'0').unwrap_or(digits.len());
    &digits[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn orders_as_rpm_orders() {
        // (left, right, order), the cases of rpm's own rpmvercmp.at by kind.
        for (left, right, order) in [
            ("1.0", "1.0", Ordering::Equal),
            ("1.0", "2.0", Ordering::Less),
            ("2.0.1", "2.0", Ordering::Greater),
            ("2.0.1a", "2.0.1", Ordering::Greater),
            ("5.5p1", "5.5p10", Ordering::Less),
            ("10xyz", "10.1xyz", Ordering::Less),
            ("xyz10", "xyz10.1", Ordering::Less),
            ("xyz.4", "8", Ordering::Less),
            ("5.5p2", "5.6p1", Ordering::Less),
            ("6.0.rc1", "6.0", Ordering::Greater),
            ("10b2", "10a1", Ordering::Greater),
            ("7.4.052", "7.4.52", Ordering::Equal),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0~rc1", "1.0~rc2", Ordering::Less),
            ("1.0~rc1~git123", "1.0~rc1", Ordering::Less),
            ("1.0^", "1.0", Ordering::Greater),
            ("1.0^git1", "1.0^git2", Ordering::Less),
            ("1.0^git1", "1.01", Ordering::Less),
            ("1.0^20160101", "1.0.1", Ordering::Less),
            ("1.0~rc1^git1", "1.0~rc1", Ordering::Greater),
            ("1.0^git1~pre", "1.0^git1", Ordering::Less),
        ] {
            assert_eq!(compare_segments(left, right), order, "{left} {right}");
            assert_eq!(compare_segments(right, left), order.reverse(), "{right} {left}");
        }
    }

    #[test]
    fn epoch_beats_version() {
        assert!(Evr::parse("1:0.1-1") > Evr::parse("9.9-9"));
    }

    proptest! {
        #[test]
        fn print_parses_back(epoch in 0u32..9, version in "[a-z0-9.~^+_]{1,12}", release in "[a-z0-9.]{1,8}") {
            let evr = Evr { epoch, version, release };
            prop_assert_eq!(Evr::parse(&evr.to_string()), evr);
        }

        #[test]
        fn order_is_total(a in "[a-z0-9.~^-]{0,10}", b in "[a-z0-9.~^-]{0,10}", c in "[a-z0-9.~^-]{0,10}") {
            let (a, b, c) = (Evr::parse(&a), Evr::parse(&b), Evr::parse(&c));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }
    }
}

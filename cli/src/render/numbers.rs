//! Bytes, times and durations for people.

use jiff::Timestamp;

/// Bytes in decimal units with one digit, as GLib's `g_format_size` prints them.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") };
    }
    // Tenths of the unit, rounded; one more unit where rounding reaches a thousand.
    let (mut unit, mut scale) = (0, 1000_u64);
    while unit + 1 < UNITS.len()
        && (u128::from(count) * 10 + u128::from(scale) / 2) / u128::from(scale) >= 10_000
    {
        unit += 1;
        scale *= 1000;
    }
    let tenths = (u128::from(count) * 10 + u128::from(scale) / 2) / u128::from(scale);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Seconds since 1970 as `2023-04-20T00:42:41Z`.
#[must_use]
pub fn time(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| format!("@{seconds}"), |time| time.to_string())
}

/// Milliseconds as `0.4 s`, `12.3 s` or `2 min 5 s`.
#[must_use]
pub fn duration(milliseconds: u64) -> String {
    let tenths = (milliseconds + 50) / 100;
    if tenths < 600 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    format!("{} min {} s", tenths / 600, tenths % 600 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_glib_prints_them() {
        for (count, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (1250, "1.3 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (28_600_000, "28.6 MB"),
            (5_000_000_000_000, "5.0 TB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
        assert!(bytes(u64::MAX).ends_with(" PB"));
    }

    #[test]
    fn times_are_utc_in_seconds() {
        assert_eq!(time(1_681_951_361), "2023-04-20T00:42:41Z");
        assert_eq!(time(u64::MAX), format!("@{}", u64::MAX));
    }

    #[test]
    fn durations_grow_coarser() {
        for (milliseconds, text) in
            [(0, "0.0 s"), (440, "0.4 s"), (59_940, "59.9 s"), (125_000, "2 min 5 s")]
        {
            assert_eq!(duration(milliseconds), text);
        }
    }
}

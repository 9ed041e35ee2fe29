//! Durations and times as people write and read them: `900s`, `15m`, `1h`.

use std::time::Duration;

/// Reads `90`, `90s`, `1.5m`, `2h`, `1d`; a number alone counts seconds.
///
/// # Errors
/// One sentence that shows the forms.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let refuse = || format!("{text:?} is not a duration; write 20s, 15m, 1h or 1d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds_per_unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(refuse()),
    };
    let number: f64 = digits.parse().map_err(|_| refuse())?;
    Duration::try_from_secs_f64(number * seconds_per_unit).map_err(|_| refuse())
}

/// `850 ms`, `12.3 s`, `3 min 05 s`.
pub(super) fn milliseconds(duration_ms: i64) -> String {
    match duration_ms {
        ..1_000 => format!("{duration_ms} ms"),
        1_000..60_000 => format!("{}.{} s", duration_ms / 1_000, duration_ms % 1_000 / 100),
        _ => format!("{} min {:02} s", duration_ms / 60_000, duration_ms % 60_000 / 1_000),
    }
}

/// `2026-11-24 10:02:31 UTC`.
pub(crate) fn moment(at_us: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp(at_us.div_euclid(1_000_000)) {
        Ok(at) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        ),
        Err(_) => format!("{at_us} µs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit_and_nonsense_is_not() {
        let cases = [
            ("20", 20.0),
            ("20s", 20.0),
            ("1.5m", 90.0),
            ("15m", 900.0),
            ("1h", 3_600.0),
            ("1d", 86_400.0),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["", "s", "-5s", "5 parsecs", "NaN", "1e400s", "inf", "5mm"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_told_in_the_unit_that_fits() {
        let cases = [
            (7, "7 ms"),
            (1_000, "1.0 s"),
            (59_960, "59.9 s"),
            (185_000, "3 min 05 s"),
        ];
        for (duration_ms, text) in cases {
            assert_eq!(milliseconds(duration_ms), text);
        }
        assert_eq!(moment(1_795_514_551_000_000), "2026-11-24 10:02:31 UTC");
    }
}

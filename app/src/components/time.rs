//! Times for people: how long ago, how much is left, and when exactly.

use leptos::prelude::*;

use crate::components::{live, view};
use crate::language::{t, use_i18n};

const SECOND_US: i64 = 1_000_000;
const DAY_S: i64 = 86_400;

/// How long ago something was; the exact time on hover and for programs.
#[component]
pub(crate) fn Ago(at_us: i64, now: Signal<i64>) -> impl IntoView {
    let i18n = use_i18n();
    let text = move || match Since::between(at_us, now.get()) {
        Since::Now => t!(i18n, time.now),
        Since::Seconds(n) => t!(i18n, time.s, n = n),
        Since::Minutes(n) => t!(i18n, time.min, n = n),
        Since::Hours(n) => t!(i18n, time.h, n = n),
        Since::Days(n) => t!(i18n, time.d, n = n),
    };
    view! { <time datetime=rfc3339(at_us) title=utc(at_us)>{live(text)}</time> }
}

#[derive(Debug, PartialEq, Eq)]
enum Since {
    Now,
    Seconds(i64),
    Minutes(i64),
    Hours(i64),
    Days(i64),
}

impl Since {
    fn between(at_us: i64, now_us: i64) -> Self {
        match now_us.saturating_sub(at_us) / SECOND_US {
            ..5 => Self::Now,
            s @ 5..60 => Self::Seconds(s),
            s @ 60..3_600 => Self::Minutes(s / 60),
            s @ 3_600..DAY_S => Self::Hours(s / 3_600),
            s => Self::Days(s / DAY_S),
        }
    }
}

/// A duration as a clock shows it: `41:20`, `1:05:09`, `2 d 03:00`.
pub(crate) fn clock(duration_us: i64) -> String {
    let s = duration_us.max(0) / SECOND_US;
    let (d, h, m, s) = (s / DAY_S, s % DAY_S / 3_600, s % 3_600 / 60, s % 60);
    match (d, h) {
        (0, 0) => format!("{m:02}:{s:02}"),
        (0, h) => format!("{h}:{m:02}:{s:02}"),
        (d, h) => format!("{d} d {h:02}:{m:02}"),
    }
}

/// A duration in figures and units: `4.2 s`, `3 min 05 s`.
pub(crate) fn duration(duration_us: i64) -> String {
    let tenths = duration_us.max(0) / (SECOND_US / 10);
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        format!("{} min {:02} s", tenths / 600, tenths / 10 % 60)
    }
}

/// `2026-02-17 08:05 UTC`.
pub(crate) fn utc(at_us: i64) -> String {
    let (year, month, day, s) = civil(at_us);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", s / 3_600, s % 3_600 / 60)
}

/// `2026-02-17T08:05:09Z`.
pub(crate) fn rfc3339(at_us: i64) -> String {
    let (year, month, day, s) = civil(at_us);
    let (h, m, s) = (s / 3_600, s % 3_600 / 60, s % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}

/// Year, month, day and second of the day in the proleptic Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html>, `civil_from_days`).
fn civil(at_us: i64) -> (i64, i64, i64, i64) {
    let s = at_us.div_euclid(SECOND_US);
    let z = s.div_euclid(DAY_S) + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day, s.rem_euclid(DAY_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_days_are_right() {
        // Reference: GNU date -u -d @… '+%F %T'.
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_771_315_509, "2026-02-17T08:05:09Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ];
        for (at_s, expected) in cases {
            assert_eq!(rfc3339(at_s * SECOND_US), expected);
        }
        assert_eq!(utc(1_771_315_509 * SECOND_US), "2026-02-17 08:05 UTC");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(clock(2_480 * SECOND_US), "41:20");
        assert_eq!(clock(3_909 * SECOND_US), "1:05:09");
        assert_eq!(clock(183_600 * SECOND_US), "2 d 03:00");
        assert_eq!(clock(-1), "00:00");
        assert_eq!(duration(4_250_000), "4.2 s");
        assert_eq!(duration(185_000_000), "3 min 05 s");
        assert_eq!(Since::between(0, 4 * SECOND_US), Since::Now);
        assert_eq!(Since::between(0, 59 * SECOND_US), Since::Seconds(59));
        assert_eq!(Since::between(0, 7_199 * SECOND_US), Since::Hours(1));
        assert_eq!(Since::between(10, 0), Since::Now, "clocks differ a little");
    }
}

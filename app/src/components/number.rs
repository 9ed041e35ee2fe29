//! Numbers for people. Bounds are rounded away from what they would excuse.

/// A share in percent with one decimal, without its sign: `63.3`.
pub(crate) fn percent(share: f64) -> String {
    trimmed(format!("{:.1}", share * 100.0))
}

/// An upper bound in percent: never smaller than it is.
pub(crate) fn percent_up(share: f64) -> String {
    trimmed(format!("{:.1}", (share * 1000.0 - 1e-9).ceil() / 10.0))
}

/// A lower bound in percent: never larger than it is.
pub(crate) fn percent_down(share: f64) -> String {
    trimmed(format!("{:.1}", (share * 1000.0 + 1e-9).floor() / 10.0))
}

/// `part` of `whole` as a share; none of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// `7.2 kB`, as file managers count.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["B", "kB", "MB", "GB"];
    #[expect(clippy::cast_precision_loss, reason = "rounded to two digits anyway")]
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 { 0 } else { 1 };
    format!("{value:.digits$} {}", UNITS[unit])
}

fn trimmed(text: String) -> String {
    text.strip_suffix(".0").map(ToOwned::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_never_flattering() {
        assert_eq!(
            (percent(0.633_3), percent(1.0), percent(0.0)),
            ("63.3".into(), "100".into(), "0".into())
        );
        assert_eq!(percent_up(0.050_01), "5.1");
        assert_eq!(percent_up(0.05), "5");
        assert_eq!(percent_down(0.962_99), "96.2");
        assert_eq!(share(1, 0), None);
    }

    #[test]
    fn sizes_read_as_a_file_manager_says_them() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(7_172), "7.2 kB");
        assert_eq!(bytes(999_960), "1.0 MB");
        assert_eq!(bytes(123_400_000), "123 MB");
    }
}

//! Numbers as sentences have them.

/// A share in percent, never smaller than it is; with as many decimals as tell it from the limit.
pub(super) fn up(share: f64, limit: f64) -> String {
    told_apart(share, limit, |scaled| (scaled - 1e-9).ceil())
}

/// A share in percent, never larger than it is; with as many decimals as tell it from the limit.
pub(super) fn down(share: f64, limit: f64) -> String {
    told_apart(share, limit, |scaled| (scaled + 1e-9).floor())
}

fn told_apart(share: f64, limit: f64, round: impl Fn(f64) -> f64) -> String {
    let mut text = String::new();
    for decimals in 1..=4 {
        let scale = 10_f64.powi(decimals);
        text = percent(round(share * 100.0 * scale).max(0.0) / scale);
        if share.total_cmp(&limit).is_eq() || text != exact(limit) {
            break;
        }
    }
    text
}

/// A limit as the policy has it.
pub(super) fn exact(share: f64) -> String {
    percent(share * 100.0)
}

fn percent(hundredths: f64) -> String {
    format!("{} %", plain(hundredths))
}

/// At most four decimals, none that is not needed.
pub(super) fn plain(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share in percentage points, to a hundredth.
pub(super) fn points(share: f64) -> String {
    plain((share * 10_000.0).round() / 100.0)
}

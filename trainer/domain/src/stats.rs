//! Exact one-sided bounds on a proportion.
//!
//! Clopper, Pearson (1934), <https://doi.org/10.1093/biomet/26.4.404>; the regularised incomplete beta function is
//! statrs', its inverse is found by bisection to the last bits of an f64, so that the bound never depends on an
//! approximation's start value.

use statrs::function::beta::beta_reg;

/// The p with `I_p(a, b) = q`, for `a, b > 0` and `0 < q < 1`.
fn beta_inv(q: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // 200 halvings would pass the smallest f64; the interval stops shrinking long before.
    for _ in 0..200 {
        let mid = f64::midpoint(low, high);
        if mid <= low || mid >= high {
            break;
        }
        if beta_reg(a, b, mid) < q {
            low = mid;
        } else {
            high = mid;
        }
    }
    f64::midpoint(low, high)
}

#[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
const fn real(count: u64) -> f64 {
    count as f64
}

/// Upper bound U = BetaInv(1−α; x+1, n−x) on the proportion behind `x` of `n`, at confidence 1−α; 1 where x = n.
#[must_use]
pub fn upper_bound(x: u64, n: u64, alpha: f64) -> f64 {
    if x >= n {
        1.0
    } else {
        beta_inv(1.0 - alpha, real(x) + 1.0, real(n - x))
    }
}

/// Lower bound L = BetaInv(α; x, n−x+1) on the proportion behind `x` of `n`, at confidence 1−α; 0 where x = 0.
#[must_use]
pub fn lower_bound(x: u64, n: u64, alpha: f64) -> f64 {
    if x == 0 || n == 0 {
        0.0
    } else {
        beta_inv(alpha, real(x), real(n.saturating_sub(x)) + 1.0)
    }
}

/// McNemar's exact two-sided p for `gained` pairs right only afterwards and `lost` pairs right only before: twice the
/// binomial tail of the smaller one at ½, at most 1 (McNemar 1947, <https://doi.org/10.1007/BF02295996>; exact form as
/// statsmodels' `mcnemar(exact=True)`). 1 where nothing changed.
#[must_use]
pub fn mcnemar_exact(gained: u64, lost: u64) -> f64 {
    let (less, n) = (gained.min(lost), gained + lost);
    // Where both are equal the tails meet.
    if less * 2 == n {
        return 1.0;
    }
    // Weights relative to the middle's, downwards, each from the one before: nothing cancels, and it takes some √n steps. A
    // continued fraction of the beta function is not at its end there after 140 terms, which is where statrs gives up.
    let (mut weight, mut half, mut tail) = (1.0, 0.0, 0.0);
    for k in (0..=n / 2).rev() {
        half += weight;
        if k <= less {
            tail += weight;
        }
        weight *= real(k) / real(n - k + 1);
        if weight <= tail * 1e-17 {
            break;
        }
    }
    // The upper half is the lower one's mirror; of an even n the middle belongs to both.
    let all = if n % 2 == 0 { 2.0 * half - 1.0 } else { 2.0 * half };
    (2.0 * tail / all).min(1.0)
}

/// The smallest n at which x = 0 passes `upper_bound ≤ limit`: ⌈ln α / ln(1 − limit)⌉.
#[must_use]
pub fn least_n(limit: f64, alpha: f64) -> u64 {
    let ratio = alpha.ln() / (1.0 - limit).ln();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and small for real limits"
    )]
    let n = ratio.ceil().clamp(1.0, 1e15) as u64;
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_equal_scipy() {
        // scipy 1.17: beta.ppf(1 - a, x + 1, n - x), then beta.ppf(a, x, n - x + 1).
        let upper = [
            (0, 44, 0.01, 0.099_371_979_788_721_48),
            (2, 93, 0.01, 0.087_329_306_754_864_85),
            (0, 51, 0.01, 0.086_340_627_360_822_63),
        ];
        for (x, n, alpha, expected) in upper {
            let got = upper_bound(x, n, alpha);
            assert!(
                (got - expected).abs() < 1e-12,
                "upper_bound({x}, {n}, {alpha}) = {got}, scipy {expected}"
            );
        }
        let lower = [
            (60, 60, 0.01, 0.926_118_728_128_793_5),
            (3, 10, 0.005, 0.037_007_221_096_232_09),
            (51, 52, 0.00625, 0.869_905_736_347_357_5),
        ];
        for (x, n, alpha, expected) in lower {
            let got = lower_bound(x, n, alpha);
            assert!(
                (got - expected).abs() < 1e-12,
                "lower_bound({x}, {n}, {alpha}) = {got}, scipy {expected}"
            );
        }
    }

    #[test]
    fn bounds_invert_the_binomial() {
        // Independent of any table: at p = U the chance of x or fewer is α, at p = L the chance of x or more is α.
        let tail = |lo: u64, hi: u64, n: u64, p: f64| -> f64 {
            (lo..=hi)
                .map(|k| {
                    let choose: f64 = (0..k).map(|i| (real(n - i) / real(k - i)).ln()).sum();
                    (choose + real(k) * p.ln() + real(n - k) * (1.0 - p).ln()).exp()
                })
                .sum()
        };
        for n in [1, 2, 7, 44, 93, 500] {
            for x in [0, 1, 2, n / 3, n - 1].into_iter().filter(|x| *x <= n) {
                for alpha in [0.05, 0.01, 0.005, 0.05 / 80.0] {
                    if x < n {
                        let upper = upper_bound(x, n, alpha);
                        assert!((tail(0, x, n, upper) - alpha).abs() < 1e-10, "U {x} {n} {alpha}");
                    }
                    if x > 0 {
                        let lower = lower_bound(x, n, alpha);
                        assert!((tail(x, n, n, lower) - alpha).abs() < 1e-10, "L {x} {n} {alpha}");
                    }
                }
            }
        }
    }

    #[test]
    fn mcnemar_equals_scipy() {
        // scipy 1.17: min(1, 2 · binom.cdf(min(b, c), b + c, 0.5)).
        let cases = [
            (0, 0, 1.0),
            (1, 0, 1.0),
            (5, 5, 1.0),
            (0, 5, 0.0625),
            (3, 10, 0.092_285_156_25),
            (12, 7, 0.359_283_447_265_625),
            (40, 60, 0.056_887_933_640_980_89),
            (0, 30, 1.862_645_149_230_957e-9),
            (500, 420, 0.009_162_763_875_231_32),
            (499_990, 500_010, 0.984_841_106_673_025_4),
            (300_000, 310_000, 1.583_634_622_371_097_5e-37),
        ];
        for (gained, lost, expected) in cases {
            for got in [mcnemar_exact(gained, lost), mcnemar_exact(lost, gained)] {
                assert!(
                    (got - expected).abs() <= 1e-9 * expected,
                    "mcnemar_exact({gained}, {lost}) = {got}"
                );
            }
        }
    }

    #[test]
    fn the_ends_are_exact_and_the_least_n_is_least() {
        assert_eq!((upper_bound(3, 3, 0.05), lower_bound(0, 3, 0.05)), (1.0, 0.0));
        assert_eq!((upper_bound(0, 0, 0.05), lower_bound(0, 0, 0.05)), (1.0, 0.0));
        for (limit, alpha, n) in [(0.10, 0.01, 44), (0.005, 0.005, 1058)] {
            assert_eq!(least_n(limit, alpha), n);
            assert!(upper_bound(0, n, alpha) <= limit && upper_bound(0, n - 1, alpha) > limit);
        }
    }
}

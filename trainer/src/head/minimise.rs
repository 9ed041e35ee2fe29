//! L-BFGS to a gradient norm.
//!
//! Written out here because a fit must be able to stop between any two iterations with what it has, must end by the norm of
//! the gradient and nothing else, and must get through the last steps, where rounding hides whether the value still falls
//! while the slope along a step is still known well: there the slope decides (Hager, Zhang 2005,
//! <https://doi.org/10.1137/030601880>, §4). Where f32 does not suffice it goes on in f64.
//!
//! Liu, Nocedal (1989), <https://doi.org/10.1007/BF01589116>.

use std::collections::VecDeque;

use crate::head::HeadError;
use crate::head::passes::Precision;
use crate::head::precondition::Preconditioner;

/// A point in, the value and the gradient there out.
pub(super) type Objective<'a> = dyn Fn(&[f64], Precision) -> Result<(f64, Vec<f64>), HeadError> + 'a;

/// The inverse curvature at a point, where it pays to know it.
pub(super) type Curvature<'a> = dyn Fn(&[f64]) -> Option<Preconditioner> + 'a;

/// Where a minimisation ended.
#[derive(Clone, Debug)]
pub(super) struct Minimum {
    pub(super) point: Vec<f64>,
    pub(super) value: f64,
    pub(super) gradient_norm: f64,
    pub(super) n_iterations: u64,
    /// The gradient norm was reached.
    pub(super) converged: bool,
}

const HISTORY: usize = 10;
/// Steps after which the curvature is looked at anew.
const REFRESH: u64 = 12;
/// Far beyond what these problems take; only a fault reaches it.
const MAX_ITERATIONS: u64 = 2_000;
/// Share of the slope's promise that a step has to keep (Armijo), and of the slope that may be left (Wolfe).
const FALL: f64 = 1e-4;
const LEFT: f64 = 0.9;

/// Goes down from `start`, steps bent by `curvature`, until the gradient's norm is at most `gradient_norm`, or `keep_going`
/// says no. Begins in `precision`.
///
/// # Errors
/// The objective failed, or was not finite at `start`.
pub(super) fn minimise(
    objective: &Objective<'_>,
    curvature: &Curvature<'_>,
    start: Vec<f64>,
    gradient_norm: f64,
    mut precision: Precision,
    keep_going: &dyn Fn() -> bool,
) -> Result<Minimum, HeadError> {
    let mut best = Point::at(objective, start, precision)?;
    if !best.value.is_finite() {
        return Err(HeadError::NotFinite);
    }
    let mut pairs = Pairs::default();
    let mut n_iterations = 0;
    let mut bent = None;
    while norm(&best.gradient) > gradient_norm && n_iterations < MAX_ITERATIONS && keep_going() {
        if n_iterations % REFRESH == 0 {
            bent = curvature(&best.point);
        }
        let direction = pairs.direction(&best.gradient, bent.as_ref());
        n_iterations += 1;
        if let Some(next) = step(objective, &best, &direction, precision)? {
            pairs.push(&best, &next);
            best = next;
        } else if !pairs.0.is_empty() {
            pairs.0.clear();
        } else if precision == Precision::Single {
            precision = Precision::Double;
            best = Point::at(objective, best.point, precision)?;
        } else if bent.take().is_some() {
            // What was looked at no longer says which way is down.
        } else {
            // Rounding lets nothing better be found.
            break;
        }
    }
    let reached = norm(&best.gradient);
    Ok(Minimum {
        converged: reached <= gradient_norm,
        gradient_norm: reached,
        point: best.point,
        value: best.value,
        n_iterations,
    })
}

struct Point {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

impl Point {
    fn at(objective: &Objective<'_>, point: Vec<f64>, precision: Precision) -> Result<Self, HeadError> {
        let (value, gradient) = objective(&point, precision)?;
        Ok(Self { point, value, gradient })
    }
}

/// How gradients changed along the last steps.
#[derive(Default)]
struct Pairs(VecDeque<Pair>);

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// Of the two with one another; above 0.
    product: f64,
}

impl Pairs {
    fn push(&mut self, from: &Point, to: &Point) {
        let step = minus(&to.point, &from.point);
        let change = minus(&to.gradient, &from.gradient);
        let product = dot(&step, &change);
        if product <= 0.0 {
            return;
        }
        if self.0.len() == HISTORY {
            self.0.pop_front();
        }
        self.0.push_back(Pair { step, change, product });
    }

    /// Where to go from a point with this gradient: the two loops of Liu and Nocedal.
    fn direction(&self, gradient: &[f64], bent: Option<&Preconditioner>) -> Vec<f64> {
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut shares = Vec::with_capacity(self.0.len());
        for pair in self.0.iter().rev() {
            let share = dot(&pair.step, &direction) / pair.product;
            add(&mut direction, -share, &pair.change);
            shares.push(share);
        }
        if let Some(bent) = bent {
            bent.solve(&mut direction);
        } else {
            // Without a past, a step of length one at most.
            let scale = self.0.back().map_or_else(
                || 1.0 / norm(gradient).max(1.0),
                |pair| pair.product / dot(&pair.change, &pair.change),
            );
            for d in &mut direction {
                *d *= scale;
            }
        }
        for (pair, share) in self.0.iter().zip(shares.into_iter().rev()) {
            let back = dot(&pair.change, &direction) / pair.product;
            add(&mut direction, share - back, &pair.step);
        }
        direction
    }
}

/// A point along `direction` that fulfils the Wolfe conditions; none where rounding hides them all.
fn step(
    objective: &Objective<'_>,
    from: &Point,
    direction: &[f64],
    precision: Precision,
) -> Result<Option<Point>, HeadError> {
    const TRIES: u32 = 30;
    let slope = dot(&from.gradient, direction);
    if slope >= 0.0 || !slope.is_finite() {
        return Ok(None);
    }
    // Below this a change of the value says nothing.
    let noise = match precision {
        Precision::Single => 1e-9,
        Precision::Double => 1e-15,
    } * (1.0 + from.value.abs());
    let (mut low, mut high) = ((0.0, slope), None::<(f64, f64)>);
    let mut length = 1.0;
    for _ in 0..TRIES {
        let mut point = from.point.clone();
        add(&mut point, length, direction);
        let to = Point::at(objective, point, precision)?;
        let left = dot(&to.gradient, direction);
        let falls = to.value <= from.value + FALL * length * slope
            || (to.value <= from.value + noise && left <= (2.0 * FALL - 1.0) * slope);
        if falls && left.abs() <= LEFT * slope.abs() {
            return Ok(Some(to));
        }
        if falls && left < 0.0 {
            low = (length, left);
        } else {
            high = Some((length, left));
        }
        length = between(low, high);
    }
    Ok(None)
}

/// The next length to try: where the slope would be zero if it changed evenly, well inside of what is known.
fn between(low: (f64, f64), high: Option<(f64, f64)>) -> f64 {
    let Some(high) = high else { return 4.0 * low.0 };
    let width = high.0 - low.0;
    let even = low.0 - low.1 * width / (high.1 - low.1);
    if high.1 > 0.0 && even.is_finite() {
        even.clamp(low.0 + 0.1 * width, high.0 - 0.1 * width)
    } else {
        low.0 + 0.5 * width
    }
}

fn norm(gradient: &[f64]) -> f64 {
    dot(gradient, gradient).sqrt()
}

/// In lanes, so that a machine can add several at once.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn add(total: &mut [f64], times: f64, more: &[f64]) {
    for (sum, value) in total.iter_mut().zip(more) {
        *sum += times * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rosenbrock(p: &[f64], _: Precision) -> Result<(f64, Vec<f64>), HeadError> {
        let (a, b) = (1.0 - p[0], p[1] - p[0] * p[0]);
        Ok((a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * p[0] * b, 200.0 * b]))
    }

    #[test]
    fn ends_by_the_gradient_and_at_the_minimum() {
        let minimum = minimise(
            &rosenbrock,
            &|_| None,
            vec![-1.2, 1.0],
            1e-9,
            Precision::Double,
            &|| true,
        )
        .unwrap();
        assert!(minimum.converged && minimum.gradient_norm <= 1e-9, "{minimum:?}");
        assert!(minimum.point.iter().all(|x| (x - 1.0).abs() < 1e-7), "{minimum:?}");
    }

    #[test]
    fn survives_a_norm_that_rounding_forbids() {
        // The value bottoms out at 1e6, where a change below 1e-10 cannot be seen.
        let shifted = |p: &[f64], precision| rosenbrock(p, precision).map(|(value, gradient)| (value + 1e6, gradient));
        let minimum = minimise(&shifted, &|_| None, vec![-1.2, 1.0], 0.0, Precision::Single, &|| true).unwrap();
        assert!(
            minimum.n_iterations < MAX_ITERATIONS && minimum.gradient_norm < 1e-2,
            "{minimum:?}"
        );
    }

    #[test]
    fn stops_when_told_with_the_best_so_far() {
        let left = std::cell::Cell::new(5);
        let keep_going = || {
            left.set(left.get() - 1);
            left.get() >= 0
        };
        let minimum = minimise(
            &rosenbrock,
            &|_| None,
            vec![-1.2, 1.0],
            1e-9,
            Precision::Double,
            &keep_going,
        )
        .unwrap();
        assert_eq!(minimum.n_iterations, 5);
        assert!(!minimum.converged && minimum.value < 24.2, "{minimum:?}");
    }

    #[test]
    fn an_objective_that_fails_is_heard() {
        let fails = |p: &[f64], precision| {
            if p[0] == -1.2 {
                rosenbrock(p, precision)
            } else {
                Err(HeadError::NotFinite)
            }
        };
        let error = minimise(&fails, &|_| None, vec![-1.2, 1.0], 1e-9, Precision::Double, &|| true).unwrap_err();
        assert!(matches!(error, HeadError::NotFinite), "{error}");
    }
}

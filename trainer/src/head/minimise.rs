//! L-BFGS to a gradient norm: argmin's solver, driven one iteration at a time.
//!
//! Driven by hand because a fit must be able to stop between any two iterations with what it has, must end by the norm of
//! the gradient and nothing else, and must survive a line search that fails on rounding close to the minimum.
//!
//! Liu, Nocedal (1989), <https://doi.org/10.1007/BF01589116>; line search by Moré, Thuente (1994),
//! <https://doi.org/10.1145/192115.192132>.

use std::cell::RefCell;

use argmin::core::{CostFunction, Gradient, IterState, Problem, Solver, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;

use crate::head::HeadError;

/// A point in, the value and the gradient there out.
pub(super) type Objective<'a> = dyn Fn(&[f64]) -> Result<(f64, Vec<f64>), HeadError> + 'a;

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
/// Far beyond what these problems take; only a fault reaches it.
const MAX_ITERATIONS: u64 = 2_000;

type Vector = Vec<f64>;
type Iterate = IterState<Vector, Vector, (), (), (), f64>;
type Search = MoreThuenteLineSearch<Vector, Vector, f64>;

/// Goes down from `start` until the gradient's norm is at most `gradient_norm`, or `keep_going` says no.
///
/// # Errors
/// The objective failed, or was not finite at `start`.
pub(super) fn minimise(
    objective: &Objective<'_>,
    start: Vec<f64>,
    gradient_norm: f64,
    keep_going: &dyn Fn() -> bool,
) -> Result<Minimum, HeadError> {
    let (value, gradient) = objective(&start)?;
    if !value.is_finite() {
        return Err(HeadError::NotFinite);
    }
    // Kept out here: a line search that fails takes the problem with it.
    let heard = RefCell::new(None);
    let memo = || Memo {
        objective,
        last: RefCell::new(None),
        error: &heard,
    };
    let mut problem = Problem::new(memo());
    let mut solver = solver();
    let mut best = Point {
        point: start,
        value,
        gradient,
    };
    let mut state: Iterate = best.state();
    let mut n_iterations = 0;
    // Set after a failure: a second one from the same point means that rounding lets nothing better be found.
    let mut fresh = true;
    while norm(&best.gradient) > gradient_norm && n_iterations < MAX_ITERATIONS && keep_going() {
        let step = solver.next_iter(&mut problem, state);
        if let Some(error) = heard.take() {
            return Err(error);
        }
        let (mut next, _) = step.map_err(|error| HeadError::Optimiser(error.to_string()))?;
        n_iterations += 1;
        let ended = next.terminated();
        let found = (!ended).then(|| Point::of(&mut next)).flatten();
        match found {
            Some(found) if found.value.is_finite() && found.value < best.value => {
                best = found;
                fresh = false;
                next.increment_iter();
                state = next
                    .param(best.point.clone())
                    .gradient(best.gradient.clone())
                    .cost(best.value);
            }
            // Rounding may hide a fall of the value while the gradient still shrinks.
            Some(found) if norm(&found.gradient) < 0.5 * norm(&best.gradient) && found.value <= best.value + 1e-12 => {
                best = found;
                fresh = false;
                next.increment_iter();
                state = next
                    .param(best.point.clone())
                    .gradient(best.gradient.clone())
                    .cost(best.value);
            }
            _ if fresh => break,
            _ => {
                fresh = true;
                solver = self::solver();
                problem = Problem::new(memo());
                state = best.state();
            }
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

fn solver() -> LBFGS<Search, Vector, Vector, f64> {
    LBFGS::new(MoreThuenteLineSearch::new(), HISTORY)
}

struct Point {
    point: Vector,
    value: f64,
    gradient: Vector,
}

impl Point {
    fn of(state: &mut Iterate) -> Option<Self> {
        let value = state.get_cost();
        Some(Self {
            point: state.take_param()?,
            gradient: state.take_gradient()?,
            value,
        })
    }

    fn state(&self) -> Iterate {
        Iterate::new()
            .param(self.point.clone())
            .gradient(self.gradient.clone())
            .cost(self.value)
    }
}

fn norm(gradient: &[f64]) -> f64 {
    gradient.iter().map(|g| g * g).sum::<f64>().sqrt()
}

/// Value and gradient come from one pass over the data, and argmin asks for them one at a time.
struct Memo<'a> {
    objective: &'a Objective<'a>,
    last: RefCell<Option<(Vector, f64, Vector)>>,
    error: &'a RefCell<Option<HeadError>>,
}

impl Memo<'_> {
    fn at<T>(&self, point: &[f64], read: impl Fn(f64, &[f64]) -> T) -> Result<T, argmin::core::Error> {
        let mut last = self.last.borrow_mut();
        if let Some((at, value, gradient)) = &*last
            && at == point
        {
            return Ok(read(*value, gradient));
        }
        match (self.objective)(point) {
            Ok((value, gradient)) => {
                let answer = read(value, &gradient);
                *last = Some((point.to_vec(), value, gradient));
                Ok(answer)
            }
            Err(error) => {
                let message = error.to_string();
                self.error.replace(Some(error));
                Err(argmin::core::Error::msg(message))
            }
        }
    }
}

impl CostFunction for Memo<'_> {
    type Param = Vector;
    type Output = f64;

    fn cost(&self, point: &Vector) -> Result<f64, argmin::core::Error> {
        self.at(point, |value, _| value)
    }
}

impl Gradient for Memo<'_> {
    type Param = Vector;
    type Gradient = Vector;

    fn gradient(&self, point: &Vector) -> Result<Vector, argmin::core::Error> {
        self.at(point, |_, gradient| gradient.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rosenbrock(p: &[f64]) -> Result<(f64, Vec<f64>), HeadError> {
        let (a, b) = (1.0 - p[0], p[1] - p[0] * p[0]);
        Ok((a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * p[0] * b, 200.0 * b]))
    }

    #[test]
    fn ends_by_the_gradient_and_at_the_minimum() {
        let minimum = minimise(&rosenbrock, vec![-1.2, 1.0], 1e-9, &|| true).unwrap();
        assert!(minimum.converged && minimum.gradient_norm <= 1e-9, "{minimum:?}");
        assert!(minimum.point.iter().all(|x| (x - 1.0).abs() < 1e-7), "{minimum:?}");
    }

    #[test]
    fn survives_a_norm_that_rounding_forbids() {
        // The value bottoms out at 1e6, where a change below 1e-10 cannot be seen.
        let shifted = |p: &[f64]| rosenbrock(p).map(|(value, gradient)| (value + 1e6, gradient));
        let minimum = minimise(&shifted, vec![-1.2, 1.0], 0.0, &|| true).unwrap();
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
        let minimum = minimise(&rosenbrock, vec![-1.2, 1.0], 1e-9, &keep_going).unwrap();
        assert_eq!(minimum.n_iterations, 5);
        assert!(!minimum.converged && minimum.value < 24.2, "{minimum:?}");
    }

    #[test]
    fn an_objective_that_fails_is_heard() {
        let fails = |p: &[f64]| {
            if p[0] == -1.2 {
                rosenbrock(p)
            } else {
                Err(HeadError::NotFinite)
            }
        };
        let error = minimise(&fails, vec![-1.2, 1.0], 1e-9, &|| true).unwrap_err();
        assert!(matches!(error, HeadError::NotFinite), "{error}");
    }
}

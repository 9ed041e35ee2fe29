//! The way of a minimum as the L2 weight falls: where to look for the next one.
//!
//! Once classes come apart, margins grow evenly with the logarithm of the weight, so the line through the last two minima
//! leads near the next. It is taken where its end lies lower than the last minimum.

use crate::head::HeadError;
use crate::head::minimise::Objective;
use crate::head::passes::Precision;

/// The last two minima.
pub(super) struct Path {
    last: Vec<f64>,
    /// The L2 weight of the last one, and of the one before with its point.
    l2: Option<f64>,
    before: Option<(f64, Vec<f64>)>,
}

impl Path {
    /// No minimum yet, a point to start from.
    pub(super) const fn from(start: Vec<f64>) -> Self {
        Self {
            last: start,
            l2: None,
            before: None,
        }
    }

    /// Where to start for this weight; `objective` is the one with it.
    ///
    /// # Errors
    /// The objective failed.
    pub(super) fn start(
        &self,
        l2: f64,
        objective: &Objective<'_>,
        precision: Precision,
    ) -> Result<Vec<f64>, HeadError> {
        let (Some(last_l2), Some((before_l2, before))) = (self.l2, &self.before) else {
            return Ok(self.last.clone());
        };
        let further = (l2 / last_l2).ln() / (last_l2 / before_l2).ln();
        if !further.is_finite() {
            return Ok(self.last.clone());
        }
        let line = self.last.iter().zip(before);
        let ahead: Vec<f64> = line.map(|(last, before)| last + further * (last - before)).collect();
        let is_lower = objective(&ahead, precision)?.0 < objective(&self.last, precision)?.0;
        Ok(if is_lower { ahead } else { self.last.clone() })
    }

    /// Where the minimum was.
    pub(super) fn push(&mut self, l2: f64, point: Vec<f64>) {
        let last = std::mem::replace(&mut self.last, point);
        self.before = self.l2.map(|l2| (l2, last));
        self.l2 = Some(l2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_along_a_line_only_where_it_leads_down() {
        let at =
            |minimum: f64| move |p: &[f64], _: Precision| Ok(((p[0] - minimum).powi(2), vec![2.0 * (p[0] - minimum)]));
        let mut path = Path::from(vec![0.0]);
        let start = |path: &Path, l2, minimum| path.start(l2, &at(minimum), Precision::Double).unwrap()[0];
        assert_eq!(start(&path, 1.0, 3.0), 0.0);
        path.push(1.0, vec![3.0]);
        assert_eq!(start(&path, 0.1, 4.0), 3.0, "one minimum makes no line");
        path.push(0.1, vec![4.0]);
        assert!((start(&path, 1e-3, 6.5) - 6.0).abs() < 1e-12);
        assert_eq!(start(&path, 1e-3, 4.5), 4.0);
        // The same weight twice.
        path.push(0.1, vec![4.0]);
        assert_eq!(start(&path, 0.01, 5.0), 4.0);
    }
}

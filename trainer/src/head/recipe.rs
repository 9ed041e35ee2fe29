//! Which feature recipe suits a task: cross-validation of a quick joint fit.
//!
//! Folds are made of groups, so that no near-duplicate stands on both sides. Recipes see the same folds, so they are
//! compared image by image: the gain over the first recipe has a standard error of its own, over groups, and the first one
//! stays where the gain is within it (the one-standard-error rule; Breiman et al. 1984, Classification and Regression
//! Trees, §3.4.3).

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::head::rows::Rows;
use crate::head::{ColdInput, HeadError, Matrix, fit_cold, real, top};

/// Folds; each is answered by a fit on the others.
pub const N_FOLDS: usize = 3;
/// Strong enough that few iterations do.
const L2: f64 = 1e-3;
const ITERATIONS: u32 = 40;

/// Images with their features by every recipe.
#[derive(Clone, Copy, Debug)]
pub struct RecipesInput<'a> {
    /// (images, sum of `dims`), row-major: an image's features by the recipes, one behind the other.
    pub data: &'a [f32],
    /// Numbers per image of each recipe.
    pub dims: &'a [usize],
    /// Classes.
    pub labels: &'a [usize],
    /// Groups of near-duplicates.
    pub groups: &'a [usize],
}

/// What the recipes came to.
#[derive(Clone, Debug, PartialEq)]
pub struct RecipeScores {
    /// In the order of the recipes.
    pub scores: Vec<RecipeScore>,
    /// The place of the one to take.
    pub best: usize,
    /// Images that were answered.
    pub n_images: usize,
    /// Their groups.
    pub n_groups: usize,
    /// Their classes.
    pub n_classes: usize,
}

/// What one recipe came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecipeScore {
    /// Recall of held-out images, mean over classes.
    pub accuracy: f64,
    /// What that is above the first recipe's.
    pub gain: f64,
    /// Standard error of the gain, over groups.
    pub gain_error: f64,
}

/// Compares. None where there is too little to compare on (two classes with a group in every fold), or where `keep_going`
/// said no before all was answered.
///
/// # Errors
/// Features that are not finite.
pub fn compare_recipes(
    input: &RecipesInput<'_>,
    keep_going: &dyn Fn() -> bool,
) -> Result<Option<RecipeScores>, HeadError> {
    let Some(folds) = Folds::of(input) else {
        return Ok(None);
    };
    let mut right = Vec::with_capacity(input.dims.len());
    let mut first = 0;
    for dim in input.dims {
        let Some(answers) = folds.answers(input, first..first + dim, keep_going)? else {
            return Ok(None);
        };
        right.push(answers);
        first += dim;
    }
    Ok(Some(folds.scores(&right)))
}

/// The images that are compared on: of classes that have some in every fold, numbered anew.
struct Folds {
    /// Rows of the input.
    rows: Vec<usize>,
    labels: Vec<usize>,
    groups: Vec<usize>,
    folds: Vec<usize>,
    n_classes: usize,
}

impl Folds {
    fn of(input: &RecipesInput<'_>) -> Option<Self> {
        // Each class deals out its groups in turn; a group that an earlier class dealt stays where it is.
        let mut fold_of: BTreeMap<usize, usize> = BTreeMap::new();
        let mut dealt: BTreeMap<usize, usize> = BTreeMap::new();
        for (label, group) in input.labels.iter().zip(input.groups) {
            let next = dealt.entry(*label).or_default();
            fold_of.entry(*group).or_insert_with(|| {
                *next += 1;
                (*next - 1) % N_FOLDS
            });
        }
        let mut seen: BTreeMap<usize, [bool; N_FOLDS]> = BTreeMap::new();
        for (label, group) in input.labels.iter().zip(input.groups) {
            seen.entry(*label).or_default()[fold_of[group]] = true;
        }
        seen.retain(|_, folds| folds.iter().all(|seen| *seen));
        if seen.len() < 2 {
            return None;
        }
        let number: BTreeMap<usize, usize> = seen.keys().copied().zip(0..).collect();
        let rows: Vec<usize> = (0..input.labels.len())
            .filter(|row| number.contains_key(&input.labels[*row]))
            .collect();
        Some(Self {
            labels: rows.iter().map(|row| number[&input.labels[*row]]).collect(),
            groups: rows.iter().map(|row| input.groups[*row]).collect(),
            folds: rows.iter().map(|row| fold_of[&input.groups[*row]]).collect(),
            n_classes: number.len(),
            rows,
        })
    }

    /// Whether each image is answered rightly by the fit that has not seen its fold, from these columns.
    fn answers(
        &self,
        input: &RecipesInput<'_>,
        columns: std::ops::Range<usize>,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<bool>>, HeadError> {
        let width: usize = input.dims.iter().sum();
        let dim = columns.len();
        let row = |row: &usize| &input.data[row * width..][columns.clone()];
        let data: Vec<f32> = self.rows.iter().flat_map(row).copied().collect();
        let mut right = vec![false; self.rows.len()];
        for fold in 0..N_FOLDS {
            let (held_out, train): (Vec<usize>, Vec<usize>) =
                (0..self.rows.len()).partition(|image| self.folds[*image] == fold);
            let labels = |index: &[usize]| -> Vec<usize> { index.iter().map(|image| self.labels[*image]).collect() };
            let rows = |index| Rows {
                data: Matrix::Whole(&data),
                dim,
                index,
            };
            let (left, stopped) = (Cell::new(ITERATIONS), Cell::new(false));
            let go_on = || {
                stopped.set(stopped.get() || !keep_going());
                left.set(left.get().saturating_sub(1));
                left.get() > 0 && !stopped.get()
            };
            let fit = fit_cold(
                &ColdInput {
                    train: rows(&train),
                    train_labels: &labels(&train),
                    // Held-out images set the temperature alone, which moves no answer.
                    calibration: rows(&held_out),
                    calibration_labels: &labels(&held_out),
                    n_classes: self.n_classes,
                    l2_grid: &[L2],
                },
                &go_on,
            )?;
            if stopped.get() {
                return Ok(None);
            }
            for (image, z) in held_out.iter().zip(fit.head.logits(&rows(&held_out))?.iter()) {
                right[*image] = top(z).0 == self.labels[*image];
            }
        }
        Ok(Some(right))
    }

    fn scores(&self, right: &[Vec<bool>]) -> RecipeScores {
        let mut sizes = vec![0_usize; self.n_classes];
        for label in &self.labels {
            sizes[*label] += 1;
        }
        let weight = |image: usize| 1.0 / (real(self.n_classes) * real(sizes[self.labels[image]]));
        let accuracy = |right: &[bool]| -> f64 {
            let hits = right.iter().enumerate().filter(|(_, right)| **right);
            hits.map(|(image, _)| weight(image)).sum()
        };
        let mut n_groups = 0;
        let scores: Vec<RecipeScore> = right
            .iter()
            .map(|answers| {
                let mut gains: BTreeMap<usize, f64> = BTreeMap::new();
                for (image, group) in self.groups.iter().enumerate() {
                    let gain = f64::from(answers[image]) - f64::from(right[0][image]);
                    *gains.entry(*group).or_default() += weight(image) * gain;
                }
                n_groups = gains.len();
                let n = real(gains.len());
                let gain: f64 = gains.values().sum();
                let spread: f64 = gains.values().map(|of_group| (of_group - gain / n).powi(2)).sum();
                RecipeScore {
                    accuracy: accuracy(answers),
                    gain,
                    gain_error: (spread * n / (n - 1.0)).sqrt(),
                }
            })
            .collect();
        let above = |score: &RecipeScore| score.gain > score.gain_error;
        let best = (1..scores.len())
            .filter(|place| above(&scores[*place]))
            .max_by(|a, b| {
                let by_accuracy = scores[*a].accuracy.total_cmp(&scores[*b].accuracy);
                by_accuracy.then(b.cmp(a))
            })
            .unwrap_or(0);
        RecipeScores {
            scores,
            best,
            n_images: self.rows.len(),
            n_groups,
            n_classes: self.n_classes,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

    use super::*;

    /// Three classes; recipes of four numbers whose first axes are so far apart.
    fn world(apart: &[f32], n: usize) -> (Vec<f32>, Vec<usize>, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut noise = || f64::from(rng.next_u32()) as f32 / u32::MAX as f32 - 0.5;
        let (mut data, mut labels) = (Vec::new(), Vec::new());
        for image in 0..n {
            let label = image % 3;
            for apart in apart {
                let mut row: Vec<f32> = (0..4).map(|_| noise()).collect();
                row[label] += apart;
                data.extend(row);
            }
            labels.push(label);
        }
        (data, labels, (0..n).collect())
    }

    fn compared(apart: &[f32]) -> RecipeScores {
        let (data, labels, groups) = world(apart, 240);
        let input = RecipesInput {
            data: &data,
            dims: &vec![4; apart.len()],
            labels: &labels,
            groups: &groups,
        };
        compare_recipes(&input, &|| true).unwrap().unwrap()
    }

    #[test]
    fn the_recipe_that_tells_classes_apart_is_taken() {
        let found = compared(&[0.2, 0.0, 2.0, 1.0]);
        assert_eq!(found.best, 2, "{found:?}");
        assert_eq!((found.n_images, found.n_groups, found.n_classes), (240, 240, 3));
        assert!(found.scores[2].accuracy > 0.99 && found.scores[1].accuracy < 0.5);
        assert!((found.scores[0].gain, found.scores[0].gain_error) == (0.0, 0.0));
    }

    #[test]
    fn a_gain_within_its_error_moves_nothing() {
        let found = compared(&[2.0, 2.0, 2.5]);
        assert_eq!(found.best, 0, "{found:?}");
    }

    #[test]
    fn the_gain_and_its_error_are_those_of_paired_group_means() {
        let folds = Folds {
            rows: (0..4).collect(),
            labels: vec![0, 0, 1, 1],
            groups: vec![0, 0, 1, 2],
            folds: vec![0; 4],
            n_classes: 2,
        };
        let found = folds.scores(&[vec![true, false, false, false], vec![true, true, true, false]]);
        // Group sums of weight 1/4 an image: 1/4, 1/4, 0; their mean 1/6, deviations 1/12, 1/12, −1/6.
        let score = found.scores[1];
        assert!((score.accuracy - 0.75).abs() < 1e-12 && (score.gain - 0.5).abs() < 1e-12);
        assert!((score.gain_error - (1.5 * 6.0 / 144.0_f64).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn near_duplicates_stand_on_one_side_and_too_little_is_not_compared() {
        let (data, labels, _) = world(&[2.0], 12);
        // A class whose images are all one group cannot be held out.
        let groups: Vec<usize> = (0..12).map(|image| if image % 3 == 2 { 100 } else { image }).collect();
        let input = RecipesInput {
            data: &data,
            dims: &[4],
            labels: &labels,
            groups: &groups,
        };
        let folds = Folds::of(&input).unwrap();
        assert_eq!(folds.n_classes, 2);
        let one = RecipesInput {
            groups: &[5; 12],
            ..input
        };
        assert!(compare_recipes(&one, &|| true).unwrap().is_none());
        assert!(compare_recipes(&input, &|| false).unwrap().is_none(), "stopped");
    }
}

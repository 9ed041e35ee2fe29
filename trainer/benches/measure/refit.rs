//! The fit of all rows of a head on 10,000 × 1,280 features of 11 classes, from zero to the minimum, seconds.
//!
//! Written down for the peer: the features, the labels and the least value of the objective, which it has to reach as well.

use std::fs;
use std::path::Path;

use domain::job::{Balance, RefitConfig};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde_json::json;
use trainer::head::{Head, JointFit, Matrix, RefitInput, Rows, fit_refit};

use crate::clock::Watch;
use crate::{Failure, serve as serve_rounds};

const IMAGES: usize = 10_000;
const DIM: usize = 1_280;
const CLASSES: usize = 11;
/// Directions that features vary in together, as features of images do.
const FACTORS: usize = 48;
const L2: f64 = 1e-3;
/// Images that the temperature is chosen on.
const CALIBRATION: usize = 1_100;

/// Rounds of one fit.
pub(crate) fn serve(work: &Path) -> Result<(), Failure> {
    let folder = work.join("refit");
    fs::create_dir_all(&folder)?;
    let (features, labels) = images();
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
    fs::write(folder.join("features.f32"), bytes(&features))?;
    let numbers: Vec<u8> = labels.iter().flat_map(|label| (*label as u64).to_le_bytes()).collect();
    fs::write(folder.join("labels.u64"), numbers)?;
    let objective = objective(&fit(&features, &labels)?)?;
    let description = json!({ "dim": DIM, "l2": L2, "objective": objective });
    fs::write(folder.join("refit.json"), description.to_string())?;
    serve_rounds(&description, || {
        let watch = Watch::start();
        let fit = fit(&features, &labels)?;
        let seconds = watch.seconds();
        let iterations = fit.trials.first().map(|trial| trial.n_iterations);
        Ok(json!({
            "value": seconds,
            "note": format!("objective {objective:.9}, ours in {} iterations", iterations.unwrap_or_default()),
        }))
    })
}

fn fit(features: &[f32], labels: &[usize]) -> Result<JointFit, Failure> {
    let train: Vec<usize> = (0..labels.len()).collect();
    let rows = |index| Rows {
        data: Matrix::Whole(features),
        dim: DIM,
        index,
    };
    // Nothing to start from, and features that are standardised already: the peer gets no less.
    let nothing = Head {
        dim: DIM,
        weight: vec![0.0; (CLASSES - 1) * DIM],
        bias: vec![0.0; CLASSES - 1],
        mean: vec![0.0; DIM],
        std: vec![1.0; DIM],
    };
    let input = RefitInput {
        baseline: &nothing,
        train: rows(&train),
        train_labels: labels,
        calibration: rows(&train[..CALIBRATION]),
        calibration_labels: &labels[..CALIBRATION],
        n_classes: CLASSES,
        baseline_logits: None,
        l2_grid: &[L2],
        config: RefitConfig {
            balance: Balance::None,
            distillation: 0.0,
        },
    };
    Ok(fit_refit(&input, &|| true)?)
}

/// Mean cross-entropy plus λ/2 ‖V‖² at the fit's end.
fn objective(fit: &JointFit) -> Result<f64, Failure> {
    Ok(fit.trials.first().ok_or("one weight was tried")?.objective)
}

/// Standardised features whose classes overlap a little, (images, dim), and labels.
fn images() -> (Vec<f32>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut normal = || -> f32 {
        let draws = [rng.next_u32(), rng.next_u32(), rng.next_u32()];
        draws.map(|draw| draw as f32 / u32::MAX as f32 * 2.0 - 1.0).iter().sum()
    };
    let centres: Vec<f32> = (0..CLASSES * FACTORS).map(|_| 0.45 * normal()).collect();
    // Factors matter less and less.
    let loadings: Vec<f32> = (0..FACTORS * DIM)
        .map(|at| normal() / (1.0 + (at / DIM) as f32).sqrt())
        .collect();
    let labels: Vec<usize> = (0..IMAGES).map(|image| image % CLASSES).collect();
    let mut features = Vec::with_capacity(IMAGES * DIM);
    for label in &labels {
        let factors: Vec<f32> = centres[label * FACTORS..][..FACTORS]
            .iter()
            .map(|centre| centre + normal())
            .collect();
        let mut row: Vec<f32> = (0..DIM).map(|_| normal()).collect();
        for (factor, loading) in factors.iter().zip(loadings.chunks_exact(DIM)) {
            for (x, loading) in row.iter_mut().zip(loading) {
                *x += factor * loading;
            }
        }
        features.extend(row);
    }
    for column in 0..DIM {
        let values = || features[column..].iter().step_by(DIM).copied();
        let mean = values().sum::<f32>() / IMAGES as f32;
        let std = (values().map(|x| (x - mean) * (x - mean)).sum::<f32>() / IMAGES as f32).sqrt();
        for row in features.chunks_exact_mut(DIM) {
            row[column] = (row[column] - mean) / std;
        }
    }
    (features, labels)
}

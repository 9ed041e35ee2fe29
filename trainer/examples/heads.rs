//! How long fits take, and where they end.
//!
//! `heads refit FILE.safetensors L2 [ROUNDS]`: all rows anew on `features` (n, d) f32 and `labels` (n) i64, as they are, of
//! images whose `split` is 0 (all, where there is no `split`); prints one line of JSON for each round. The objective is the
//! mean log-loss plus L2/2 ‖V‖² on features standardised by those rows, biases free: what
//! `LogisticRegression(C = 1 / (L2 n))` minimises on the standardised features.
//!
//! `heads job IMAGES [DIM]`: what a clone with so many old images and 1,000 new ones costs once all features are cached, on
//! made-up features: fits over the whole grid, dial, both models' answers, everything measured, the gate.

use std::time::Instant;

use domain::dataset::{DatasetRow, Split};
use domain::gate::decide;
use domain::gate::policy::GatePolicy;
use domain::ids::Digest;
use domain::job::{Balance, HeadMode, RefitConfig, TrainConfig};
use domain::judge::JudgedClass;
use domain::model::ClassRole;
use domain::report::{EvaluationReport, SealedSet, StructuralFacts, TrainingReport};
use half::f16;
use half::slice::HalfFloatSliceExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use rayon::prelude::*;
use safetensors::SafeTensors;
use trainer::evaluate::{AnchorHead, Bootstrap, EvaluationInput, JudgedHead, N_DRAWS, evaluate};
use trainer::head::{AppendInput, Budget, ColdInput, Head, Matrix, RefitInput, Rows, fit_append, fit_cold, fit_refit};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["refit", file, l2] => refit(&std::fs::read(file)?, l2.parse()?, 1),
        ["refit", file, l2, rounds] => refit(&std::fs::read(file)?, l2.parse()?, rounds.parse()?),
        ["job", images] => job(images.parse()?, 1792),
        ["job", images, dim] => job(images.parse()?, dim.parse()?),
        _ => Err("usage: heads refit FILE.safetensors L2 [ROUNDS] | heads job IMAGES [DIM]".into()),
    }
}

fn refit(bytes: &[u8], l2: f64, rounds: usize) -> Result<(), Failure> {
    let file = SafeTensors::deserialize(bytes)?;
    let features = file.tensor("features")?;
    let [n, dim] = features.shape() else {
        return Err("features are not (n, d)".into());
    };
    let data: Vec<f32> = features
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let integers = |name: &str| -> Result<Vec<i64>, Failure> {
        let (chunks, _) = file.tensor(name)?.data().as_chunks();
        Ok(chunks.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
    };
    let labels = integers("labels")?;
    let split = integers("split").unwrap_or_else(|_| vec![0; *n]);
    let index: Vec<usize> = (0..*n).filter(|row| split[*row] == 0 && labels[*row] >= 0).collect();
    let labels: Vec<usize> = index
        .iter()
        .map(|row| usize::try_from(labels[*row]))
        .collect::<Result<_, _>>()?;
    let n_classes = labels.iter().max().map_or(0, |top| top + 1);
    let rows = Rows {
        data: Matrix::Whole(&data),
        dim: *dim,
        index: &index,
    };
    for _ in 0..rounds {
        let start = now();
        let (mean, std) = standard(&rows);
        let baseline = Head {
            dim: *dim,
            weight: Vec::new(),
            bias: Vec::new(),
            mean,
            std,
        };
        let fit = fit_refit(
            &RefitInput {
                baseline: &baseline,
                train: rows,
                train_labels: &labels,
                // The temperature is no part of the fit that is compared: as few as there may be.
                calibration: Rows {
                    index: &firsts(&index, &labels, n_classes),
                    ..rows
                },
                calibration_labels: &(0..n_classes).collect::<Vec<_>>(),
                n_classes,
                baseline_logits: None,
                l2_grid: &[l2],
                config: RefitConfig {
                    balance: Balance::None,
                    distillation: 0.0,
                },
            },
            &|| true,
        )?;
        let seconds = start.elapsed().as_secs_f64();
        let trial = fit.trials[0];
        println!(
            "{}",
            serde_json::json!({
                "n": labels.len(), "dim": dim, "classes": n_classes, "l2": l2, "seconds": seconds,
                "objective": trial.objective, "gradient_norm": trial.gradient_norm,
                "iterations": trial.n_iterations, "converged": trial.converged,
            })
        );
    }
    Ok(())
}

/// The first image of each class.
fn firsts(index: &[usize], labels: &[usize], n_classes: usize) -> Vec<usize> {
    let first = |class| labels.iter().position(|label| *label == class).unwrap_or_default();
    (0..n_classes).map(|class| index[first(class)]).collect()
}

fn standard(rows: &Rows<'_>) -> (Vec<f32>, Vec<f32>) {
    let n = rows.len() as f64;
    let (mut sum, mut square) = (vec![0.0_f64; rows.dim], vec![0.0_f64; rows.dim]);
    rows.for_each(|row| {
        for ((sum, square), x) in sum.iter_mut().zip(&mut square).zip(row) {
            let x = f64::from(*x);
            *sum += x;
            *square += x * x;
        }
    });
    let mean = sum.iter().map(|sum| (sum / n) as f32).collect();
    let deviation = |(sum, square): (&f64, &f64)| (square / n - (sum / n).powi(2)).max(0.0).sqrt().max(1e-3) as f32;
    (mean, sum.iter().zip(&square).map(deviation).collect())
}

const OLD: usize = 10;
const NEW: usize = 2;
const ADDED: usize = 1_000;
/// Directions that features of all images share, as those of a backbone do.
const FACTORS: usize = 48;

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let uniform = (0..6).map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX) - 0.5);
    (uniform.sum::<f64>() * 2.0_f64.sqrt()) as f32
}

/// Features of images of these classes: what classes and factors add up to, cut off below zero as an activation does.
fn made_up(labels: &[usize], dim: usize) -> Vec<f16> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let centers: Vec<f32> = (0..(OLD + NEW) * dim).map(|_| 0.35 * normal(&mut rng)).collect();
    // A new class stands near an old one.
    let of = |class: usize, j: usize| {
        let own = centers[class * dim + j];
        if class >= OLD {
            0.8 * centers[(class - OLD) * dim + j] + 0.6 * own
        } else {
            own
        }
    };
    let factors: Vec<f32> = (0..FACTORS)
        .flat_map(|factor| vec![1.2 / (1.0 + factor as f32).sqrt(); dim])
        .map(|scale| scale * normal(&mut rng))
        .collect();
    let mut data = vec![f16::ZERO; labels.len() * dim];
    data.par_chunks_mut(dim).enumerate().for_each(|(image, out)| {
        let mut rng = ChaCha8Rng::seed_from_u64(1_000 + image as u64);
        let mut row: Vec<f32> = (0..dim)
            .map(|j| 0.3 + of(labels[image], j) + 0.9 * normal(&mut rng))
            .collect();
        for factor in factors.chunks_exact(dim) {
            let by = normal(&mut rng);
            for (x, f) in row.iter_mut().zip(factor) {
                *x += by * f;
            }
        }
        for x in &mut row {
            *x = x.clamp(0.0, 6.0);
        }
        out.convert_from_f32_slice(&row);
    });
    data
}

fn part<'a>(rows: &'a [&'a [f16]], index: &'a [usize]) -> Rows<'a> {
    Rows {
        data: Matrix::Halves(rows),
        dim: rows[0].len(),
        index,
    }
}

fn job(n_old: usize, dim: usize) -> Result<(), Failure> {
    let labels: Vec<usize> = (0..n_old + ADDED)
        .map(|image| if image < n_old { image % OLD } else { OLD + image % NEW })
        .collect();
    let data = made_up(&labels, dim);
    let rows: Vec<&[f16]> = data.chunks_exact(dim).collect();
    let mut index: [Vec<usize>; 3] = Default::default();
    for image in 0..labels.len() {
        // 70 : 15 : 15, the same in every class.
        let part = match image / (OLD * NEW) % 20 {
            0..14 => 0,
            14..17 => 1,
            _ => 2,
        };
        index[part].push(image);
    }
    let of = |index: &[usize]| -> Vec<usize> { index.iter().map(|image| labels[*image]).collect() };
    let [train_labels, calibration_labels, _] = [of(&index[0]), of(&index[1]), of(&index[2])];
    let baseline = {
        let few: Vec<usize> = (0..3_000.min(n_old)).collect();
        fit_cold(
            &ColdInput {
                train: part(&rows, &few),
                train_labels: &of(&few),
                calibration: part(&rows, &few),
                calibration_labels: &of(&few),
                n_classes: OLD,
                l2_grid: &[1e-2],
            },
            &|| true,
        )?
        .head
    };
    let config = TrainConfig::default();
    let start = now();
    let fit = fit_append(
        &AppendInput {
            baseline: &baseline,
            train: part(&rows, &index[0]),
            train_labels: &train_labels,
            calibration: part(&rows, &index[1]),
            calibration_labels: &calibration_labels,
            baseline_logits: None,
            taus: &[0.9; OLD + NEW],
            rejects: &[false; OLD],
            l2_grid: &config.l2_grid,
            recall_target: config.recall_target,
            budget: &Budget {
                loss: vec![0.005; OLD],
                false_new: 0.005,
            },
            offset: config.offset,
        },
        &|| true,
    )?;
    println!("   append {:>7.3} s", start.elapsed().as_secs_f64());
    for trial in &fit.trials {
        println!(
            "          l2 {:.0e}: {} iterations to {:.1e}{}, objective {:.9}, dial {:?} to {:?}",
            trial.l2,
            trial.n_iterations,
            trial.gradient_norm,
            if trial.converged { "" } else { " (short)" },
            trial.objective,
            trial.b_need,
            trial.b_safe
        );
    }
    let classes: Vec<JudgedClass> = (0..OLD + NEW)
        .map(|class| {
            Ok(JudgedClass {
                name: format!("class {class}").parse()?,
                role: ClassRole::Accept,
                tau: 0.9,
            })
        })
        .collect::<Result<_, Failure>>()?;
    let sealed: Vec<DatasetRow> = index[2]
        .iter()
        .map(|image| DatasetRow {
            image: Digest::of(&image.to_le_bytes()),
            class: classes[labels[*image]].name.clone(),
            split: Split::Sealed,
            group: Digest::of(&(image / 2 * 2).to_le_bytes()),
        })
        .collect();
    let policy = GatePolicy::default_policy();
    let evaluation = now();
    let measured = evaluate(&EvaluationInput {
        images: &sealed.iter().collect::<Vec<_>>(),
        features: part(&rows, &index[2]),
        calibration: part(&rows, &index[1]),
        calibration_labels: &calibration_labels,
        classes: &classes,
        candidate: JudgedHead {
            head: &fit.head,
            digest: Digest::of(b"candidate"),
        },
        is_appended: true,
        baseline: Some(JudgedHead {
            head: &baseline,
            digest: Digest::of(b"baseline"),
        }),
        baseline_logits: None,
        anchor: AnchorHead::Baseline,
        bootstrap: Bootstrap {
            seed: 0,
            alpha: policy.alpha_per_look(),
            n_draws: N_DRAWS,
        },
    })?;
    println!(" evaluate {:>7.3} s", evaluation.elapsed().as_secs_f64());
    let gate = now();
    let report = report(measured, fit.trials, sealed.len());
    let verdict = decide(&report, &policy);
    let size_bytes = serde_json::to_vec(&report)?.len();
    println!(
        "     gate {:>7.3} s, {}, {size_bytes} bytes",
        gate.elapsed().as_secs_f64(),
        verdict.state.as_str()
    );
    println!(
        "    total {:>7.3} s, {} images",
        start.elapsed().as_secs_f64(),
        labels.len()
    );
    let mapped = size_of_val(&data[..]) >> 20;
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or_default();
        println!("   memory {peak}, of it features {mapped} MiB");
    }
    println!("     head {}", Digest::of(&fit.head.to_safetensors()?));
    Ok(())
}

fn report(
    measured: trainer::evaluate::Measured,
    trials: Vec<domain::report::Trial>,
    n_sealed: usize,
) -> EvaluationReport {
    let counts = measured.counts;
    EvaluationReport {
        format: 1,
        sealed: SealedSet {
            digest: Digest::of(b"rows"),
            n_images: n_sealed as u64,
            n_expected: n_sealed as u64,
            n_groups: counts.n_groups,
            relabelled: Vec::new(),
        },
        classes: counts.classes,
        training: TrainingReport {
            mode: HeadMode::Append,
            n_train: 0,
            n_train_expected: 0,
            n_calibration: 0,
            recipes: None,
            trials,
            l2: 0.0,
            temperature: 1.0,
            dial: None,
            cut_short: false,
            turned_from: None,
        },
        candidate: counts.candidate,
        baseline: counts.baseline,
        comparison: counts.comparison,
        structural: StructuralFacts { facts: Vec::new() },
        calibration: measured.calibration,
        looks: None,
        footprint: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "an example that measures time needs a clock")]
fn now() -> Instant {
    Instant::now()
}

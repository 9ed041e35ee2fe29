//! Every metric of `trainer::evaluate` and every exact bound of `domain::stats`, beside scikit-learn, scipy and statsmodels.
//!
//! Owns: how a world is evaluated, and what of it is handed over. Refuses to know: what is right; that is
//! `tests/crosscheck/metrics.py`, which is given logits and answers and computes the rest itself. No server, no photo.

mod random;
mod worlds;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use color_eyre::eyre::{Result, ensure, eyre};
use domain::dataset::{DatasetRow, Split};
use domain::ids::Digest;
use domain::job::HeadMode;
use domain::judge::{JudgedClass, at_threshold};
use domain::model::ClassRole;
use domain::report::{EvaluationReport, SealedSet, StructuralFacts, TrainingReport};
use domain::stats::{lower_bound, mcnemar_exact, upper_bound};
use serde_json::{Value, json};
use trainer::evaluate::{AnchorHead, Bootstrap, EvaluationInput, JudgedHead, Measured, N_DRAWS, evaluate};
use trainer::head::{Head, Matrix, Rows};

use super::{Done, crosscheck};
use crate::world::World;
use worlds::{Images, JudgedWorld, Since, Way};

/// Levels of bounds: one look, ten, and a look's share of each of eight classes.
const ALPHAS: [f64; 4] = [0.05, 0.01, 0.005, 0.05 / 80.0];
/// Numbers of groups under a bound.
const SIZES: [u64; 13] = [0, 1, 2, 3, 10, 44, 93, 500, 1_058, 10_000, 100_000, 300_000, 1_000_000];
/// The threshold of every class of an older model.
const ANCHOR_TAU: f64 = 0.41;

pub(super) async fn whole(_: Arc<World>) -> Result<Done> {
    let dir = tempfile::tempdir()?;
    let root = dir.path().to_owned();
    let written = tokio::task::spawn_blocking(move || -> Result<()> {
        for (number, world) in worlds::all().enumerate() {
            let folder = root.join(format!("{number:03}"));
            fs::create_dir(&folder)?;
            write(&folder, &world).map_err(|error| eyre!("{}: {error:#}", world.name))?;
        }
        Ok(fs::write(root.join("exact.json"), exact().to_string())?)
    });
    written.await??;
    crosscheck::python("metrics.py", &[dir.path().as_os_str()]).await
}

/// Evaluates a world, and writes what went in and what came out.
fn write(folder: &Path, world: &JudgedWorld) -> Result<()> {
    let measured = evaluated(world)?;
    let report = report(&measured);
    let again = world
        .taus
        .iter()
        .map(|tau| at_threshold(&report, &measured.scores, *tau).map(|moved| json!({ "tau": tau, "report": moved })))
        .collect::<Result<Vec<Value>, String>>()
        .map_err(|error| eyre!(error))?;
    // JSON has no word for them: they would look like a value that is not there.
    let told = format!("{measured:?}");
    ensure!(!told.contains("NaN") && !told.contains("inf"), "{told:.2000}");
    let counts = &measured.counts;
    let answers = json!({
        "report": report, "n_groups": counts.n_groups, "metrics": measured.metrics, "scores": measured.scores,
        "again": again,
    });
    fs::write(folder.join("measured.json"), answers.to_string())?;
    let role = |class: &JudgedClass| match class.role {
        ClassRole::Accept => "accept",
        ClassRole::Reject => "reject",
    };
    let class = |class: &JudgedClass| json!({ "name": class.name, "role": role(class), "tau": class.tau });
    let input = json!({
        "name": world.name, "way": world.way.name(), "n_old": world.n_old, "dim": world.dim(),
        "classes": world.classes.iter().map(class).collect::<Vec<_>>(), "is_exact": world.is_exact,
        "labels": world.sealed.labels, "groups": world.sealed.groups,
        "calibration_labels": world.calibration.labels,
        "anchor": match &world.since {
            Since::Baseline => json!("baseline"),
            Since::Unmeasured => json!("unmeasured"),
            Since::Classes(classes) => json!({ "classes": classes, "tau": ANCHOR_TAU }),
        },
        "taus": world.taus, "bootstrap": { "alpha": world.alpha, "n_draws": N_DRAWS },
    });
    fs::write(folder.join("world.json"), input.to_string())?;
    for (name, images) in [("sealed", &world.sealed), ("calibration", &world.calibration)] {
        let bytes: Vec<u8> = images.features.iter().flat_map(|value| value.to_le_bytes()).collect();
        fs::write(folder.join(format!("{name}.f32")), bytes)?;
    }
    Ok(())
}

fn evaluated(world: &JudgedWorld) -> Result<Measured> {
    let (n_old, n_all, dim) = (world.n_old, world.classes.len(), world.dim());
    let rows: Vec<DatasetRow> = world
        .sealed
        .labels
        .iter()
        .zip(&world.sealed.groups)
        .enumerate()
        .map(|(image, (label, group))| DatasetRow {
            image: numbered(image),
            class: world.classes[*label].name.clone(),
            split: Split::Sealed,
            group: numbered(*group),
        })
        .collect();
    // Features are logits: a head picks its own columns.
    let first = if world.way == Way::Refit { n_old } else { 0 };
    let candidate = picks(dim, first..first + n_all);
    let baseline = picks(dim, 0..n_old);
    let older: &[usize] = if let Since::Classes(classes) = &world.since {
        classes
    } else {
        &[]
    };
    let older_head = picks(dim, older.iter().map(|class| first + class));
    let older_classes: Vec<JudgedClass> = older
        .iter()
        .map(|class| JudgedClass {
            tau: ANCHOR_TAU,
            ..world.classes[*class].clone()
        })
        .collect();
    let index: Vec<usize> = (0..rows.len().max(world.calibration.labels.len())).collect();
    let features = |images: &Images| index.split_at(images.labels.len()).0;
    let measured = evaluate(&EvaluationInput {
        images: &rows.iter().collect::<Vec<_>>(),
        features: Rows {
            data: Matrix::Whole(&world.sealed.features),
            dim,
            index: features(&world.sealed),
        },
        calibration: Rows {
            data: Matrix::Whole(&world.calibration.features),
            dim,
            index: features(&world.calibration),
        },
        calibration_labels: &world.calibration.labels,
        classes: &world.classes,
        candidate: JudgedHead {
            head: &candidate,
            digest: Digest::of(b"candidate"),
        },
        is_appended: world.way == Way::Append,
        baseline_logits: None,
        baseline: (world.way != Way::Root).then_some(JudgedHead {
            head: &baseline,
            digest: Digest::of(b"baseline"),
        }),
        anchor: match &world.since {
            Since::Baseline => AnchorHead::Baseline,
            Since::Unmeasured => AnchorHead::Unmeasured,
            Since::Classes(_) => AnchorHead::Other {
                head: &older_head,
                classes: &older_classes,
            },
        },
        bootstrap: Bootstrap {
            seed: 11,
            alpha: world.alpha,
            n_draws: N_DRAWS,
        },
    })?;
    Ok(measured)
}

/// Sorted as the numbers are.
fn numbered(number: usize) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Digest::from_bytes(bytes)
}

/// A head whose logits are these columns of its features.
fn picks(dim: usize, columns: impl Iterator<Item = usize>) -> Head {
    let mut weight = Vec::new();
    for column in columns {
        let start = weight.len();
        weight.resize(start + dim, 0.0);
        weight[start + column] = 1.0;
    }
    Head {
        dim,
        bias: vec![0.0; weight.len() / dim],
        weight,
        mean: vec![0.0; dim],
        std: vec![1.0; dim],
    }
}

/// The report of a job that measured this, whatever its fit was.
fn report(measured: &Measured) -> EvaluationReport {
    let counts = measured.counts.clone();
    EvaluationReport {
        format: 1,
        classes: counts.classes,
        sealed: SealedSet {
            digest: Digest::of(b"sealed"),
            n_images: measured.scores.images.len() as u64,
            n_expected: measured.scores.images.len() as u64,
            n_groups: counts.n_groups,
            relabelled: Vec::new(),
        },
        training: TrainingReport {
            mode: HeadMode::Cold,
            n_train: 0,
            n_train_expected: 0,
            n_calibration: 0,
            recipes: None,
            trials: Vec::new(),
            l2: 0.0,
            temperature: 1.0,
            dial: None,
            turned_from: None,
            cut_short: false,
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

/// Bounds and p-values on a grid, as [x, n, α, upper, lower] and [gained, lost, p].
fn exact() -> Value {
    let mut bounds = Vec::new();
    for n in SIZES {
        let mut counts = vec![
            0,
            1,
            2,
            5,
            n / 1_000,
            n / 100,
            n / 10,
            n / 3,
            n / 2,
            n.saturating_sub(2),
            n.saturating_sub(1),
            n,
        ];
        counts.retain(|x| *x <= n);
        counts.sort_unstable();
        counts.dedup();
        for (x, alpha) in counts.iter().flat_map(|x| ALPHAS.map(|alpha| (*x, alpha))) {
            bounds.push(json!([x, n, alpha, upper_bound(x, n, alpha), lower_bound(x, n, alpha)]));
        }
    }
    let mut pairs: Vec<(u64, u64)> = (0..=12)
        .flat_map(|gained| (0..=12).map(move |lost| (gained, lost)))
        .collect();
    for n in [101_u64, 1_000, 9_999, 100_000, 999_999, 1_000_000] {
        let root = n.isqrt();
        let apart = [0, 1, 2, 7, root / 4, root, 2 * root, 5 * root, 12 * root, n / 2];
        for less in apart.map(|apart| (n / 2).saturating_sub(apart)) {
            pairs.extend([(less, n - less), (n - less, less)]);
        }
    }
    let p_values = pairs
        .iter()
        .map(|(gained, lost)| json!([gained, lost, mcnemar_exact(*gained, *lost)]));
    json!({ "bounds": bounds, "mcnemar": p_values.collect::<Vec<_>>() })
}

//! Everything between logits and a verdict, on 10,000 sealed images of 11 classes.

use domain::change::LookCount;
use domain::dataset::{DatasetRow, Split};
use domain::gate::decide;
use domain::gate::policy::GatePolicy;
use domain::ids::Digest;
use domain::job::HeadMode;
use domain::judge::JudgedClass;
use domain::model::ClassRole;
use domain::report::{EvaluationReport, Fact, SealedSet, StructuralFacts, TrainingReport};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use trainer::evaluate::{AnchorHead, Bootstrap, EvaluationInput, JudgedHead, N_DRAWS, evaluate};
use trainer::head::{Head, Matrix, Rows};

const SEALED: usize = 10_000;
const CALIBRATION: usize = 2_000;
const OLD: usize = 10;
const CLASSES: usize = OLD + 1;
/// Few, so that the bench is about what follows the product.
const DIM: usize = 16;

/// Images of both sets, and the heads that are judged on them.
pub(crate) struct World {
    rows: Vec<DatasetRow>,
    labels: Vec<usize>,
    features: Vec<f32>,
    classes: Vec<JudgedClass>,
    candidate: Head,
    baseline: Head,
}

/// Makes it; the same every time.
pub(crate) fn world() -> World {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut unit = || rng.next_u32() as f32 / u32::MAX as f32 - 0.5;
    let classes: Vec<JudgedClass> = (0..CLASSES)
        .map(|class| JudgedClass {
            name: format!("class {class}").parse().expect("a name"),
            role: ClassRole::Accept,
            tau: 0.9,
        })
        .collect();
    let (mut rows, mut labels, mut features) = (Vec::new(), Vec::new(), Vec::new());
    for image in 0..SEALED + CALIBRATION {
        let label = image % CLASSES;
        let mut row: Vec<f32> = (0..DIM).map(|_| 3.0 * unit()).collect();
        row[label] += 3.0;
        features.extend(row);
        labels.push(label);
        let digest = Digest::of(&image.to_le_bytes());
        // Every third image stands in one group with the next of its class.
        let group = if image % 3 == 0 {
            (image + CLASSES).to_le_bytes()
        } else {
            image.to_le_bytes()
        };
        rows.push(DatasetRow {
            image: digest,
            class: classes[label].name.clone(),
            split: Split::Sealed,
            group: Digest::of(&group),
        });
    }
    let head = |n: usize| {
        let mut weight = vec![0.0; n * DIM];
        for class in 0..n {
            weight[class * DIM + class] = 4.0;
        }
        Head {
            dim: DIM,
            weight,
            bias: vec![0.0; n],
            mean: vec![0.0; DIM],
            std: vec![1.0; DIM],
        }
    };
    World {
        rows,
        labels,
        features,
        classes,
        candidate: head(CLASSES),
        baseline: head(OLD),
    }
}

/// Evaluates and decides; bytes of the report.
pub(crate) fn report(world: &World, policy: &GatePolicy) -> usize {
    let (sealed, calibration): (Vec<usize>, Vec<usize>) =
        ((0..SEALED).collect(), (SEALED..SEALED + CALIBRATION).collect());
    let rows = |index| Rows {
        data: Matrix::Whole(&world.features),
        dim: DIM,
        index,
    };
    let measured = evaluate(&EvaluationInput {
        images: &world.rows[..SEALED].iter().collect::<Vec<_>>(),
        features: rows(&sealed),
        calibration: rows(&calibration),
        calibration_labels: &world.labels[SEALED..],
        classes: &world.classes,
        candidate: JudgedHead {
            head: &world.candidate,
            digest: Digest::of(b"candidate"),
        },
        is_appended: true,
        baseline: Some(JudgedHead {
            head: &world.baseline,
            digest: Digest::of(b"baseline"),
        }),
        baseline_logits: None,
        anchor: AnchorHead::Baseline,
        bootstrap: Bootstrap {
            seed: 0,
            alpha: policy.alpha_per_look(),
            n_draws: N_DRAWS,
        },
    })
    .expect("heads and features fit");
    let counts = measured.counts;
    let report = EvaluationReport {
        format: 1,
        sealed: SealedSet {
            digest: Digest::of(b"rows"),
            n_images: SEALED as u64,
            n_expected: SEALED as u64,
            n_groups: counts.n_groups,
            relabelled: Vec::new(),
        },
        classes: counts.classes,
        training: TrainingReport {
            mode: HeadMode::Append,
            n_train: 0,
            n_train_expected: 0,
            n_calibration: CALIBRATION as u64,
            recipes: None,
            trials: Vec::new(),
            l2: 0.0,
            temperature: 1.0,
            dial: None,
            cut_short: false,
            turned_from: None,
        },
        candidate: counts.candidate,
        baseline: counts.baseline,
        comparison: counts.comparison,
        structural: StructuralFacts {
            facts: Vec::<Fact>::new(),
        },
        calibration: measured.calibration,
        looks: Some(LookCount {
            ordinal: 1,
            spent: policy.alpha_per_look(),
            n_groups_missing: counts.n_groups,
        }),
        footprint: None,
    };
    let verdict = decide(&report, policy);
    assert!(verdict.checks.len() > 3 * OLD, "every check ran");
    serde_json::to_vec(&report).expect("a report is JSON").len()
}

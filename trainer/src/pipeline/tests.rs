//! Whole jobs on tables of features in place of photos.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use domain::change::Look;
use domain::dataset::{Finding, Split};
use domain::event::Progress;
use domain::gate::policy::CheckId;
use domain::gate::verdict::VerdictState;
use domain::job::{HeadMode, RefitConfig};
use domain::report::{Dial, StructuralFacts};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use super::*;
use crate::features::{Extraction, Features};
use crate::head::{Head, Logits};
use crate::pipeline::source::computed;

const DIM: usize = 8;

/// Clusters in eight dimensions, one per class.
#[derive(Clone)]
struct Tables {
    features: BTreeMap<Digest, Vec<f32>>,
    /// How many images there is time for.
    n_read: usize,
    /// Something writes over the backbone while the job runs.
    overwritten: bool,
    name: &'static str,
    /// Which of the dimensions each recipe sees, and whose turn it is.
    views: Vec<Vec<usize>>,
    view: usize,
}

impl Source for Tables {
    type Fetched = Vec<Digest>;

    fn reference(&self) -> BackboneRef {
        BackboneRef {
            digest: Digest::of(format!("{} {:?}", self.name, self.views[self.view]).as_bytes()),
            name: self.name.to_owned(),
            recipe: format!("table {}", self.view),
            dim: u32::try_from(self.views[self.view].len()).unwrap(),
            preprocessing: Digest::of(b"none"),
            kernel: "table".to_owned(),
            tensors: Digest::of(b"tensors"),
        }
    }

    fn frozen(&self) -> (Digest, Digest) {
        let now: &[u8] = if self.overwritten { b"other" } else { b"numbers" };
        (Digest::of(b"numbers"), Digest::of(now))
    }

    fn fetch(&self, images: &[Digest]) -> Result<Vec<Digest>, PipelineError> {
        Ok(images.to_vec())
    }

    fn extract(&self, fetched: Vec<Digest>, _: u64) -> Result<Extraction, PipelineError> {
        Ok(self.read(&fetched, &self.views[self.view]))
    }

    fn logits(&self, head: &Head, _: &Digest, features: &Features) -> Result<Logits, PipelineError> {
        let all: Vec<usize> = (0..features.rows.len()).collect();
        Ok(computed(head, features, &all)?)
    }

    fn recipes(&self) -> Vec<BackboneRef> {
        (0..self.views.len())
            .map(|view| self.taking(view).reference())
            .collect()
    }

    fn lineup(&self, images: &[Digest], _: u64, _: &dyn Observer) -> Result<Extraction, PipelineError> {
        Ok(self.read(images, &self.views.concat()))
    }

    fn taking(&self, view: usize) -> Self {
        Self { view, ..self.clone() }
    }
}

impl Tables {
    fn read(&self, images: &[Digest], axes: &[usize]) -> Extraction {
        let complete = images.len() <= self.n_read;
        let row = |image: &Digest| {
            axes.iter()
                .map(|axis| self.features[image][*axis])
                .collect::<Vec<f32>>()
        };
        let read: BTreeMap<Digest, Vec<f32>> = images
            .iter()
            .take(self.n_read)
            .map(|image| (*image, row(image)))
            .collect();
        Extraction {
            n_cached: 0,
            n_extracted: read.len(),
            features: Features::of(&read),
            findings: Vec::new(),
            complete,
        }
    }
}

/// Keeps what it is told; its clock stands where the test puts it.
#[derive(Default)]
pub(crate) struct Told {
    now_ms: AtomicU64,
    cancelled: AtomicBool,
    cancel_in: Option<Stage>,
    stages: Mutex<Vec<(Stage, bool)>>,
}

impl Observer for Told {
    fn elapsed_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
    fn stage_started(&self, stage: Stage) {
        self.stages.lock().unwrap().push((stage, false));
        self.cancelled
            .fetch_or(self.cancel_in == Some(stage), Ordering::Relaxed);
    }
    fn stage_finished(&self, stage: Stage, _: i64) {
        self.stages.lock().unwrap().push((stage, true));
    }
    fn progress(&self, _: Progress) {}
    fn finding(&self, _: Finding) {}
    fn look(&self, look: &Look) -> Option<Vec<Look>> {
        Some(vec![look.clone()])
    }
    fn verdict(&self, _: &Verdict) {}
}

fn tables() -> Tables {
    Tables {
        features: BTreeMap::new(),
        n_read: usize::MAX,
        overwritten: false,
        name: "table",
        views: vec![(0..DIM).collect()],
        view: 0,
    }
}

/// Rows of a class, each its own group; its cluster stands on an axis of its own.
fn class(tables: &mut Tables, name: &str, axis: usize) -> Vec<DatasetRow> {
    let mut draw = ChaCha8Rng::seed_from_u64(axis as u64);
    let mut noise = || {
        (0..6)
            .map(|_| draw.next_u32() as f32 / u32::MAX as f32 - 0.5)
            .sum::<f32>()
    };
    let splits = [(Split::Train, 40), (Split::Calibration, 30), (Split::Sealed, 60)];
    let mut rows = Vec::new();
    for (split, n) in splits {
        for idx in 0..n {
            let image = Digest::of(format!("{name} {split:?} {idx}").as_bytes());
            let mut feature: Vec<f32> = (0..DIM).map(|_| noise()).collect();
            feature[axis] += 5.0;
            tables.features.insert(image, feature);
            rows.push(DatasetRow {
                image,
                class: name.parse().unwrap(),
                split,
                group: image,
            });
        }
    }
    rows
}

fn job(mut rows: Vec<DatasetRow>, baseline: Option<&Outcome>) -> JobInput {
    rows.sort_by_key(|row| row.image);
    let (mode, policy) = match baseline {
        Some(_) => (HeadMode::Append, GatePolicy::pilot()),
        None => (HeadMode::Cold, GatePolicy::root()),
    };
    JobInput {
        project: ProjectId("project".to_owned()),
        job: JobId("job".to_owned()),
        rows,
        relabelled: Vec::new(),
        datasets: vec![Digest::of(b"version")],
        baseline: baseline.map(|outcome| Baseline {
            manifest: outcome.manifest.clone(),
            manifest_digest: outcome.manifest_digest,
            head: file(outcome, HEAD_FILE),
        }),
        anchor: None,
        turned: None,
        config: TrainConfig {
            mode,
            ..TrainConfig::default()
        },
        policy,
    }
}

fn file(outcome: &Outcome, name: &str) -> Bytes {
    let found = outcome.files.iter().find(|(file, _)| file == name);
    found.unwrap().1.clone()
}

/// Tables of three old classes and a new one, the baseline on the old ones, and the clone's input.
fn world() -> (Tables, JobInput, JobInput) {
    let mut tables = tables();
    let old: Vec<DatasetRow> = ["a", "b", "c"]
        .iter()
        .zip(0..)
        .flat_map(|(name, axis)| class(&mut tables, name, axis))
        .collect();
    let new = class(&mut tables, "n", 3);
    let cold = job(old.clone(), None);
    let baseline = run_on(&tables, &cold, &Told::default()).unwrap();
    let clone = job(old.into_iter().chain(new).collect(), Some(&baseline));
    (tables, cold, clone)
}

/// A clone's input, for tests of what stands around the pipeline.
pub(crate) fn a_job() -> JobInput {
    world().2
}

/// What it makes.
pub(crate) fn an_outcome() -> Outcome {
    let (tables, _, clone) = world();
    run_on(&tables, &clone, &Told::default()).unwrap()
}

#[test]
fn a_baseline_and_its_clone_pass_with_all_stages_in_order() {
    let (tables, cold, clone) = world();
    let baseline = run_on(&tables, &cold, &Told::default()).unwrap();
    assert_eq!(
        baseline.verdict.state,
        VerdictState::Pass,
        "{}",
        baseline.verdict.sentence
    );
    let told = Told::default();
    let outcome = run_on(&tables, &clone, &told).unwrap();
    assert_eq!(
        outcome.verdict.state,
        VerdictState::Pass,
        "{}",
        outcome.verdict.sentence
    );
    let expected: Vec<(Stage, bool)> = Stage::ALL
        .iter()
        .flat_map(|stage| [(*stage, false), (*stage, true)])
        .collect();
    assert_eq!(*told.stages.lock().unwrap(), expected);
    assert_eq!(outcome.stage_times.len(), 6);
    let names: Vec<&str> = outcome
        .manifest
        .classes
        .iter()
        .map(|class| class.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c", "n"]);
    assert_eq!(outcome.manifest.training.baseline, Some(baseline.manifest_digest));
    let rows = |outcome: &Outcome| -> Vec<Digest> { outcome.manifest.classes.iter().map(|class| class.row).collect() };
    assert_eq!(rows(&outcome)[..3], rows(&baseline));
    let package = crate::package::Package::read(&outcome.files.iter().cloned().collect()).unwrap();
    assert_eq!(package.manifest_digest, outcome.manifest_digest);
    // The scores say again at the model's threshold what the report says, and say more.
    let again = domain::judge::at_threshold(&outcome.report, &package.scores, 0.9).unwrap();
    let mut counted = outcome.report.clone();
    // Bounds are drawn and the anchor is measured in the job alone.
    if let Some(comparison) = &mut counted.comparison {
        comparison.recall_changes.clear();
        comparison.anchor_losses = None;
    }
    assert_eq!(again, counted);
    let stricter = domain::judge::at_threshold(&outcome.report, &package.scores, 0.999_999).unwrap();
    assert!(stricter.candidate.n_unknown > again.candidate.n_unknown);
    assert_eq!((package.report, package.verdict), (outcome.report, outcome.verdict));
}

/// A baseline's manifest and head, and the report and the head of its clone, which passes.
pub(crate) fn appended() -> (ModelManifest, Head, EvaluationReport, Head) {
    let (tables, cold, _) = world();
    let baseline = run_on(&tables, &cold, &Told::default()).unwrap();
    let (_, _, clone) = world();
    let outcome = run_on(&tables, &clone, &Told::default()).unwrap();
    let head = |outcome: &Outcome| Head::from_safetensors(&file(outcome, HEAD_FILE)).unwrap();
    let (before, after) = (head(&baseline), head(&outcome));
    (baseline.manifest, before, outcome.report, after)
}

#[test]
fn the_same_job_gives_the_same_bytes() {
    let (tables, _, clone) = world();
    let run = || run_on(&tables, &clone, &Told::default()).unwrap().files;
    assert_eq!(run(), run());
}

#[test]
fn a_refit_is_measured_like_any_other_head_and_promises_nothing() {
    let (tables, _, mut clone) = world();
    clone.config.mode = HeadMode::Refit;
    clone.config.refit = Some(RefitConfig::default());
    let outcome = run_on(&tables, &clone, &Told::default()).unwrap();
    assert_eq!(
        outcome.verdict.state,
        VerdictState::Pass,
        "{}",
        outcome.verdict.sentence
    );
    assert!(outcome.report.training.dial.is_none());
    let facts: Vec<&str> = outcome
        .report
        .structural
        .facts
        .iter()
        .map(|fact| fact.id.as_str())
        .collect();
    assert_eq!(facts, StructuralFacts::expected(HeadMode::Refit));
    let rows = |manifest: &ModelManifest| -> Vec<Digest> { manifest.classes.iter().map(|class| class.row).collect() };
    let before = &clone.baseline.as_ref().unwrap().manifest;
    assert_ne!(rows(&outcome.manifest)[..3], rows(before)[..], "old rows moved");
    let package = crate::package::Package::read(&outcome.files.iter().cloned().collect()).unwrap();
    assert_eq!(package.report, outcome.report);
    // Without photos of an old class there is nothing to fit its row to.
    clone
        .rows
        .retain(|row| row.class.as_str() != "a" || row.split == Split::Sealed);
    let error = run_on(&tables, &clone, &Told::default()).unwrap_err().to_string();
    assert!(error.contains("class a has no image in train"), "{error}");
}

#[test]
fn numbers_that_change_under_a_job_fail_it() {
    let (mut tables, _, clone) = world();
    tables.overwritten = true;
    let outcome = run_on(&tables, &clone, &Told::default()).unwrap();
    assert_eq!(outcome.verdict.state, VerdictState::Fail);
    assert!(outcome.verdict.summary().structural_failure, "nobody overrides this");
    assert!(
        outcome.verdict.sentence.contains("in memory"),
        "{}",
        outcome.verdict.sentence
    );
}

#[test]
fn cancelling_ends_the_job_in_any_stage() {
    let (tables, _, clone) = world();
    for stage in Stage::ALL {
        let told = Told {
            cancel_in: Some(stage),
            ..Told::default()
        };
        let ended = run_on(&tables, &clone, &told);
        let begun = told.stages.lock().unwrap().iter().filter(|(_, ended)| !ended).count();
        let place = Stage::ALL.iter().position(|other| *other == stage).unwrap();
        if stage == Stage::Package {
            // Written already when it is heard; the worker's fenced finish refuses it.
            assert!(ended.is_ok());
        } else {
            assert!(matches!(ended, Err(PipelineError::Cancelled)), "{stage:?}");
        }
        assert_eq!(begun, place + 1, "nothing begins after {stage:?}");
    }
}

#[test]
fn a_cut_is_judged_on_what_was_read_and_is_no_pass() {
    let (mut tables, _, clone) = world();
    tables.n_read = clone.rows.len() - 100;
    let outcome = run_on(&tables, &clone, &Told::default()).unwrap();
    assert!(outcome.report.training.cut_short);
    assert_eq!(outcome.report.sealed.n_expected, 240);
    // Sealed images come before the last train images of old classes, so the cut takes the latter.
    tables.n_read = clone.rows.len() - 300;
    let outcome = run_on(&tables, &clone, &Told::default()).unwrap();
    assert!(outcome.report.sealed.n_images < 240);
    assert_eq!(outcome.verdict.state, VerdictState::Unproven);
    let coverage = outcome
        .verdict
        .checks
        .iter()
        .find(|check| check.id == CheckId::Coverage);
    assert_eq!(coverage.unwrap().verdict, VerdictState::Unproven);
}

#[test]
fn with_no_time_for_a_head_the_job_says_so() {
    let (mut tables, _, clone) = world();
    tables.n_read = 3;
    let error = run_on(&tables, &clone, &Told::default()).unwrap_err();
    assert!(
        matches!(
            error,
            PipelineError::DeadlineExceeded {
                n_read: 3,
                n_images: 520,
                ..
            }
        ),
        "{error}"
    );
    let late = Told {
        now_ms: AtomicU64::new(clone.config.deadline_ms),
        ..Told::default()
    };
    let error = run_on(&tables, &clone, &late).unwrap_err();
    assert!(
        matches!(
            error,
            PipelineError::DeadlineExceeded {
                stage: Stage::Fetch,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_cannot_be_trained_is_refused_with_what_to_do() {
    let (tables, cold, clone) = world();
    let refused = |source: &Tables, input: &JobInput| match run_on(source, input, &Told::default()) {
        Err(PipelineError::Input(message)) => message,
        other => panic!("{:?}", other.map(|outcome| outcome.verdict.sentence)),
    };
    let other_backbone = Tables {
        name: "another",
        ..self::tables()
    };
    assert!(refused(&other_backbone, &clone).contains("run the job on a worker that has it"));
    let mut damaged = clone.clone();
    damaged.baseline.as_mut().unwrap().head = Bytes::from_static(b"other bytes");
    assert!(refused(&tables, &damaged).contains("is not the file that its manifest names"));
    let mut nothing_new = clone.clone();
    nothing_new
        .rows
        .retain(|row| row.class != "n".parse::<domain::names::ClassName>().unwrap());
    assert!(refused(&tables, &nothing_new).contains("add photos of a new class"));
    let mut unsorted = cold.clone();
    unsorted.rows.reverse();
    assert!(refused(&tables, &unsorted).contains("sorted by image"));
    let mut no_calibration = clone;
    no_calibration
        .rows
        .retain(|row| row.class.as_str() != "n" || row.split != Split::Calibration);
    assert!(refused(&tables, &no_calibration).contains("class n has no image in calibration"));
    let mut empty = cold;
    empty.rows.clear();
    assert!(refused(&tables, &empty).contains("no images"));
}

#[test]
fn a_first_model_takes_the_recipe_that_its_photos_ask_for() {
    let (mut tables, cold, clone) = world();
    // The usual recipe is blind for what tells c from the others; the second sees everything; the third nothing.
    tables.views = vec![vec![0, 4, 5], (0..DIM).collect(), vec![6, 7]];
    let outcome = run_on(&tables, &cold, &Told::default()).unwrap();
    let choice = outcome.report.training.recipes.clone().unwrap();
    assert_eq!(
        (choice.chosen.as_str(), choice.trials.len()),
        ("table 1", 3),
        "{choice:?}"
    );
    assert_eq!((choice.n_images, choice.n_groups, choice.n_classes), (120, 120, 3));
    assert!(choice.trials[1].gain > choice.trials[1].gain_error && choice.trials[2].gain < 0.0);
    assert_eq!(outcome.manifest.backbone, tables.taking(1).reference());
    assert_eq!(
        outcome.verdict.state,
        VerdictState::Pass,
        "{}",
        outcome.verdict.sentence
    );
    // Its clone sees the same numbers, and nothing is chosen again.
    let clone = JobInput {
        baseline: job(cold.rows.clone(), Some(&outcome)).baseline,
        ..clone
    };
    let grown = run_on(&tables.taking(1), &clone, &Told::default()).unwrap();
    assert_eq!(grown.manifest.backbone, outcome.manifest.backbone);
    assert_eq!(grown.report.training.recipes, None);
    // Who fixes one gets it.
    let mut fixed = cold.clone();
    fixed.config.recipe = Some("table 0".to_owned());
    let plain = run_on(&tables, &fixed, &Told::default()).unwrap();
    assert_eq!(plain.manifest.backbone.recipe, "table 0");
    assert_eq!(plain.report.training.recipes, None);
}

#[test]
fn without_time_to_compare_the_usual_recipe_stays_and_the_report_says_so() {
    let (mut tables, cold, _) = world();
    tables.views = vec![(0..DIM).collect(), vec![0, 1, 2]];
    // Time for the first images of every class, which is fewer than recipes are compared on.
    tables.n_read = 110;
    let outcome = run_on(&tables, &cold, &Told::default()).unwrap();
    let choice = outcome.report.training.recipes.unwrap();
    assert_eq!((choice.chosen.as_str(), choice.trials.len()), ("table 0", 0));
}

/// A clone's outcome and the input of the job that turns its dial to `offset`.
fn turned(clone: &JobInput, outcome: &Outcome, offset: f64) -> JobInput {
    let mut turned = clone.clone();
    turned.config.offset = Some(offset);
    turned.turned = Some(Turned {
        model: Baseline {
            manifest: outcome.manifest.clone(),
            manifest_digest: outcome.manifest_digest,
            head: file(outcome, HEAD_FILE),
        },
        training: outcome.report.training.clone(),
    });
    turned
}

#[test]
fn a_turned_dial_is_the_same_rows_with_other_biases_on_the_new_ones() {
    let (tables, _, clone) = world();
    // Cut while it fitted: the first weight of the grid alone, and its fit not at its end.
    let hurried = Told {
        now_ms: AtomicU64::new(clone.config.deadline_ms - 1),
        ..Told::default()
    };
    for told in [Told::default(), hurried] {
        let outcome = run_on(&tables, &clone, &told).unwrap();
        let head = |outcome: &Outcome| Head::from_safetensors(&file(outcome, HEAD_FILE)).unwrap();
        let (before, training) = (head(&outcome), &outcome.report.training);
        let dial = training.dial.clone().unwrap();
        for shift in [0.0, 0.5, -2.25] {
            let offset = dial.offset + shift;
            let after = run_on(&tables, &turned(&clone, &outcome, offset), &Told::default()).unwrap();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let now = head(&after);
            assert_eq!(bits(&now.weight), bits(&before.weight));
            assert_eq!(
                (bits(&now.mean), bits(&now.std)),
                (bits(&before.mean), bits(&before.std))
            );
            assert_eq!(bits(&now.bias[..3]), bits(&before.bias[..3]));
            let moved = (f64::from(before.bias[3]) + (offset - dial.offset)) as f32;
            assert_eq!(now.bias[3].to_bits(), moved.to_bits());
            assert_eq!(file(&after, HEAD_FILE) == file(&outcome, HEAD_FILE), shift == 0.0);
            let expected = TrainingReport {
                dial: Some(Dial { offset, ..dial.clone() }),
                turned_from: Some(outcome.manifest_digest),
                ..training.clone()
            };
            assert_eq!(after.report.training, expected, "how the rows came to be");
            assert!(after.report.structural.facts.iter().all(|fact| fact.holds));
            let look = |head: &Head| head.dialless_digest(&dial.alignment);
            assert_eq!(look(&now), look(&before), "no look more");
            if shift == 0.0 {
                let counted = |outcome: &Outcome| (outcome.report.candidate.clone(), outcome.report.comparison.clone());
                assert_eq!(counted(&after), counted(&outcome));
                assert_eq!(after.verdict, outcome.verdict);
            }
        }
    }
}

#[test]
fn turning_reads_nothing_of_train_and_refuses_another_job_s_head() {
    let (mut tables, cold, clone) = world();
    let outcome = run_on(&tables, &clone, &Told::default()).unwrap();
    let offset = outcome.report.training.dial.as_ref().unwrap().offset;
    let turn = turned(&clone, &outcome, offset);
    let is_train = |row: &&DatasetRow| row.split == Split::Train;
    for row in clone.rows.iter().filter(is_train) {
        tables.features.remove(&row.image);
    }
    let after = run_on(&tables, &turn, &Told::default()).unwrap();
    assert_eq!(file(&after, HEAD_FILE), file(&outcome, HEAD_FILE));
    let n_train = clone.rows.iter().filter(is_train).count() as u64;
    assert_eq!(after.report.training.n_train, n_train, "what the rows were fitted on");

    let refused = |input: &JobInput| match run_on(&tables, input, &Told::default()) {
        Err(PipelineError::Input(message)) => message,
        other => panic!("{:?}", other.map(|outcome| outcome.verdict.sentence)),
    };
    let mut damaged = turn.clone();
    damaged.turned.as_mut().unwrap().model.head = Bytes::from_static(b"other bytes");
    assert!(refused(&damaged).contains("turned model's head.safetensors is not the file"));
    let mut nowhere = turn.clone();
    nowhere.config.offset = None;
    assert!(refused(&nowhere).contains("has a dial"));
    let mut other = turn;
    other.turned.as_mut().unwrap().model = job(cold.rows, Some(&outcome)).baseline.unwrap();
    other.config.tau = 0.8;
    assert!(refused(&other).contains("other classes or thresholds"));
}

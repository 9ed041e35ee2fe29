//! A job from its rows to the files of a model: fetch → extract → train → evaluate → gate → package.
//!
//! Synchronous and without a clock of its own: time and cancellation come from the observer. The same input gives the
//! same bytes, whoever runs it and however often.

mod plan;
mod preview;
mod recipe;
mod source;
mod stages;
mod train;

use bytes::Bytes;
use domain::change::{Look, LookCount};
use domain::dataset::{DatasetRow, Relabelled, Split, rows_digest};
use domain::forecast::Work;
use domain::gate::policy::GatePolicy;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, JobId, ProjectId};
use domain::job::{HeadMode, Stage, StageTime, TrainConfig};
use domain::judge::JudgedClass;
use domain::metrics::Metrics;
use domain::model::{BackboneRef, ModelClass, ModelManifest, TrainingRecord};
use domain::report::{EvaluationReport, SealedSet, TrainingReport};
use domain::scores::SealedScores;
use engine::Backbone;

use crate::backbones::Backbones;
use crate::evaluate::{
    AnchorHead, Bootstrap, EvaluationInput, JudgedHead, Measured, N_DRAWS, StructureInput, evaluate, structure,
};
use crate::features::{Cache, FeatureError};
use crate::head::HeadError;
use crate::observer::Observer;
use crate::package::{
    HEAD_FILE, MANIFEST_FILE, METRICS_FILE, PackageError, REPORT_FILE, SCORES_FILE, VERDICT_FILE, canonical_json,
    package_file,
};
use crate::pipeline::plan::Plan;
use crate::pipeline::source::{Source, Stored};
use crate::pipeline::stages::Stages;
use crate::pipeline::train::{Samples, Trained, train};

pub use preview::Draft;

/// Everything a job needs to know; frozen when it is queued.
#[derive(Clone, Debug)]
pub struct JobInput {
    /// The project whose images are read.
    pub project: ProjectId,
    /// The job.
    pub job: JobId,
    /// Rows of all dataset versions together, sorted by image (see `domain::dataset::merge_versions`).
    pub rows: Vec<DatasetRow>,
    /// Images whose label a later version changed.
    pub relabelled: Vec<Relabelled>,
    /// Digests of the dataset versions, in order.
    pub datasets: Vec<Digest>,
    /// The model it is cloned from; none for a cold fit.
    pub baseline: Option<Baseline>,
    /// The release that the channel's losses add up from, where it is not the baseline.
    pub anchor: Option<Baseline>,
    /// The model whose dial is turned; none where a head is fitted.
    pub turned: Option<Turned>,
    /// How to train.
    pub config: TrainConfig,
    /// How to judge.
    pub policy: GatePolicy,
}

/// A model that a job measures its own against.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Its manifest.
    pub manifest: ModelManifest,
    /// Digest of the bytes of its manifest.json.
    pub manifest_digest: Digest,
    /// The bytes of its head.safetensors.
    pub head: Bytes,
}

/// A fitted model whose dial a job turns.
#[derive(Clone, Debug)]
pub struct Turned {
    /// Its manifest and head.
    pub model: Baseline,
    /// What its report says of its fit.
    pub training: TrainingReport,
}

/// What a job made.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The manifest.
    pub manifest: ModelManifest,
    /// Digest of the bytes of manifest.json: the model's own digest.
    pub manifest_digest: Digest,
    /// What was measured.
    pub report: EvaluationReport,
    /// What the gate said.
    pub verdict: Verdict,
    /// The files of the package by name: head.safetensors, manifest.json, metrics.json, report.json,
    /// scores.json, verdict.json.
    pub files: Vec<(String, Bytes)>,
    /// What the times depend on.
    pub work: Work,
    /// How long each stage took. The only thing here that differs from run to run.
    pub stage_times: Vec<StageTime>,
}

/// Why a job made no model.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The observer said stop.
    #[error("the job was cancelled")]
    Cancelled,
    /// There was not even time for a head that could be judged.
    #[error(
        "the deadline of {deadline_ms} ms came in stage {}: {n_read} of {n_images} images were read, too few to train and \
         judge; images that were read are kept, so run the job again, or give it more time",
        stage.as_str()
    )]
    DeadlineExceeded {
        /// The deadline.
        deadline_ms: u64,
        /// The stage it came in.
        stage: Stage,
        /// Images whose features were there.
        n_read: usize,
        /// Images of the job.
        n_images: usize,
    },
    /// The job cannot be done as it was asked for; says what to change.
    #[error("{0}")]
    Input(String),
    /// Features could not be computed or stored.
    #[error(transparent)]
    Features(FeatureError),
    /// The head could not be fitted.
    #[error("cannot fit the head: {0}")]
    Head(#[from] HeadError),
    /// The package could not be written.
    #[error("cannot write the package: {0}")]
    Package(#[from] PackageError),
}

impl From<FeatureError> for PipelineError {
    fn from(error: FeatureError) -> Self {
        match error {
            FeatureError::Cancelled => Self::Cancelled,
            error => Self::Features(error),
        }
    }
}

/// Runs a job. Ends before its deadline, with a judged head or with [`PipelineError::DeadlineExceeded`].
///
/// # Errors
/// Cancelled, out of time, or an input that cannot be trained on; each says what to do.
pub fn run(
    cache: &Cache,
    backbones: &Backbones,
    input: &JobInput,
    observer: &dyn Observer,
) -> Result<Outcome, PipelineError> {
    let source = Stored {
        cache,
        backbones,
        backbone: backbone_of(backbones, input)?,
        project: &input.project,
        observer,
    };
    run_on(&source, input, observer)
}

/// The baseline's, or the one that was fixed, or the first one.
///
/// # Errors
/// There is no such recipe; says which there are. Whether a baseline's backbone is there is checked with the baseline.
pub fn backbone_of<'a>(backbones: &'a Backbones, input: &JobInput) -> Result<&'a Backbone, PipelineError> {
    let baseline = input
        .baseline
        .as_ref()
        .map(|baseline| &baseline.manifest.backbone.digest);
    match (baseline, &input.config.recipe) {
        (Some(digest), _) => Ok(backbones.find(digest).unwrap_or_else(|| backbones.first())),
        (None, None) => Ok(backbones.first()),
        (None, Some(recipe)) => backbones.by_recipe(recipe).ok_or_else(|| {
            let names: Vec<String> = backbones.references().into_iter().map(|one| one.recipe).collect();
            PipelineError::Input(format!(
                "there is no feature recipe {recipe:?}; the backbone has: {}",
                names.join(", ")
            ))
        }),
    }
}

fn run_on<S: Source>(source: &S, input: &JobInput, observer: &dyn Observer) -> Result<Outcome, PipelineError> {
    let reference = source.reference();
    let mut stages = Stages::new(observer, input.config.deadline_ms, input.rows.len());

    let (plan, fetched) = stages.run(Stage::Fetch, |stages| {
        let plan = Plan::new(input, &reference)?;
        stages.n_images = plan.order.len();
        let fetched = source.fetch(&plan.order)?;
        Ok((plan, fetched))
    })?;
    let (taken, choice, extraction) = stages.run(Stage::Extract, |stages| {
        let (place, choice) = recipe::choose(source, input, &plan, observer)?.unzip();
        let taken = place.filter(|place| *place > 0).map(|place| source.taking(place));
        let until_ms = plan.budget.extract_until_ms;
        let extraction = match &taken {
            Some(taken) => taken.extract(taken.fetch(&plan.order)?, until_ms)?,
            None => source.extract(fetched, until_ms)?,
        };
        stages.n_read = extraction.features.rows.len();
        Ok((taken, choice, extraction))
    })?;
    let source = taken.as_ref().unwrap_or(source);
    let reference = source.reference();
    let work = plan.work(input, extraction.n_extracted);
    let mut samples = Samples::new(input, &plan, &extraction.features);
    let trained = stages.run(Stage::Train, |stages| {
        samples.check(&plan, extraction.complete, stages)?;
        if let Some((baseline, head)) = input.baseline.as_ref().zip(plan.baseline_head.as_ref()) {
            let logits = source.logits(head, &Digest::of(&baseline.head), &extraction.features)?;
            samples.baseline_logits = Some(logits);
        }
        let mut trained = train(input, &plan, &samples, extraction.complete, observer)?;
        trained.report.recipes = choice;
        Ok(trained)
    })?;
    let head_bytes = trained.head.to_safetensors().map_err(PackageError::from)?;
    let Evaluated {
        mut report,
        scores,
        metrics,
    } = stages.run(Stage::Evaluate, |_| {
        evaluated(
            (&reference, source.frozen()),
            input,
            &plan,
            &samples,
            &trained,
            &head_bytes,
        )
    })?;
    // Written down before anybody sees the verdict: a look that was had counts, whatever becomes of the job.
    let look = look(input, &plan, &trained);
    report.looks = observer.look(&look).map(|log| LookCount::of(&look, &log));
    let verdict = stages.run(Stage::Gate, |_| {
        let verdict = domain::gate::decide(&report, &input.policy);
        observer.verdict(&verdict);
        Ok(verdict)
    })?;
    let (manifest, manifest_digest, files) = stages.run(Stage::Package, |_| {
        package(
            reference,
            input,
            &plan,
            &trained,
            head_bytes,
            (&report, &scores, &metrics, &verdict),
        )
    })?;
    Ok(Outcome {
        manifest,
        manifest_digest,
        report,
        verdict,
        files,
        work,
        stage_times: stages.times,
    })
}

/// The look that judging this head is.
fn look(input: &JobInput, plan: &Plan, trained: &Trained) -> Look {
    let alignment = trained.report.dial.as_ref().map(|dial| dial.alignment.as_slice());
    plan.look(input, trained.head.dialless_digest(alignment.unwrap_or_default()))
}

/// Drawn from what is judged, so that nobody draws again until a bound suits.
fn seed(head_bytes: &[u8], sealed: &[&DatasetRow]) -> u64 {
    let mut all = Digest::of(head_bytes).as_bytes().to_vec();
    for row in sealed {
        all.extend_from_slice(row.image.as_bytes());
    }
    let digest = Digest::of(&all);
    digest
        .as_bytes()
        .iter()
        .take(8)
        .fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// What was measured, and the scores it was counted from.
struct Evaluated {
    report: EvaluationReport,
    scores: SealedScores,
    metrics: Metrics,
}

fn evaluated(
    (backbone, frozen): (&BackboneRef, (Digest, Digest)),
    input: &JobInput,
    plan: &Plan,
    samples: &Samples<'_>,
    trained: &Trained,
    head_bytes: &[u8],
) -> Result<Evaluated, PipelineError> {
    let baseline = input.baseline.as_ref().zip(plan.baseline_head.as_ref());
    let Measured {
        counts,
        calibration,
        scores,
        metrics,
    } = evaluate(&EvaluationInput {
        images: &samples.sealed_rows,
        features: samples.sealed(),
        calibration: samples.rows(Split::Calibration),
        calibration_labels: samples.labels(Split::Calibration),
        classes: &plan.classes,
        candidate: JudgedHead {
            head: &trained.head,
            digest: Digest::of(head_bytes),
        },
        is_appended: input.config.mode == HeadMode::Append,
        baseline: baseline.map(|(baseline, head)| JudgedHead {
            head,
            digest: Digest::of(&baseline.head),
        }),
        baseline_logits: samples.baseline_logits.as_ref(),
        anchor: match (&input.anchor, &plan.anchor) {
            (None, _) => AnchorHead::Baseline,
            (Some(_), Some((head, classes))) => AnchorHead::Other { head, classes },
            (Some(_), None) => AnchorHead::Unmeasured,
        },
        bootstrap: Bootstrap {
            seed: seed(head_bytes, &samples.sealed_rows),
            alpha: input.policy.alpha_per_look(),
            n_draws: N_DRAWS,
        },
    })?;
    let compared = baseline.zip(counts.comparison.as_ref());
    let structural = structure(&StructureInput {
        mode: input.config.mode,
        frozen,
        backbone,
        classes: &plan.classes,
        head: &trained.head,
        head_bytes: head_bytes.len(),
        baseline: compared.map(|((baseline, head), comparison)| (&baseline.manifest, head, comparison)),
    });
    let judged: Vec<DatasetRow> = samples.sealed_rows.iter().map(|row| (*row).clone()).collect();
    let relabelled = input
        .relabelled
        .iter()
        .filter(|change| judged.binary_search_by_key(&change.image, |row| row.image).is_ok());
    let report = EvaluationReport {
        format: 1,
        classes: counts.classes,
        sealed: SealedSet {
            digest: rows_digest(&judged),
            n_images: judged.len() as u64,
            n_expected: plan.n_sealed as u64,
            n_groups: counts.n_groups,
            relabelled: relabelled.cloned().collect(),
        },
        training: trained.report.clone(),
        candidate: counts.candidate,
        baseline: counts.baseline,
        comparison: counts.comparison,
        structural,
        calibration,
        looks: None,
        footprint: None,
    };
    Ok(Evaluated {
        report,
        scores,
        metrics,
    })
}

type Files = Vec<(String, Bytes)>;

fn package(
    backbone: BackboneRef,
    input: &JobInput,
    plan: &Plan,
    trained: &Trained,
    head: Bytes,
    (report, scores, metrics, verdict): (&EvaluationReport, &SealedScores, &Metrics, &Verdict),
) -> Result<(ModelManifest, Digest, Files), PipelineError> {
    let report = canonical_json(REPORT_FILE, report)?;
    let scores = canonical_json(SCORES_FILE, scores)?;
    let metrics = canonical_json(METRICS_FILE, metrics)?;
    let verdict_bytes = canonical_json(VERDICT_FILE, verdict)?;
    let class = |(idx, class): (usize, &JudgedClass)| ModelClass {
        name: class.name.clone(),
        role: class.role,
        tau: class.tau,
        row: trained.head.row_digest(idx),
    };
    let manifest = ModelManifest {
        format: 1,
        backbone,
        classes: plan.classes.iter().enumerate().map(class).collect(),
        temperature: trained.report.temperature,
        training: TrainingRecord {
            mode: input.config.mode,
            datasets: input.datasets.clone(),
            baseline: input.baseline.as_ref().map(|baseline| baseline.manifest_digest),
            config: Digest::of_json(&input.config),
            l2: trained.report.l2,
            offset: trained.report.dial.as_ref().map(|dial| dial.offset),
        },
        files: vec![
            package_file(HEAD_FILE, &head),
            package_file(METRICS_FILE, &metrics),
            package_file(REPORT_FILE, &report),
            package_file(SCORES_FILE, &scores),
            package_file(VERDICT_FILE, &verdict_bytes),
        ],
        policy: verdict.policy,
        verdict: verdict.state,
    };
    let manifest_bytes = canonical_json(MANIFEST_FILE, &manifest)?;
    let digest = Digest::of(&manifest_bytes);
    let files = vec![
        (HEAD_FILE.to_owned(), head),
        (MANIFEST_FILE.to_owned(), manifest_bytes),
        (METRICS_FILE.to_owned(), metrics),
        (REPORT_FILE.to_owned(), report),
        (SCORES_FILE.to_owned(), scores),
        (VERDICT_FILE.to_owned(), verdict_bytes),
    ];
    Ok((manifest, digest, files))
}

#[cfg(test)]
pub(crate) mod tests;

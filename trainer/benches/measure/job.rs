//! Whole jobs: a clone with new photos of a class on many old ones, from its rows to verdict and package, seconds.

use std::path::Path;

use domain::dataset::{DatasetRow, rows_digest};
use domain::gate::policy::GatePolicy;
use domain::ids::{Digest, JobId};
use domain::job::{HeadMode, TrainConfig};
use domain::names::ClassName;
use serde_json::{Value, json};
use trainer::backbones::Backbones;
use trainer::pipeline::{Baseline, JobInput, Outcome};

use crate::clock::Watch;
use crate::store::Store;
use crate::{Failure, old, serve as serve_rounds};

/// The clone is compared with extraction alone, and may take this much longer.
const MOST_OF_EXTRACTION: f64 = 1.15;
/// Old rows that the baseline is fitted to: enough for a good head, and soon done.
const BASELINE_ROWS: usize = 2_400;

/// Rounds in which no new photo is cached; beside each the same extraction alone.
pub(crate) fn serve_warm(work: &Path, n_old: usize, n_new: usize) -> Result<(), Failure> {
    let job = Job::new(work, "warm", n_old, n_new)?;
    let old = job.store.cached()?;
    let backbone = job.backbones.first();
    job.store.extract(backbone, &job.new[..n_new.min(40)])?;
    let mut extracts_first = false;
    serve_rounds(&json!({}), || {
        let extract = || -> Result<f64, Failure> {
            job.store.forget_but(&old)?;
            let watch = Watch::start();
            job.store.extract(backbone, &job.new)?;
            Ok(watch.seconds())
        };
        let clone = || {
            job.store.forget_but(&old)?;
            job.run()
        };
        extracts_first = !extracts_first;
        let (alone_s, (clone_s, note)) = if extracts_first {
            (extract()?, clone()?)
        } else {
            let cloned = clone()?;
            (extract()?, cloned)
        };
        Ok(json!({
            "value": clone_s,
            "peer": MOST_OF_EXTRACTION * alone_s,
            "note": format!("extraction alone {alone_s:.2} s; {note}"),
        }))
    })
}

/// Rounds in which everything is cached.
pub(crate) fn serve_cached(work: &Path, n_old: usize, n_new: usize) -> Result<(), Failure> {
    let job = Job::new(work, &format!("cached-{n_old}"), n_old, n_new)?;
    job.store.extract(job.backbones.first(), &job.new)?;
    serve_rounds(&json!({}), || {
        let (seconds, note): (f64, String) = job.run()?;
        Ok::<Value, Failure>(json!({ "value": seconds, "note": note }))
    })
}

struct Job {
    store: Store,
    backbones: Backbones,
    input: JobInput,
    /// Images of the new class.
    new: Vec<Digest>,
}

impl Job {
    fn new(work: &Path, name: &str, n_old: usize, n_new: usize) -> Result<Self, Failure> {
        let backbones = trainer::bundled::backbones();
        let store = Store::empty(work, name)?;
        let old = old::put(&store, backbones.first(), n_old)?;
        let new = store.put_photos(work, n_new)?;
        let cold = Self::input(
            &store,
            "baseline",
            old.iter().take(BASELINE_ROWS).cloned().collect(),
            TrainConfig {
                mode: HeadMode::Cold,
                recipe: Some(backbones.first().reference().recipe),
                reject_classes: vec![ClassName::new("none")?],
                ..TrainConfig::default()
            },
            GatePolicy::root(),
        );
        let baseline = store.run(&backbones, &cold)?;
        let class = ClassName::new("new")?;
        let added = new.iter().map(|image| old::row(*image, class.clone()));
        let rows = old.into_iter().chain(added).collect();
        let mut input = Self::input(&store, "clone", rows, TrainConfig::default(), GatePolicy::pilot());
        input.baseline = Some(Baseline {
            head: head_of(&baseline)?,
            manifest: baseline.manifest,
            manifest_digest: baseline.manifest_digest,
        });
        Ok(Self {
            store,
            backbones,
            input,
            new,
        })
    }

    fn input(store: &Store, job: &str, mut rows: Vec<DatasetRow>, config: TrainConfig, policy: GatePolicy) -> JobInput {
        rows.sort();
        JobInput {
            project: store.project.clone(),
            job: JobId(job.to_owned()),
            datasets: vec![rows_digest(&rows)],
            rows,
            relabelled: Vec::new(),
            baseline: None,
            anchor: None,
            turned: None,
            config,
            policy,
        }
    }

    /// Runs the clone once; how long it took, and where the time went.
    fn run(&self) -> Result<(f64, String), Failure> {
        let watch = Watch::start();
        let outcome = self.store.run(&self.backbones, &self.input)?;
        let seconds = watch.seconds();
        if outcome.report.training.cut_short {
            return Err("the job was cut short".into());
        }
        let stages: Vec<String> = outcome
            .stage_times
            .iter()
            .map(|time| format!("{} {:.2}", time.stage.as_str(), time.duration_ms as f64 / 1e3))
            .collect();
        Ok((seconds, stages.join(", ")))
    }
}

fn head_of(outcome: &Outcome) -> Result<bytes::Bytes, Failure> {
    let head = outcome
        .files
        .iter()
        .find(|(name, _)| name == trainer::package::HEAD_FILE);
    Ok(head.ok_or("a package has a head")?.1.clone())
}

//! A baseline and a clone of it, without a server: `jobs OUT BASELINE_FOLDER NEW_FOLDER…`.
//!
//! Folders hold `train|calibration|sealed/CLASS/…`, a class `none` is the reject class. Writes both packages and the
//! features of all images under OUT, and prints the stage times and the verdicts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use domain::change::Look;
use domain::dataset::{DatasetRow, Finding, Split, rows_digest};
use domain::event::Progress;
use domain::gate::policy::GatePolicy;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, JobId, ProjectId};
use domain::job::{HeadMode, Stage, TrainConfig};
use domain::names::ClassName;
use safetensors::tensor::{Dtype, TensorView};
use trainer::artifacts::{ArtifactKey, Artifacts};
use trainer::features::{Cache, Features};
use trainer::images::{Grouped, group_near_duplicates, inspect};
use trainer::observer::Observer;
use trainer::pipeline::{Baseline, JobInput, Outcome, run};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [out, baseline, new @ ..] = &arguments[..] else {
        return Err("usage: jobs OUT BASELINE_FOLDER NEW_FOLDER…".into());
    };
    let deadline_ms = std::env::var("DEADLINE_MS").map_or(Ok(900_000), |text| text.parse())?;
    let runtime = tokio::runtime::Runtime::new()?;
    std::fs::create_dir_all(out.join("store"))?;
    let store = object_store::local::LocalFileSystem::new_with_prefix(out.join("store"))?;
    let artifacts = Artifacts::new(Arc::new(store), runtime.handle().clone());
    let cache = Cache::in_folder(artifacts.clone(), &out.join("store"));
    let backbones = trainer::bundled::backbones();

    let project = ProjectId("example".to_owned());
    let mut rows = read(&artifacts, &project, baseline)?;
    let cold = JobInput {
        project: project.clone(),
        job: JobId("baseline".to_owned()),
        datasets: vec![rows_digest(&rows)],
        rows: rows.clone(),
        relabelled: Vec::new(),
        baseline: None,
        anchor: None,
        turned: None,
        config: TrainConfig {
            mode: HeadMode::Cold,
            reject_classes: vec![ClassName::new("none")?],
            ..TrainConfig::default()
        },
        policy: GatePolicy::root(),
    };
    let first = run(&cache, &backbones, &cold, &Console::new())?;
    write(&out.join("baseline"), &first)?;

    let mut datasets = cold.datasets;
    for folder in new {
        let more = read(&artifacts, &project, folder)?;
        datasets.push(rows_digest(&more));
        rows.extend(more);
    }
    rows.sort();
    let clone = JobInput {
        project: project.clone(),
        job: JobId("clone".to_owned()),
        rows: rows.clone(),
        relabelled: Vec::new(),
        datasets,
        baseline: Some(Baseline {
            manifest: first.manifest.clone(),
            manifest_digest: first.manifest_digest,
            head: first.files[0].1.clone(),
        }),
        anchor: None,
        turned: None,
        config: TrainConfig {
            deadline_ms,
            ..TrainConfig::default()
        },
        policy: GatePolicy::pilot(),
    };
    let second = run(&cache, &backbones, &clone, &Console::new())?;
    write(&out.join("candidate"), &second)?;

    let images: Vec<Digest> = rows.iter().map(|row| row.image).collect();
    let console = Console::new();
    let all = trainer::features::extract(&cache, &project, backbones.first(), &images, u64::MAX, &console)?;
    let path = out.join("candidate/features.safetensors");
    std::fs::write(path, features_file(&all.features, &rows, &second)?)?;
    Ok(())
}

/// Stores a folder's images and makes rows of them; near-duplicates share a group.
fn read(artifacts: &Artifacts, project: &ProjectId, folder: &Path) -> Result<Vec<DatasetRow>, Failure> {
    let mut rows = BTreeMap::new();
    let mut hashes = Vec::new();
    for split in std::fs::read_dir(folder)? {
        let split = split?.path();
        let name = split.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(of) = Split::from_folder(&name) else { continue };
        for class in std::fs::read_dir(&split)? {
            let class = class?.path();
            let name = ClassName::new(class.file_name().unwrap_or_default().to_string_lossy().into_owned())?;
            for file in std::fs::read_dir(&class)? {
                let bytes = Bytes::from(std::fs::read(file?.path())?);
                let image = Digest::of(&bytes);
                hashes.push((image, inspect(&bytes)?.hash));
                artifacts.put(&ArtifactKey::image(project, &image), bytes)?;
                rows.insert(image, (name.clone(), of));
            }
        }
    }
    hashes.sort();
    hashes.dedup();
    let groups = group_near_duplicates(&hashes, &[]);
    let row = |(image, grouped): (Digest, Grouped)| {
        let (class, split) = rows.get(&image).cloned()?;
        Some(DatasetRow {
            image,
            class,
            split,
            group: grouped.group,
        })
    };
    Ok(hashes
        .iter()
        .map(|(image, _)| *image)
        .zip(groups)
        .filter_map(row)
        .collect())
}

fn write(folder: &Path, outcome: &Outcome) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    for (name, bytes) in &outcome.files {
        std::fs::write(folder.join(name), bytes)?;
    }
    for time in &outcome.stage_times {
        println!("{:>9} {:>7} ms", time.stage.as_str(), time.duration_ms);
    }
    let metrics = &outcome.report.candidate;
    println!("top-1 {:.4}, accepted right {}", metrics.top1, metrics.n_accepted_right);
    println!("l2 {}, {:?}", outcome.report.training.l2, outcome.report.training.dial);
    for check in &outcome.verdict.checks {
        println!("  {:>8} {}", check.verdict.as_str(), check.sentence);
    }
    println!("{}: {}", outcome.verdict.state.as_str(), outcome.verdict.sentence);
    Ok(())
}

/// What `GET /models/{id}/features?split=all` sends.
fn features_file(features: &Features, rows: &[DatasetRow], model: &Outcome) -> Result<Vec<u8>, Failure> {
    let classes: Vec<&str> = model.manifest.classes.iter().map(|class| class.name.as_str()).collect();
    let mut groups: Vec<Digest> = rows.iter().map(|row| row.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let (mut x, mut label, mut group, mut split, mut image) = (vec![], vec![], vec![], vec![], vec![]);
    for row in rows {
        let Some(feature) = features.get(&row.image) else {
            continue;
        };
        x.extend(feature.iter().flat_map(|value| value.to_f32().to_le_bytes()));
        let class = classes.iter().position(|name| *name == row.class.as_str());
        label.extend(class.map_or(-1, |class| class as i64).to_le_bytes());
        group.extend((groups.partition_point(|name| *name < row.group) as i64).to_le_bytes());
        split.extend((row.split as i64).to_le_bytes());
        image.extend_from_slice(row.image.as_bytes());
    }
    let n = image.len() / 32;
    let tensors = [
        ("features", TensorView::new(Dtype::F32, vec![n, features.dim], &x)?),
        ("labels", TensorView::new(Dtype::I64, vec![n], &label)?),
        ("groups", TensorView::new(Dtype::I64, vec![n], &group)?),
        ("split", TensorView::new(Dtype::I64, vec![n], &split)?),
        ("images", TensorView::new(Dtype::U8, vec![n, 32], &image)?),
    ];
    let metadata = [("classes".to_owned(), serde_json::to_string(&classes)?)];
    Ok(safetensors::serialize(tensors, Some(metadata.into()))?)
}

/// Prints what happens.
struct Console {
    start: Instant,
}

impl Console {
    fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an example is run by a person, at the person's time"
        )]
        let start = Instant::now();
        Self { start }
    }
}

impl Observer for Console {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn stage_started(&self, _: Stage) {}

    fn stage_finished(&self, _: Stage, _: i64) {}

    fn progress(&self, progress: Progress) {
        eprint!("\r{} {}/{} ", progress.stage.as_str(), progress.done, progress.total);
    }

    fn finding(&self, finding: Finding) {
        println!("{}", finding.message);
    }

    fn look(&self, _: &Look) -> Option<Vec<Look>> {
        Some(Vec::new())
    }

    fn verdict(&self, _: &Verdict) {}
}

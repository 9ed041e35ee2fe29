//! Extraction alone: `extract FOLDER [STORE]`. Every file in FOLDER is an image; prints images per second, where the time of
//! one core goes, how busy the cores were and the memory that was taken beside what is mapped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::change::Look;
use domain::dataset::Finding;
use domain::event::Progress;
use domain::gate::verdict::Verdict;
use domain::ids::{Digest, ProjectId};
use domain::job::Stage;
use trainer::artifacts::{ArtifactKey, Artifacts};
use trainer::features::{Cache, extract};
use trainer::images;
use trainer::observer::Observer;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let Some(folder) = arguments.first() else {
        return Err("usage: extract FOLDER [STORE]".into());
    };
    let scratch = tempfile::tempdir()?;
    let store = arguments.get(1).map_or(scratch.path(), PathBuf::as_path);
    let runtime = tokio::runtime::Runtime::new()?;
    let objects = object_store::local::LocalFileSystem::new_with_prefix(store)?;
    let artifacts = Artifacts::new(Arc::new(objects), runtime.handle().clone());
    let cache = Cache::in_folder(artifacts.clone(), store);
    let project = ProjectId("example".to_owned());
    let backbones = trainer::bundled::backbones();
    let backbone = backbones.first();

    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|file| Ok(file?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    let images: Vec<Digest> = paths
        .iter()
        .map(|path| {
            let bytes = Bytes::from(std::fs::read(path)?);
            let image = Digest::of(&bytes);
            artifacts.put(&ArtifactKey::image(&project, &image), bytes)?;
            Ok(image)
        })
        .collect::<Result<_, Failure>>()?;
    let clock = Clock::new();
    let busy_before = cpu_ticks()?;
    let extraction = extract(&cache, &project, backbone, &images, u64::MAX, &clock)?;
    let seconds = clock.0.elapsed().as_secs_f64();
    let n_cores = std::thread::available_parallelism()?.get();
    let busy = (cpu_ticks()? - busy_before) as f64 / 100.0 / seconds / n_cores as f64;
    println!(
        "{} images ({} cached, {} findings) in {seconds:.2} s: {:.1} images/s, cores {:.0} % busy",
        images.len(),
        extraction.n_cached,
        extraction.findings.len(),
        extraction.n_extracted as f64 / seconds,
        busy * 100.0
    );
    for line in std::fs::read_to_string("/proc/self/status")?.lines() {
        if ["VmHWM", "RssAnon", "RssFile"]
            .iter()
            .any(|name| line.starts_with(name))
        {
            println!("{line}");
        }
    }
    if let Some(path) = paths.first() {
        parts(path, backbone)?;
    }
    Ok(())
}

/// Where the time of one image goes on one core.
fn parts(path: &Path, backbone: &engine::Backbone) -> Result<(), Failure> {
    let bytes = std::fs::read(path)?;
    let mut stream = backbone.stream();
    let mut row = vec![0.0; backbone.dim()];
    let decoded = images::decode(&bytes)?;
    let prepared = backbone
        .preprocessing()
        .apply(&decoded.pixels, decoded.width, decoded.height)?;
    println!("{} x {}, {} KB:", decoded.width, decoded.height, bytes.len() / 1000);
    let time = |what: &str, each: &mut dyn FnMut()| {
        let begun = Clock::new();
        let mut n = 0_u32;
        while begun.0.elapsed() < Duration::from_millis(700) {
            each();
            n += 1;
        }
        let each_ms = begun.0.elapsed().as_secs_f64() * 1e3 / f64::from(n);
        println!("{what:>9} {each_ms:7.2} ms");
    };
    time("hash", &mut || {
        std::hint::black_box(Digest::of(&bytes));
    });
    time("decode", &mut || drop(std::hint::black_box(images::decode(&bytes))));
    time("resize", &mut || {
        let resized = backbone
            .preprocessing()
            .apply(&decoded.pixels, decoded.width, decoded.height);
        drop(std::hint::black_box(resized));
    });
    time("forward", &mut || {
        let done = stream.features(&prepared, &mut row);
        drop(std::hint::black_box(done));
    });
    Ok(())
}

/// Hundredths of a second that this process computed.
fn cpu_ticks() -> Result<u64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an example is run by a person, at the person's time"
        )]
        let now = Instant::now();
        Self(now)
    }
}

impl Observer for Clock {
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
    fn cancelled(&self) -> bool {
        false
    }
    fn stage_started(&self, _: Stage) {}
    fn stage_finished(&self, _: Stage, _: i64) {}
    fn progress(&self, _: Progress) {}
    fn finding(&self, finding: Finding) {
        println!("{}", finding.message);
    }
    fn look(&self, _: &Look) -> Option<Vec<Look>> {
        None
    }
    fn verdict(&self, _: &Verdict) {}
}

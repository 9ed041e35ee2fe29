//! From stored photos to rows: one reader that looks ahead a little, one stream per core, one collector that caches.
//!
//! Memory is bounded by the channels: a few files and one decoded image per core, whatever the number of images.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use domain::dataset::{Finding, FindingKind};
use domain::event::Progress;
use domain::ids::{Digest, ProjectId};
use domain::job::Stage;
use engine::{Backbone, Stream};
use futures::{StreamExt, stream};
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::{Extraction, FeatureError, Fetched, fetch, segment};
use crate::artifacts::{self, ArtifactError, ArtifactKey, Artifacts};
use crate::images;
use crate::observer::Observer;

/// Rows of a segment: a kill loses at most so many.
const SEGMENT_ROWS: usize = 256;
/// Files that are read at once.
const CONCURRENT_READS: usize = 4;
/// Least time between two progress reports.
const REPORT_EVERY_MS: u64 = 250;
/// How often cancellation and deadline are looked at while no image becomes ready.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Rows of `images`, cached or computed, in this order of priority, until `stop_at_ms` of the observer's time.
///
/// # Errors
/// The object store failed, or the observer said stop. A missing or damaged image is a finding, not an error.
pub fn extract(
    artifacts: &Artifacts,
    project: &ProjectId,
    backbone: &Backbone,
    images: &[Digest],
    stop_at_ms: u64,
    observer: &dyn Observer,
) -> Result<Extraction, FeatureError> {
    let fetched = fetch(artifacts, backbone, images, observer)?;
    extract_missing(artifacts, project, backbone, fetched, stop_at_ms, observer)
}

/// The second half of [`extract`]: compute what was not cached, on all cores.
///
/// # Errors
/// As [`extract`].
pub fn extract_missing(
    artifacts: &Artifacts,
    project: &ProjectId,
    backbone: &Backbone,
    fetched: Fetched,
    stop_at_ms: u64,
    observer: &dyn Observer,
) -> Result<Extraction, FeatureError> {
    let n_threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    extract_on(n_threads, artifacts, project, backbone, fetched, stop_at_ms, observer)
}

/// What became of an image.
type Computed = Result<Vec<f16>, Finding>;

fn extract_on(
    n_threads: usize,
    artifacts: &Artifacts,
    project: &ProjectId,
    backbone: &Backbone,
    fetched: Fetched,
    stop_at_ms: u64,
    observer: &dyn Observer,
) -> Result<Extraction, FeatureError> {
    let todo = fetched.missing.clone();
    let n_threads = n_threads.clamp(1, todo.len().max(1));
    let stop = AtomicBool::new(todo.is_empty());
    let (read, to_compute) = sync_channel(n_threads);
    let to_compute = Mutex::new(to_compute);
    let (computed, collected) = sync_channel(2 * n_threads);
    std::thread::scope(|scope| {
        let (stop, todo, to_compute) = (&stop, &todo, &to_compute);
        scope.spawn(move || read_ahead(artifacts, project, todo, stop, &read));
        for _ in 0..n_threads {
            let computed = computed.clone();
            scope.spawn(move || compute(backbone, to_compute, stop, &computed));
        }
        drop(computed);
        let mut collector = Collector {
            artifacts,
            observer,
            n_cached: fetched.n_cached(),
            fetched,
            unsaved: Vec::new(),
            findings: Vec::new(),
            n_done: 0,
            started_ms: observer.elapsed_ms(),
            reported_ms: None,
        };
        let ended = collector.run(&collected, stop, stop_at_ms);
        // Threads that wait to send must find the door open, or they would never see that they shall stop.
        stop.store(true, Ordering::Relaxed);
        collected.iter().for_each(drop);
        // What was computed is kept, also on the way out.
        collector.save()?;
        ended?;
        Ok(collector.finish())
    })
}

/// An image's bytes, or what the store answered instead.
type Read = (Digest, Result<Option<Bytes>, ArtifactError>);

/// Reads files in order, a few at once, and no further ahead than the channel is long.
fn read_ahead(
    artifacts: &Artifacts,
    project: &ProjectId,
    images: &[Digest],
    stop: &AtomicBool,
    read: &SyncSender<Read>,
) {
    let files = stream::iter(images).map(|image| async move {
        let key = ArtifactKey::image(project, image);
        (*image, artifacts::get(&**artifacts.store(), &key).await)
    });
    let mut files = std::pin::pin!(files.buffered(CONCURRENT_READS));
    while !stop.load(Ordering::Relaxed) {
        // Sending blocks, which the runtime's own threads must never do; so only the reading runs on it.
        let Some(file) = artifacts.runtime().block_on(files.next()) else {
            return;
        };
        if read.send(file).is_err() {
            return;
        }
    }
}

type Outcome = (Digest, Result<Computed, ArtifactError>);

fn compute(backbone: &Backbone, files: &Mutex<Receiver<Read>>, stop: &AtomicBool, computed: &SyncSender<Outcome>) {
    let mut stream = backbone.stream();
    let mut row = vec![0.0; backbone.dim()];
    loop {
        let next = files.lock().map(|files| files.recv());
        let Ok(Ok((image, file))) = next else {
            return;
        };
        if stop.load(Ordering::Relaxed) {
            // Keep taking, so that the reader, which may wait to send, sees the stop as well.
            continue;
        }
        let outcome = file.map(|bytes| feature(backbone, &mut stream, &mut row, &image, bytes.as_deref()));
        if computed.send((image, outcome)).is_err() {
            return;
        }
    }
}

/// The row of one image, rounded to half precision.
fn feature(
    backbone: &Backbone,
    stream: &mut Stream,
    row: &mut [f32],
    image: &Digest,
    bytes: Option<&[u8]>,
) -> Computed {
    let left_out = |kind: FindingKind, message: String| Finding {
        kind,
        name: String::new(),
        image: Some(*image),
        message,
    };
    let missing = |what: &str| {
        let message = format!("image {} {what}; it was left out, upload it again", image.short());
        left_out(FindingKind::Missing, message)
    };
    let bytes = bytes.ok_or_else(|| missing("is not in the object store"))?;
    if Digest::of(bytes) != *image {
        return Err(missing("is damaged in the object store"));
    }
    let undecodable = |error: String| {
        let message = format!("image {} was left out: {error}", image.short());
        left_out(FindingKind::Undecodable, message)
    };
    let decoded = images::decode(bytes).map_err(|error| undecodable(error.to_string()))?;
    let prepared = backbone
        .preprocessing()
        .apply(&decoded.pixels, decoded.width, decoded.height);
    let prepared = prepared.map_err(|error| undecodable(error.to_string()))?;
    stream
        .features(&prepared, row)
        .map_err(|error| undecodable(error.to_string()))?;
    let mut halves = vec![f16::ZERO; row.len()];
    halves.convert_from_f32_slice(row);
    Ok(halves)
}

struct Collector<'a> {
    artifacts: &'a Artifacts,
    observer: &'a dyn Observer,
    fetched: Fetched,
    n_cached: usize,
    unsaved: Vec<(Digest, Vec<f16>)>,
    findings: Vec<Finding>,
    /// Images that became a row or a finding.
    n_done: usize,
    started_ms: u64,
    reported_ms: Option<u64>,
}

impl Collector<'_> {
    /// Until all is done, time is out (both `Ok`), a person cancelled, or the store failed.
    fn run(&mut self, computed: &Receiver<Outcome>, stop: &AtomicBool, stop_at_ms: u64) -> Result<(), FeatureError> {
        while self.n_done < self.fetched.missing.len() {
            if self.observer.cancelled() {
                return Err(FeatureError::Cancelled);
            }
            if self.observer.elapsed_ms() >= stop_at_ms {
                stop.store(true, Ordering::Relaxed);
                return self.drain(computed);
            }
            match computed.recv_timeout(LOOK_EVERY) {
                Ok(outcome) => self.take(outcome)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }

    /// The images that were under way when time ran out.
    fn drain(&mut self, computed: &Receiver<Outcome>) -> Result<(), FeatureError> {
        computed.iter().try_for_each(|outcome| self.take(outcome))
    }

    fn take(&mut self, (image, outcome): Outcome) -> Result<(), FeatureError> {
        self.n_done += 1;
        match outcome? {
            Ok(row) => {
                self.fetched.fill(&image, &row);
                self.unsaved.push((image, row));
            }
            Err(finding) => {
                self.observer.finding(finding.clone());
                self.findings.push(finding);
            }
        }
        if self.unsaved.len() >= SEGMENT_ROWS {
            self.save()?;
        }
        self.report();
        Ok(())
    }

    fn save(&mut self) -> Result<(), FeatureError> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let (name, bytes) = segment::encode(self.fetched.dim, &mut self.unsaved);
        // The name is the content's digest: whoever writes it writes the same, and a damaged one is healed.
        self.artifacts
            .replace(&ArtifactKey::feature_segment(&self.fetched.space, &name), bytes)?;
        self.unsaved.clear();
        Ok(())
    }

    fn report(&mut self) {
        let (done, total) = (self.n_done, self.fetched.missing.len());
        let now_ms = self.observer.elapsed_ms();
        let soon = self
            .reported_ms
            .is_some_and(|last_ms| now_ms < last_ms + REPORT_EVERY_MS);
        if soon && done < total {
            return;
        }
        self.reported_ms = Some(now_ms);
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let spent_ms = now_ms.saturating_sub(self.started_ms).max(1);
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of images and milliseconds are far below 2^53"
        )]
        let (rate_per_s, left) = (done as f64 * 1e3 / spent_ms as f64, (total - done) as f64);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a finite, positive number of milliseconds; `as` saturates"
        )]
        let left_ms = (left / rate_per_s * 1e3) as i64;
        self.observer.progress(Progress {
            stage: Stage::Extract,
            done: count(done),
            total: count(total),
            rate_per_s,
            left_ms,
        });
    }

    fn finish(mut self) -> Extraction {
        self.findings.sort();
        let complete = self.n_done == self.fetched.missing.len();
        Extraction {
            n_cached: self.n_cached,
            n_extracted: self.n_done - self.findings.len(),
            findings: self.findings,
            complete,
            features: self.fetched.into_features(),
        }
    }
}

#[cfg(test)]
mod tests;

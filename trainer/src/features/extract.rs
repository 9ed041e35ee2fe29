//! From stored photos to rows: one reader that looks ahead a little, one stream per core, one collector that caches.
//!
//! Memory is bounded whatever the number and the size of the images: channels hold a few files per core, files wait until
//! there is room for their bytes, and images until there is room for their pixels.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::dataset::{Finding, FindingKind};
use domain::event::Progress;
use domain::ids::{Digest, ProjectId};
use domain::job::Stage;
use engine::{Backbone, EngineError, Stream};
use futures::{StreamExt, stream};
use half::f16;
use half::slice::HalfFloatSliceExt;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::budget::Budget;
use super::write::Writer;
use super::{Cache, Extraction, FeatureError, Fetched, fetch};
use crate::artifacts::{self, ArtifactError, ArtifactKey, Artifacts, OpenObject};
use crate::images;
use crate::observer::Observer;

/// Files that are read at once.
const CONCURRENT_READS: usize = 4;
/// Bytes of files that are read and not yet decoded, KiB; a larger file is read alone.
const READ_KIB: u32 = 64 * 1024;
/// Bytes of images that are decoded at once: as many as the largest photo takes. What takes more is decoded alone.
const DECODED_BYTES: u64 = 3 * images::MAX_PIXELS;
/// Least time between two progress reports.
const REPORT_EVERY_MS: u64 = 250;
/// How often cancellation and deadline are looked at while no image becomes ready.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Rows of `images`, cached or computed, in this order of priority, until `stop_at_ms` of the observer's time.
///
/// # Errors
/// The object store failed, or the observer said stop. A missing or damaged image is a finding, not an error.
pub fn extract(
    cache: &Cache,
    project: &ProjectId,
    backbone: &Backbone,
    images: &[Digest],
    stop_at_ms: u64,
    observer: &dyn Observer,
) -> Result<Extraction, FeatureError> {
    let fetched = fetch(cache, backbone, images, observer)?;
    extract_missing(cache, project, backbone, fetched, stop_at_ms, observer)
}

/// The second half of [`extract`]: compute what was not cached, on all cores.
///
/// # Errors
/// As [`extract`].
pub fn extract_missing(
    cache: &Cache,
    project: &ProjectId,
    backbone: &Backbone,
    fetched: Fetched,
    stop_at_ms: u64,
    observer: &dyn Observer,
) -> Result<Extraction, FeatureError> {
    let n_threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    extract_on(n_threads, cache, project, backbone, fetched, stop_at_ms, observer)
}

/// What became of an image.
type Computed = Result<Vec<f16>, NoRow>;

/// Why an image has no row.
enum NoRow {
    /// It was left out.
    LeftOut(Finding),
    /// The device that computes failed, for which no image is to blame.
    Device(EngineError),
}

impl From<Finding> for NoRow {
    fn from(finding: Finding) -> Self {
        Self::LeftOut(finding)
    }
}

fn extract_on(
    n_threads: usize,
    cache: &Cache,
    project: &ProjectId,
    backbone: &Backbone,
    fetched: Fetched,
    stop_at_ms: u64,
    observer: &dyn Observer,
) -> Result<Extraction, FeatureError> {
    let todo = fetched.missing().to_vec();
    let n_threads = n_threads.clamp(1, todo.len().max(1));
    let stop = AtomicBool::new(todo.is_empty());
    let (read, to_compute) = sync_channel(n_threads);
    let to_compute = Mutex::new(to_compute);
    let decoding = Budget::new(DECODED_BYTES);
    let (computed, collected) = sync_channel(2 * n_threads);
    std::thread::scope(|scope| {
        let (stop, todo) = (&stop, &todo);
        let source = Files {
            to_compute: &to_compute,
            decoding: &decoding,
            stop,
        };
        scope.spawn(move || read_ahead(&cache.artifacts, project, todo, stop, &read));
        for _ in 0..n_threads {
            let computed = computed.clone();
            scope.spawn(move || compute(backbone, source, &computed));
        }
        drop(computed);
        let mut collector = Collector {
            observer,
            writer: Writer::new(cache, fetched.space, fetched.dim),
            n_missing: fetched.missing().len(),
            fetched,
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
        collector.writer.flush()?;
        ended?;
        collector.finish()
    })
}

/// An image's bytes and the room that they take, or what the store answered instead.
type Read = (Digest, Result<Option<(Bytes, Room)>, ArtifactError>);

/// Given back when dropped.
type Room = Option<OwnedSemaphorePermit>;

/// Reads files in order, a few at once, and no further ahead than the channel is long.
fn read_ahead(
    artifacts: &Artifacts,
    project: &ProjectId,
    images: &[Digest],
    stop: &AtomicBool,
    read: &SyncSender<Read>,
) {
    let room = Arc::new(Semaphore::new(READ_KIB as usize));
    let open = |image: &Digest| {
        let (image, key) = (*image, ArtifactKey::image(project, image));
        async move { (image, artifacts::open(&**artifacts.store(), &key).await) }
    };
    // One after the other, so that files which have room are never held back by an earlier one that has none.
    let wait = |(image, opened): (Digest, Result<Option<OpenObject>, ArtifactError>)| {
        let room = Arc::clone(&room);
        async move {
            let size_kib = match &opened {
                Ok(Some(object)) => object.size_bytes().div_ceil(1024),
                _ => 0,
            };
            let size_kib = u32::try_from(size_kib).unwrap_or(READ_KIB).min(READ_KIB);
            (image, opened, room.acquire_many_owned(size_kib).await.ok())
        }
    };
    let read_one = |(image, opened, room): (Digest, Result<Option<OpenObject>, ArtifactError>, Room)| async move {
        let file = match opened {
            Ok(Some(object)) => object.bytes().await.map(|bytes| Some((bytes, room))),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        (image, file)
    };
    let files = stream::iter(images).map(open).buffered(CONCURRENT_READS).then(wait);
    let mut files = std::pin::pin!(files.map(read_one).buffered(CONCURRENT_READS));
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

/// Where threads that compute get their work.
#[derive(Clone, Copy)]
struct Files<'a> {
    to_compute: &'a Mutex<Receiver<Read>>,
    decoding: &'a Budget,
    stop: &'a AtomicBool,
}

fn compute(backbone: &Backbone, files: Files<'_>, computed: &SyncSender<Outcome>) {
    let mut stream = backbone.stream();
    let mut row = vec![0.0; backbone.dim()];
    loop {
        let next = files.to_compute.lock().map(|files| files.recv());
        let Ok(Ok((image, file))) = next else {
            return;
        };
        if files.stop.load(Ordering::Relaxed) {
            // Keep taking, so that the reader, which may wait to send, sees the stop as well.
            continue;
        }
        let outcome = file.map(|file| {
            let bytes = file.as_ref().map(|(bytes, _)| &bytes[..]);
            feature(backbone, &mut stream, &mut row, &image, (bytes, files.decoding))
        });
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
    (bytes, decoding): (Option<&[u8]>, &Budget),
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
        return Err(missing("is damaged in the object store").into());
    }
    let undecodable = |error: String| {
        let message = format!("image {} was left out: {error}", image.short());
        left_out(FindingKind::Undecodable, message)
    };
    let decoded = images::decode_held(bytes, |size_bytes| decoding.hold(size_bytes));
    let (decoded, held) = decoded.map_err(|error| undecodable(error.to_string()))?;
    let prepared = backbone
        .preprocessing()
        .apply(&decoded.pixels, decoded.width, decoded.height);
    let prepared = prepared.map_err(|error| undecodable(error.to_string()))?;
    // The forward pass needs neither.
    drop((decoded, held));
    stream.features(&prepared, row).map_err(|error| match error {
        EngineError::Device { .. } => NoRow::Device(error),
        image => undecodable(image.to_string()).into(),
    })?;
    let mut halves = vec![f16::ZERO; row.len()];
    halves.convert_from_f32_slice(row);
    Ok(halves)
}

struct Collector<'a> {
    observer: &'a dyn Observer,
    writer: Writer<'a>,
    fetched: Fetched,
    n_missing: usize,
    findings: Vec<Finding>,
    /// Images that became a row or a finding.
    n_done: usize,
    started_ms: u64,
    reported_ms: Option<u64>,
}

impl Collector<'_> {
    /// Until all is done, time is out (both `Ok`), a person cancelled, or the store failed.
    fn run(&mut self, computed: &Receiver<Outcome>, stop: &AtomicBool, stop_at_ms: u64) -> Result<(), FeatureError> {
        while self.n_done < self.n_missing {
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
                let now_ms = self.observer.elapsed_ms();
                self.writer.push(image, row, now_ms, &mut self.fetched)?;
            }
            Err(NoRow::Device(error)) => return Err(error.into()),
            Err(NoRow::LeftOut(finding)) => {
                self.observer.finding(finding.clone());
                self.findings.push(finding);
            }
        }
        self.report();
        Ok(())
    }

    fn report(&mut self) {
        let (done, total) = (self.n_done, self.n_missing);
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

    fn finish(mut self) -> Result<Extraction, FeatureError> {
        self.writer.finish(&mut self.fetched)?;
        self.findings.sort();
        Ok(Extraction {
            n_cached: self.fetched.n_cached(),
            n_extracted: self.n_done - self.findings.len(),
            findings: self.findings,
            complete: self.n_done == self.n_missing,
            features: self.fetched.into_features(),
        })
    }
}

#[cfg(test)]
mod tests;

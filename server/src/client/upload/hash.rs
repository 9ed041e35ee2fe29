//! Hashes photos on all cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use domain::ids::Digest;

use super::super::output::Output;
use super::collect::{Photo, Reader};

/// The digest of each photo, or why it cannot be read.
pub(super) async fn all(photos: &Arc<Vec<Photo>>, output: &Output) -> Vec<Result<Digest, String>> {
    let n_done = Arc::new(AtomicUsize::new(0));
    let task = {
        let (photos, n_done) = (Arc::clone(photos), Arc::clone(&n_done));
        tokio::task::spawn_blocking(move || on_all_cores(&photos, &n_done))
    };
    tokio::pin!(task);
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(200));
    let hashes = loop {
        tokio::select! {
            hashes = &mut task => break hashes,
            _ = ticks.tick() => {
                output.progress(|| format!("hashing {} of {}", n_done.load(Ordering::Relaxed), photos.len()));
            }
        }
    };
    output.clear_progress();
    hashes.unwrap_or_else(|panic| vec![Err(format!("hashing stopped: {panic}")); photos.len()])
}

fn on_all_cores(photos: &[Photo], n_done: &AtomicUsize) -> Vec<Result<Digest, String>> {
    let n_threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(photos.len().max(1));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reader = Reader::default();
        let mut hashes = Vec::new();
        loop {
            let idx = next.fetch_add(1, Ordering::Relaxed);
            let Some(photo) = photos.get(idx) else { return hashes };
            hashes.push((idx, reader.read(&photo.source).map(|bytes| Digest::of(&bytes))));
            n_done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut hashes: Vec<(usize, Result<Digest, String>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    hashes.sort_by_key(|(idx, _)| *idx);
    hashes.into_iter().map(|(_, hash)| hash).collect()
}

//! Sends the photos that the server does not have, several at a time, again where the line broke.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::api::{MissingImages, StoredImage};
use domain::ids::Digest;
use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::super::api::{Api, with_retries};
use super::super::durations;
use super::super::error::ClientError;
use super::super::output::{Output, bytes};
use super::collect::{Photo, Reader};

/// The server's limit on one question.
const MAX_DIGESTS_PER_CALL: usize = 10_000;
/// Photos on the way at the same time.
const CONCURRENCY: usize = 8;

/// What sending did.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Photos sent.
    pub(super) n_sent: usize,
    /// Their bytes.
    pub(super) sent_bytes: u64,
    /// Photos that the server refused, and its reason.
    pub(super) refused: Vec<(Digest, String)>,
}

enum Fate {
    Stored(u64),
    Refused(String),
}

/// Which of these the server does not have.
///
/// # Errors
/// As the API.
pub(super) async fn missing(api: &Api, digests: Vec<Digest>) -> Result<Vec<Digest>, ClientError> {
    let mut missing = Vec::new();
    for chunk in digests.chunks(MAX_DIGESTS_PER_CALL) {
        let body = MissingImages {
            project: Some(api.project().clone()),
            images: chunk.to_vec(),
        };
        let answer: MissingImages = with_retries(async || api.post(&["images", "missing"], &body).await).await?;
        missing.extend(answer.images);
    }
    // What was not asked for is not sent.
    missing.retain(|digest| digests.binary_search(digest).is_ok());
    missing.sort_unstable();
    missing.dedup();
    Ok(missing)
}

/// Sends them.
///
/// # Errors
/// The server cannot be reached for longer than the retries last, or refuses for a reason that is not the photo's.
pub(super) async fn all(
    api: &Api,
    photos: &Arc<Vec<Photo>>,
    found: &BTreeMap<Digest, Vec<usize>>,
    missing: &[Digest],
    output: &Output,
) -> Result<Sent, ClientError> {
    let readers = Arc::new(Mutex::new(Vec::new()));
    let begun = Instant::now();
    let mut sent = Sent::default();
    let mut fates = stream::iter(missing.iter().copied())
        .map(|digest| {
            let (photos, readers, idx) = (Arc::clone(photos), Arc::clone(&readers), found[&digest][0]);
            async move {
                let content = tokio::task::spawn_blocking(move || read(&photos[idx], &readers))
                    .await
                    .unwrap_or_else(|panic| Err(format!("reading stopped: {panic}")));
                (digest, send_one(api, digest, content).await)
            }
        })
        .buffer_unordered(CONCURRENCY);
    while let Some((digest, fate)) = fates.next().await {
        match fate? {
            Fate::Stored(size_bytes) => {
                sent.n_sent += 1;
                sent.sent_bytes += size_bytes;
            }
            Fate::Refused(reason) => sent.refused.push((digest, reason)),
        }
        output.progress(|| progress(&sent, missing.len(), begun));
    }
    output.clear_progress();
    sent.refused.sort_unstable();
    Ok(sent)
}

fn read(photo: &Photo, readers: &Mutex<Vec<Reader>>) -> Result<Vec<u8>, String> {
    let lock = || readers.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reader = lock().pop().unwrap_or_default();
    let content = reader.read(&photo.source);
    lock().push(reader);
    content
}

async fn send_one(api: &Api, digest: Digest, content: Result<Vec<u8>, String>) -> Result<Fate, ClientError> {
    let content = match content {
        Ok(content) => Bytes::from(content),
        Err(reason) => return Ok(Fate::Refused(reason)),
    };
    let size_bytes = content.len() as u64;
    let name = digest.to_string();
    let answer = with_retries(async || api.put_bytes::<StoredImage>(&["images", &name], content.clone()).await).await;
    match answer {
        Ok(_) => Ok(Fate::Stored(size_bytes)),
        Err(ClientError::Refused(problem)) if matches!(problem.status, 400 | 413 | 415 | 422) => {
            Ok(Fate::Refused(problem.detail))
        }
        Err(error) => Err(error),
    }
}

fn progress(sent: &Sent, n_missing: usize, begun: Instant) -> String {
    let n_done = sent.n_sent + sent.refused.len();
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    let rate_per_s = sent.sent_bytes.saturating_mul(1_000) / elapsed_ms;
    let left_ms = elapsed_ms / n_done.max(1) as u64 * (n_missing - n_done) as u64;
    format!(
        "sending {n_done} of {n_missing}, {}, {}/s, {} left",
        bytes(sent.sent_bytes),
        bytes(rate_per_s),
        durations::milliseconds(i64::try_from(left_ms).unwrap_or(i64::MAX))
    )
}

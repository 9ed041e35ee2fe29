//! The upload itself: hash every file, ask which the server lacks, send only those, make the version. What arrived once is
//! never sent again, so an upload that broke off goes on when the same files are dropped again.

use std::cell::RefCell;

use domain::api::{DEFAULT_PROJECT, LeftOut, MissingImages, NewDataset, NewDatasetVersion, NewItem};
use domain::dataset::{Dataset, DatasetVersion, Split};
use domain::ids::Digest;
use domain::layout;
use domain::names::{ClassName, DatasetName};
use futures::{StreamExt as _, stream};
use leptos::ev::{DragEvent, Event};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast as _;

use super::{Folder, Phase, Sending, Shared, Summary};
use crate::backend::{BackendError, SharedBackend, post_json};
use crate::browser::files::{self, Found};
use crate::browser::put_bytes;
use crate::components::loaded::segment;

/// Photos on the wire at once.
const AT_ONCE: usize = 4;
/// Digests in one question; the server takes 10,000.
const BATCH: usize = 5_000;
/// How often a photo is sent before it counts as failed.
const TRIES: usize = 3;

/// A file and what its place says.
struct File {
    found: Found,
    folder: Option<String>,
    split: Option<Split>,
}

thread_local! {
    /// The files of the drop zone: handles of the browser's, which no signal holds.
    static FILES: RefCell<(Vec<File>, Vec<LeftOut>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

pub(super) fn take_drop(event: &DragEvent, shared: Shared) {
    let Some(data) = event.data_transfer() else { return };
    // The browser forgets what was dropped when this handler returns, so the entries are taken now.
    let dropped = files::entries(&data);
    spawn_local(async move {
        let files = files::walk(dropped).await;
        take(files, shared).await;
    });
}

pub(super) fn take_chosen(event: &Event, shared: Shared) {
    let Some(input) = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok())
    else {
        return;
    };
    let chosen = files::chosen(&input);
    // The same folder can be chosen again.
    input.set_value("");
    spawn_local(take(chosen, shared));
}

async fn take(files: Vec<(String, web_sys::File)>, shared: Shared) {
    // What is on its way is not to be mixed with what comes.
    if shared.is_busy() {
        return;
    }
    shared.error.set(None);
    shared.summary.set(None);
    shared.sending.set(Sending {
        phase: Phase::Reading,
        total: files.len(),
        ..Sending::default()
    });
    let (found, left_out) = files::unpack(files).await;
    let files: Vec<File> = found
        .into_iter()
        .map(|found| {
            let parts: Vec<&str> = found.path.split('/').collect();
            let (folder, split) = layout::place(&parts[..parts.len().saturating_sub(1)]);
            File { found, folder, split }
        })
        .collect();
    // Files come in the order of their paths, so folders do as well.
    let mut counts: Vec<(Option<String>, usize)> = Vec::new();
    for file in &files {
        match counts.iter_mut().find(|(folder, _)| *folder == file.folder) {
            Some((_, n)) => *n += 1,
            None => counts.push((file.folder.clone(), 1)),
        }
    }
    let folders = counts.into_iter().map(|(name, n_files)| Folder {
        class: RwSignal::new(name.clone().unwrap_or_default()),
        name: StoredValue::new(name),
        n_files,
        kept: RwSignal::new(true),
    });
    shared.folders.set(folders.collect());
    FILES.with(|held| *held.borrow_mut() = (files, left_out));
    shared.sending.set(Sending::default());
}

pub(super) fn start(name: String, is_new: bool, shared: Shared) {
    let backend = use_backend_or_fetch();
    shared.stop.set(false);
    shared.error.set(None);
    spawn_local(async move {
        let (files, left_out) = FILES.with(RefCell::take);
        let outcome = upload(backend, &name, is_new, &files, left_out.clone(), shared).await;
        match outcome {
            Ok(Some(summary)) => {
                shared.folders.set(Vec::new());
                shared.sending.set(Sending {
                    phase: Phase::Done,
                    ..Sending::default()
                });
                shared.summary.set(Some(summary));
            }
            Ok(None) => {
                FILES.with(|held| *held.borrow_mut() = (files, left_out));
                shared.sending.set(Sending::default());
            }
            Err(error) => {
                FILES.with(|held| *held.borrow_mut() = (files, left_out));
                shared.sending.set(Sending::default());
                shared.error.set(Some(error));
            }
        }
    });
}

/// Event handlers run outside of the page's context.
fn use_backend_or_fetch() -> SharedBackend {
    use_context::<SharedBackend>().unwrap_or_else(|| std::sync::Arc::new(crate::browser::Fetch))
}

/// None where somebody stopped it.
async fn upload(
    backend: SharedBackend,
    name: &str,
    is_new: bool,
    files: &[File],
    mut left_out: Vec<LeftOut>,
    shared: Shared,
) -> Result<Option<Summary>, BackendError> {
    let classes: Vec<(Option<String>, ClassName)> = shared
        .folders
        .get_untracked()
        .into_iter()
        .filter(|folder| folder.kept.get_untracked())
        .filter_map(|folder| {
            Some((
                folder.name.get_value(),
                ClassName::new(folder.class.get_untracked()).ok()?,
            ))
        })
        .collect();
    let kept: Vec<(&File, &ClassName)> = files
        .iter()
        .filter_map(|file| {
            let (_, class) = classes.iter().find(|(folder, _)| *folder == file.folder)?;
            Some((file, class))
        })
        .collect();
    let name = dataset(&backend, name, is_new).await?;
    let total_bytes = kept.iter().map(|(file, _)| file.found.size_bytes).sum();
    let show = |phase, done, total, sent_bytes| {
        shared.sending.set(Sending {
            phase,
            done,
            total,
            sent_bytes,
            total_bytes,
        });
    };

    let mut hashed: Vec<(Digest, &File, &ClassName)> = Vec::with_capacity(kept.len());
    let mut read_bytes = 0;
    for (idx, (file, class)) in kept.iter().enumerate() {
        if shared.stop.get_untracked() {
            return Ok(None);
        }
        show(Phase::Hashing, idx, kept.len(), read_bytes);
        match file.found.bytes().await {
            Ok(bytes) => hashed.push((Digest::of(&bytes), file, class)),
            Err(reason) => left_out.push(out(file, reason)),
        }
        read_bytes += file.found.size_bytes;
    }

    let mut missing = Vec::new();
    for batch in hashed.chunks(BATCH) {
        let question = MissingImages {
            project: None,
            images: batch.iter().map(|(digest, _, _)| *digest).collect(),
        };
        let answer: MissingImages = post_json(backend.clone(), "/api/v1/images/missing", &question).await?;
        missing.extend(answer.images);
    }
    let to_send: Vec<(Digest, &File)> = {
        missing.sort_unstable();
        missing.dedup();
        let mut taken = vec![false; missing.len()];
        // The same photo may lie in two places; it is sent once.
        let first = hashed.iter().filter(|(digest, _, _)| {
            let Ok(idx) = missing.binary_search(digest) else {
                return false;
            };
            !std::mem::replace(&mut taken[idx], true)
        });
        first.map(|(digest, file, _)| (*digest, *file)).collect()
    };

    let total_bytes = to_send.iter().map(|(_, file)| file.found.size_bytes).sum();
    let mut refused: Vec<Digest> = Vec::new();
    let mut sent = stream::iter(to_send.iter().map(|(digest, file)| async move {
        if shared.stop.get_untracked() {
            return None;
        }
        Some((*digest, *file, send(*digest, file).await))
    }))
    .buffer_unordered(AT_ONCE);
    let (mut done, mut sent_bytes) = (0, 0);
    while let Some(one) = sent.next().await {
        let Some((digest, file, outcome)) = one else {
            return Ok(None);
        };
        done += 1;
        sent_bytes += file.found.size_bytes;
        shared.sending.set(Sending {
            phase: Phase::Sending,
            done,
            total: to_send.len(),
            sent_bytes,
            total_bytes,
        });
        match outcome {
            Ok(()) => {}
            // A picture that the server will not have is left out; anything else stops the upload.
            Err(error) if error.status == 422 || error.status == 413 => {
                refused.push(digest);
                left_out.push(out(file, error.sentence().to_owned()));
            }
            Err(error) => return Err(error),
        }
    }

    show(Phase::Making, to_send.len(), to_send.len(), sent_bytes);
    let items: Vec<NewItem> = hashed
        .iter()
        .filter(|(digest, _, _)| !refused.contains(digest))
        .map(|(digest, file, class)| NewItem {
            image: *digest,
            class: (*class).clone(),
            split: file.split,
            name: layout::shown(&file.found.path),
        })
        .collect();
    let n_known = hashed.len() - to_send.len();
    let version: DatasetVersion = post_json(
        backend,
        &format!("/api/v1/datasets/{}/versions", segment(name.as_str())),
        &NewDatasetVersion {
            items,
            proof_only: shared.proof_only.get_untracked(),
            left_out: left_out.clone(),
        },
    )
    .await?;
    Ok(Some(Summary {
        dataset: name.to_string(),
        n_images: version.n_images,
        version: version.number,
        n_known,
        left_out,
    }))
}

/// The dataset to upload to; a new one is made where there is none of that name yet.
async fn dataset(backend: &SharedBackend, name: &str, is_new: bool) -> Result<DatasetName, BackendError> {
    let name = DatasetName::new(name).map_err(|error| BackendError {
        status: 422,
        problem: None,
        message: error.to_string(),
    })?;
    if is_new {
        let new = NewDataset {
            project: None,
            name: name.clone(),
            request: None,
        };
        match post_json::<Dataset>(backend.clone(), "/api/v1/datasets", &new).await {
            Ok(_) => {}
            // It is there already: the photos come on top.
            Err(error) if error.status == 409 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(name)
}

async fn send(digest: Digest, file: &File) -> Result<(), BackendError> {
    let bytes = file
        .found
        .bytes()
        .await
        .map_err(|reason| BackendError::unreachable(&reason))?;
    let path = format!("/api/v1/images/{digest}?project={DEFAULT_PROJECT}");
    let mut tried = 0;
    loop {
        tried += 1;
        match put_bytes(&path, &bytes).await {
            // No answer: the line may be back for the next try.
            Err(error) if error.status == 0 && tried < TRIES => files::pause(500 * tried as i32).await,
            answer => return answer,
        }
    }
}

fn out(file: &File, reason: String) -> LeftOut {
    LeftOut {
        name: layout::shown(&file.found.path),
        reason,
    }
}

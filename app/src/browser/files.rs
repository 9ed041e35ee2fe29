//! Files of the reader's machine: what was chosen or dropped, folders walked, archives opened.

use std::rc::Rc;

use domain::api::LeftOut;
use domain::layout::{self, Kind};
use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive, ZipVerification, crc32};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, DataTransfer, File, FileSystemDirectoryEntry, FileSystemEntry, FileSystemFileEntry, HtmlInputElement,
    ReadableStreamDefaultReader, ReadableWritablePair,
};

/// Bytes of one photo; the server's own limit is the same.
const MAX_PHOTO_BYTES: u64 = 64 << 20;
/// An archive is read into memory as a whole.
const MAX_ARCHIVE_BYTES: u64 = 1 << 30;
/// Entries of one archive.
const MAX_ENTRIES: u64 = 200_000;

type Archive = Rc<ZipSliceArchive<Vec<u8>>>;

/// A photo, still where it was.
pub(crate) struct Found {
    /// Its path below what was dropped.
    pub(crate) path: String,
    pub(crate) size_bytes: u64,
    source: Source,
}

enum Source {
    File(File),
    Entry(Archive, Entry),
}

/// Where an archive holds a file, and how.
struct Entry {
    place: ZipArchiveEntryWayfinder,
    is_packed: bool,
}

impl Found {
    /// Its bytes.
    pub(crate) async fn bytes(&self) -> Result<Vec<u8>, String> {
        if self.size_bytes > MAX_PHOTO_BYTES {
            return Err("it is larger than 64 MiB".to_owned());
        }
        match &self.source {
            Source::File(file) => read(file).await,
            Source::Entry(archive, entry) => {
                let damaged = |error: rawzip::Error| format!("damaged in the archive: {error}");
                let stored = archive.get_entry(entry.place).map_err(damaged)?;
                let bytes = if entry.is_packed {
                    inflate(stored.data()).await?
                } else {
                    stored.data().to_vec()
                };
                let found = ZipVerification {
                    crc: crc32(&bytes),
                    uncompressed_size: bytes.len() as u64,
                };
                stored.claim_verifier().valid(found).map_err(damaged)?;
                Ok(bytes)
            }
        }
    }
}

#[wasm_bindgen]
extern "C" {
    /// The browser's own; web-sys has it behind a flag of the compiler's.
    type DecompressionStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<DecompressionStream, JsValue>;
}

/// What the browser unpacks of a raw DEFLATE stream (RFC 1951).
async fn inflate(packed: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |error: JsValue| format!("damaged in the archive: {}", said(&error));
    let blob = Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(packed))).map_err(failed)?;
    let way = DecompressionStream::new("deflate-raw").map_err(failed)?;
    let unpacked = blob.stream().pipe_through(way.unchecked_ref::<ReadableWritablePair>());
    let reader: ReadableStreamDefaultReader = unpacked.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    loop {
        let read = JsFuture::from(reader.read()).await.map_err(failed)?;
        let Ok(chunk) =
            Reflect::get(&read, &JsValue::from_str("value")).and_then(wasm_bindgen::JsCast::dyn_into::<Uint8Array>)
        else {
            return Ok(bytes);
        };
        // Declared sizes are the stranger's: bytes are counted while they inflate.
        if bytes.len() as u64 + u64::from(chunk.length()) > MAX_PHOTO_BYTES {
            let _ = reader.cancel();
            return Err("it is larger than 64 MiB".to_owned());
        }
        bytes.extend(chunk.to_vec());
    }
}

async fn read(file: &File) -> Result<Vec<u8>, String> {
    let buffer = JsFuture::from(file.array_buffer())
        .await
        .map_err(|error| said(&error))?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// What an input of files holds, with paths where a folder was chosen.
pub(crate) fn chosen(input: &HtmlInputElement) -> Vec<(String, File)> {
    let Some(list) = input.files() else {
        return Vec::new();
    };
    let files = (0..list.length()).filter_map(|idx| list.get(idx));
    files
        .map(|file| {
            let path = Reflect::get(&file, &JsValue::from_str("webkitRelativePath")).ok();
            let path = path.and_then(|path| path.as_string()).filter(|path| !path.is_empty());
            (path.unwrap_or_else(|| file.name()), file)
        })
        .collect()
}

/// What was dropped, before the browser forgets it.
pub(crate) fn entries(data: &DataTransfer) -> Vec<FileSystemEntry> {
    let items = data.items();
    let entries = (0..items.length()).filter_map(|idx| items.get(idx));
    entries
        .filter_map(|item| item.webkit_get_as_entry().ok().flatten())
        .collect()
}

/// All files of dropped files and folders, with their paths.
pub(crate) async fn walk(dropped: Vec<FileSystemEntry>) -> Vec<(String, File)> {
    let mut files = Vec::new();
    let mut waiting = dropped;
    while let Some(entry) = waiting.pop() {
        let path = entry.full_path().trim_start_matches('/').to_owned();
        if entry.is_file() {
            let entry: FileSystemFileEntry = entry.unchecked_into();
            let file = called(|resolve, reject| entry.file_with_callback_and_callback(resolve, reject)).await;
            if let Some(file) = file.and_then(|file| file.dyn_into().ok()) {
                files.push((path, file));
            }
        } else {
            let folder: FileSystemDirectoryEntry = entry.unchecked_into();
            let reader = folder.create_reader();
            // A reader gives a hundred entries at a time, and none at its end.
            loop {
                let read = called(|resolve, reject| {
                    let _ = reader.read_entries_with_callback_and_callback(resolve, reject);
                });
                let Some(batch) = read.await.and_then(|batch| batch.dyn_into::<Array>().ok()) else {
                    break;
                };
                if batch.length() == 0 {
                    break;
                }
                waiting.extend(batch.iter().map(JsValue::unchecked_into::<FileSystemEntry>));
            }
        }
    }
    files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    files
}

/// What a function of callbacks calls back with; none where it calls the second.
async fn called(call: impl FnOnce(&Function, &Function)) -> Option<JsValue> {
    let mut call = Some(call);
    let promise = Promise::new(&mut |resolve, reject| {
        if let Some(call) = call.take() {
            call(&resolve, &reject);
        }
    });
    JsFuture::from(promise).await.ok()
}

/// Photos among these files, archives opened; what can be none is left out, lists and hidden files without a word.
pub(crate) async fn unpack(files: Vec<(String, File)>) -> (Vec<Found>, Vec<LeftOut>) {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    let mut refuse = |name: &str, reason: String| {
        left_out.push(LeftOut {
            name: layout::shown(name),
            reason,
        });
    };
    for (path, file) in files {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sizes are whole and not negative"
        )]
        let size_bytes = file.size() as u64;
        match layout::kind(&path) {
            Kind::Photo => found.push(Found {
                path,
                size_bytes,
                source: Source::File(file),
            }),
            Kind::Sidecar => {}
            Kind::Archive if size_bytes > MAX_ARCHIVE_BYTES => {
                refuse(
                    &path,
                    "archives of more than 1 GiB are uploaded with the command line".to_owned(),
                );
            }
            Kind::Archive => match open(&file).await {
                Ok(archive) => found.extend(inside(&archive, &path, &mut refuse)),
                Err(reason) => refuse(&path, reason),
            },
        }
    }
    (found, left_out)
}

async fn open(file: &File) -> Result<Archive, String> {
    let bytes = read(file).await?;
    let archive = ZipArchive::from_slice(bytes).map_err(|error| format!("not a zip archive: {error}"))?;
    if archive.entries_hint() > MAX_ENTRIES {
        let n = archive.entries_hint();
        return Err(format!("it holds {n} entries; at most {MAX_ENTRIES} are read"));
    }
    Ok(Rc::new(archive))
}

fn inside(archive: &Archive, path: &str, refuse: &mut impl FnMut(&str, String)) -> Vec<Found> {
    let mut found = Vec::new();
    let mut entries = archive.entries();
    loop {
        let entry = match entries.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => return found,
            Err(error) => {
                // The list of an archive cannot be read past a fault.
                refuse(path, format!("damaged: {error}"));
                return found;
            }
        };
        if entry.is_dir() {
            continue;
        }
        let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
        if layout::is_hostile(&name) || entry.mode().is_symlink() || entry.flags().is_encrypted() {
            refuse(
                &name,
                "its path leaves the archive, or it is a link or encrypted".to_owned(),
            );
            continue;
        }
        let is_packed = match entry.compression_method() {
            CompressionMethod::STORE => false,
            CompressionMethod::DEFLATE => true,
            _ => {
                refuse(&name, "it is packed in a way that browsers do not unpack".to_owned());
                continue;
            }
        };
        match layout::kind(&name) {
            Kind::Photo => found.push(Found {
                path: name,
                size_bytes: entry.uncompressed_size_hint(),
                source: Source::Entry(
                    Rc::clone(archive),
                    Entry {
                        place: entry.wayfinder(),
                        is_packed,
                    },
                ),
            }),
            Kind::Sidecar => {}
            Kind::Archive => refuse(&name, "an archive inside an archive is not opened".to_owned()),
        }
    }
}

/// Waits.
pub(crate) async fn pause(ms: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        let window = leptos::prelude::window();
        let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
    });
    let _ = JsFuture::from(promise).await;
}

fn said(error: &JsValue) -> String {
    let text = error
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()));
    text.unwrap_or_else(|| "the browser could not read it".to_owned())
}

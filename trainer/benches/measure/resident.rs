//! The most memory that a worker takes while it extracts, MB, cached rows that are mapped from files left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::network::Network;
use crate::store::Store;
use crate::{Failure, old, serve as serve_rounds};

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(20);
const NETWORK: &str = "lite0_tap10";
/// Images of an extraction, a file beside the store.
const IMAGES_FILE: &str = "images.json";

/// Rounds of one worker each, which finds `n_old` images cached and extracts `n_new`.
pub(crate) fn serve(work: &Path, n_old: usize, n_new: usize) -> Result<(), Failure> {
    if !Path::new("/proc/self/smaps").exists() {
        println!(
            "{}",
            json!({ "skipped": "this system does not say what its processes' memory is" })
        );
        return Ok(());
    }
    let backbone = Network::named(NETWORK)?.backbone;
    let store = Store::empty(work, "resident")?;
    let old = old::put(&store, &backbone, n_old)?;
    let mut images: Vec<_> = old.into_iter().map(|row| row.image).collect();
    images.extend(store.put_photos(work, n_new)?);
    fs::write(store.folder.join(IMAGES_FILE), serde_json::to_vec(&images)?)?;
    let cached = store.cached()?;
    serve_rounds(&json!({}), || {
        store.forget_but(&cached)?;
        // A process of its own: memory that the preparation took and gave back would count otherwise.
        let worker = Command::new(std::env::current_exe()?)
            .arg("resident-alone")
            .arg(&store.folder)
            .arg(NETWORK)
            .stderr(Stdio::inherit())
            .output()?;
        if worker.status.success() {
            Ok(serde_json::from_slice::<Value>(&worker.stdout)?)
        } else {
            Err("the worker failed".into())
        }
    })
}

/// One worker: extracts what is missing in the store and says how much memory it took at most.
pub(crate) fn alone(folder: &Path, network: &str) -> Result<(), Failure> {
    let folder = folder.canonicalize()?;
    let store = Store::open(&folder)?;
    let images: Vec<domain::ids::Digest> = serde_json::from_slice(&fs::read(folder.join(IMAGES_FILE))?)?;
    let backbone = Network::named(network)?.backbone;
    let done = AtomicBool::new(false);
    let (extracted, most) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| -> Result<Memory, Failure> {
            let mut most = Memory::default();
            while !done.load(Ordering::Relaxed) {
                let now = Memory::now(&folder)?;
                most = if now.own_kb > most.own_kb { now } else { most };
                std::thread::park_timeout(EVERY);
            }
            Ok(most)
        });
        let extracted = store.extract(&backbone, &images);
        done.store(true, Ordering::Relaxed);
        (extracted, watcher.join())
    });
    let extracted = extracted?.n_extracted;
    let most = most.map_err(|_| "memory could not be watched")??;
    let note = format!(
        "beside {:.0} MB of mapped rows, {extracted} photos extracted",
        most.mapped_kb as f64 / 1e3
    );
    println!("{}", json!({ "value": most.own_kb as f64 * 1.024 / 1e3, "note": note }));
    Ok(())
}

/// Resident memory of this process, KiB.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// Everything but the next.
    own_kb: u64,
    /// Of files in the store's folder.
    mapped_kb: u64,
}

impl Memory {
    fn now(store: &Path) -> Result<Self, Failure> {
        let maps = fs::read_to_string("/proc/self/smaps")?;
        let mut resident: BTreeMap<bool, u64> = BTreeMap::new();
        let mut is_store = false;
        for line in maps.lines() {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("Rss:"), Some(kb)) => *resident.entry(is_store).or_default() += kb.parse::<u64>()?,
                // A mapping's own line: addresses, permissions, offset, device, inode, path.
                (Some(addresses), Some(_)) if !addresses.ends_with(':') => {
                    is_store = words.nth(3).is_some_and(|path| Path::new(path).starts_with(store));
                }
                _ => {}
            }
        }
        Ok(Self {
            own_kb: resident.get(&false).copied().unwrap_or_default(),
            mapped_kb: resident.get(&true).copied().unwrap_or_default(),
        })
    }
}

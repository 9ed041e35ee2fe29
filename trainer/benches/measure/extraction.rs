//! JPEG files to features on all cores, images a second: what a job does with photos that nobody saw before.

use std::path::Path;

use serde_json::json;

use crate::clock::Watch;
use crate::network::Network;
use crate::store::Store;
use crate::{Failure, serve as serve_rounds};

/// Rounds of the first `n` photos, with nothing cached.
pub(crate) fn serve(work: &Path, name: &str, n: usize) -> Result<(), Failure> {
    let network = Network::named(name)?;
    network.write(work, name)?;
    let store = Store::empty(work, "extraction")?;
    let images = store.put_photos(work, n)?;
    let nothing = store.cached()?;
    store.extract(&network.backbone, &images[..n.min(40)])?;
    serve_rounds(&json!({}), || {
        store.forget_but(&nothing)?;
        let watch = Watch::start();
        store.extract(&network.backbone, &images)?;
        Ok(json!({ "value": n as f64 / watch.seconds() }))
    })
}

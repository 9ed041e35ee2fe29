//! Pixels to feature on one thread, images a second.

use std::path::Path;

use serde_json::json;

use crate::clock::Watch;
use crate::network::Network;
use crate::{Failure, peak, serve as serve_rounds};

/// Rounds of `n` images, one after the other.
pub(crate) fn serve(work: &Path, name: &str, n: usize) -> Result<(), Failure> {
    let network = Network::named(name)?;
    let pixels = network.write(work, name)?;
    let mut stream = network.backbone.stream();
    let mut feature = vec![0.0; network.backbone.dim()];
    let mut run = |n: usize| -> Result<f64, Failure> {
        let watch = Watch::start();
        for image in pixels.iter().cycle().take(n) {
            stream.features(image, &mut feature)?;
        }
        Ok(watch.seconds())
    };
    run(n.min(20))?;
    let ready = json!({ "kernel": network.backbone.kernel(), "macs": network.macs });
    serve_rounds(&ready, || {
        let rate = n as f64 / run(n)?;
        // Right behind the round, so that a core that runs slower just now is measured slower as well.
        let share = peak::flop_per_s().map(|peak| 2.0 * network.macs as f64 * rate / peak);
        Ok(json!({ "value": rate, "share": share }))
    })
}

//! Prints images a second of the forward pass on one thread: `cargo run -p engine --example rate`.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::unwrap_used, reason = "a measurement, not a library")]

use std::time::Instant;

use engine::{Backbone, Pool, Preprocessing, Recipe, Spec, Tap};

const WEIGHTS: &[u8] = include_bytes!("../../assets/efficientnet_lite0.features.fp16.safetensors");

fn main() {
    let gap = Recipe {
        tap: Tap::Head,
        pool: Pool::Gap,
    };
    for recipe in [Recipe::default_lite0(), gap] {
        let spec = Spec::efficientnet_lite0();
        let macs = spec.cost(&recipe).unwrap().macs;
        let backbone = Backbone::load(spec, recipe, Preprocessing::efficientnet_lite0(), WEIGHTS).unwrap();
        let pixels: Vec<u8> = (0..224 * 224 * 3_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut stream = backbone.stream();
        let mut feature = vec![0.0; backbone.dim()];
        let rounds: Vec<f64> = (0..60)
            .map(|_| {
                let start = Instant::now();
                stream.features(&pixels, &mut feature).unwrap();
                start.elapsed().as_secs_f64()
            })
            .collect();
        let mean = rounds.iter().sum::<f64>() / rounds.len() as f64;
        let best = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        println!(
            "{recipe}, {}: {:.1} images/s (best {:.1}), {:.1} GMAC/s",
            backbone.kernel(),
            1.0 / mean,
            1.0 / best,
            macs as f64 / best / 1e9
        );
    }
}

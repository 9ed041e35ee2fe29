//! Kernels at the shapes that networks call them with, and whole networks cut at their taps; one thread.
//!
//! Beside criterion's figures a line says which share of the f32 peak of the core the multiply-adds came to. Peak and share
//! are measured one right after the other, so that what else the machine does weighs on both.

#![expect(clippy::unwrap_used, reason = "a bench ends at its first surprise")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::cell::Cell;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use engine::{Backbone, Pool, Preprocessing, Recipe, Spec, Tap};

mod peak;
mod weights;

const GAP: Recipe = Recipe {
    tap: Tap::Head,
    pool: Pool::Gap,
};

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for (spec, recipe) in [
        (Spec::mobilenet_v2(), GAP),
        (Spec::efficientnet_lite0(), GAP),
        (Spec::efficientnet_lite0(), Recipe::default_lite0()),
    ] {
        let name = format!("{} {recipe}", spec.name);
        bench(&mut criterion, &name, spec, recipe);
    }
    for spec in [Spec::mobilenet_v2(), Spec::efficientnet_lite0()] {
        for block in 0..spec.blocks.len() {
            one_block(&mut criterion, &spec, block);
        }
    }
    criterion.final_summary();
}

/// A block by itself. The stem before it, 1×1 from three colours, is a few per cent of it.
fn one_block(criterion: &mut Criterion, whole: &Spec, block: usize) {
    let layers = whole.layers().unwrap();
    let of_block = |layer: &&engine::Layer| layer.block == u32::try_from(block).ok();
    let (first, last) = (
        layers.iter().find(of_block).unwrap(),
        layers.iter().rfind(of_block).unwrap(),
    );
    let depthwise = layers.iter().filter(of_block).find(|layer| layer.kernel > 1).unwrap();
    let name = format!(
        "{} block {block}, {}x{} {} to {} to {}, {}x{} by {}",
        whole.name,
        first.side_in,
        first.side_in,
        first.channels_in,
        depthwise.channels_out,
        last.channels_out,
        depthwise.kernel,
        depthwise.kernel,
        depthwise.stride
    );
    let mut spec = whole.clone();
    spec.blocks = vec![whole.blocks[block]];
    spec.input_side = first.side_in;
    spec.stem.kernel = 1;
    spec.stem.stride = 1;
    spec.stem.out = first.channels_in;
    let recipe = Recipe {
        tap: Tap::Block(0),
        pool: Pool::Gap,
    };
    bench(criterion, &name, spec, recipe);
}

fn bench(criterion: &mut Criterion, name: &str, spec: Spec, recipe: Recipe) {
    let macs = spec.cost(&recipe).unwrap().macs;
    let preprocessing = Preprocessing {
        side: spec.input_side,
        ..Preprocessing::efficientnet_lite0()
    };
    let weights = weights::seeded(&spec).unwrap();
    let backbone = Backbone::load(spec, recipe, preprocessing, &weights).unwrap();
    let pixels: Vec<u8> = (0..preprocessing.side * preprocessing.side * 3)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut stream = backbone.stream();
    let mut feature = vec![0.0; backbone.dim()];
    // Seconds of one image, at best.
    let best = Cell::new(f64::INFINITY);
    let mut group = criterion.benchmark_group("forward");
    group.throughput(Throughput::Elements(macs));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|n| {
            let start = Instant::now();
            for _ in 0..n {
                stream.features(&pixels, &mut feature).unwrap();
            }
            let spent = start.elapsed();
            best.set(best.get().min(spent.as_secs_f64() / n as f64));
            spent
        });
    });
    group.finish();
    // A filter on the command line may have left this one out.
    if let Some(peak) = peak::flop_per_s().filter(|_| best.get().is_finite()) {
        let rate = 2.0 * macs as f64 / best.get();
        println!(
            "{name}: {:.1} of {:.1} GFLOP/s at best, {:.0} % of the peak\n",
            rate / 1e9,
            peak / 1e9,
            100.0 * rate / peak
        );
    }
}

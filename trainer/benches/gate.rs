//! `gate_10k`: everything between logits and a verdict, on 10,000 sealed images of 11 classes.

#[path = "measure/gate.rs"]
mod measured;

use criterion::Criterion;
use domain::gate::policy::GatePolicy;

fn gate(criterion: &mut Criterion) {
    let (world, policy) = (measured::world(), GatePolicy::default_policy());
    criterion.bench_function("gate_10k", |bencher| bencher.iter(|| measured::report(&world, &policy)));
}

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    gate(&mut criterion);
    criterion.final_summary();
}

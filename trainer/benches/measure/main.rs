//! What `cargo xtask bench` measures of ours: `measure WHAT FOLDER …`, a process that lives as long as its bench.
//!
//! It prepares and warms up, says so with one line of JSON, and then answers every line it reads with one round's figure, in
//! the bench's unit: `{"value": …}`, with `"peer"` where the round measured what it is compared with as well, and `"note"`.
//! Scripts of the peers speak the same, so rounds of both can take turns while both stay warm.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of images, bytes and milliseconds are far below 2^53"
)]

mod clock;
mod extraction;
mod forward;
mod gate;
mod job;
mod network;
mod old;
mod photos;
mod refit;
mod resident;
mod store;

#[path = "../../engine/benches/kernels/peak.rs"]
mod peak;
#[path = "../../engine/benches/kernels/weights.rs"]
mod weights;

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let folder = arguments.get(1).map(Path::new);
    match (&arguments[..], folder) {
        (["photos", _, n], Some(folder)) => photos::make(folder, n.parse()?),
        (["forward", _, network, n], Some(folder)) => forward::serve(folder, network, n.parse()?),
        (["extraction", _, network, n], Some(folder)) => extraction::serve(folder, network, n.parse()?),
        (["refit", _], Some(folder)) => refit::serve(folder),
        (["warm-clone", _, n_old, n_new], Some(folder)) => job::serve_warm(folder, n_old.parse()?, n_new.parse()?),
        (["cached-job", _, n_old, n_new], Some(folder)) => job::serve_cached(folder, n_old.parse()?, n_new.parse()?),
        (["resident", _, n_old, n_new], Some(folder)) => resident::serve(folder, n_old.parse()?, n_new.parse()?),
        (["resident-alone", _, network], Some(folder)) => resident::alone(folder, network),
        (["gate", ..], _) => serve_gate(),
        _ => Err("usage: measure WHAT FOLDER …, as `cargo xtask bench` calls it".into()),
    }
}

fn serve_gate() -> Result<(), Failure> {
    let (world, policy) = (gate::world(), domain::gate::policy::GatePolicy::default_policy());
    gate::report(&world, &policy);
    serve(&json!({}), || {
        let watch = clock::Watch::start();
        gate::report(&world, &policy);
        Ok(json!({ "value": watch.seconds() * 1e3 }))
    })
}

/// Says that everything is ready, then answers line by line until nobody asks any more.
fn serve(ready: &Value, mut round: impl FnMut() -> Result<Value, Failure>) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({ "ready": ready }))?;
    out.flush()?;
    for line in std::io::stdin().lines() {
        line?;
        writeln!(out, "{}", round()?)?;
        out.flush()?;
    }
    Ok(())
}

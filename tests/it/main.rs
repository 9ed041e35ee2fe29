//! The API and the stories, over a real port, a real database and real files.
//!
//! One binary with its own `main`: cases run one after the other (each may use all cores), share servers whose features
//! are cached, and what was started is stopped at the end, also after a failure. `cargo test -p tests -- WORD…` runs the
//! cases with one of the words in their names. What a machine cannot run is told as a line `skipped: …`.

#[cfg(test)]
mod binary;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod photos;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(test)]
    return cases::run_all();
    #[cfg(not(test))]
    ExitCode::FAILURE
}

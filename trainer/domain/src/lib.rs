//! The vocabulary of Rehead and its pure rules.
//!
//! Owns: identifiers and names, the states of a job, the shapes that cross the wire, the gate's decision and the
//! statistics behind it. Refuses to know: files, databases, HTTP, clocks and random numbers. Compiles to wasm32, so the
//! page and the server judge by the same code.

pub mod api;
pub mod change;
pub mod dataset;
pub mod event;
pub mod forecast;
pub mod gate;
pub mod ids;
pub mod job;
pub mod judge;
pub mod layout;
pub mod metrics;
pub mod model;
pub mod names;
pub mod overrides;
pub mod people;
pub mod preview;
pub mod release;
pub mod report;
pub mod request;
pub mod scores;
pub mod split;
pub mod stats;

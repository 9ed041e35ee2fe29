//! The server: HTTP and SQL around the trainer, and the command line around the HTTP.
//!
//! Owns: what is asked over `/api/v1`, what is remembered in the database, who works on which job. Refuses to know how a
//! model is made.

// The type of a rendered page nests as deep as the page does.
#![recursion_limit = "512"]

pub mod admin;
mod api;
mod application;
mod auth;
pub mod cache;
pub mod client;
mod clock;
mod config;
pub mod db;
mod error;
mod ids;
pub mod jobs;
mod pages;
mod requests;
mod router;
mod state;
pub mod storage;

pub use application::{Application, StartError, migrate, work};
pub use clock::Clock;
pub use config::{ComputeConfig, Config, ConfigError, StorageConfig, WorkerConfig};

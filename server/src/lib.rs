//! stub
pub mod clock;
pub mod db;
pub mod ids;
pub mod jobs;

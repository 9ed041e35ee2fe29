//! The server of Rehead and the command line that speaks to it.

pub mod client;

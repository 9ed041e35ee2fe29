//! The stories live in the integration binary `it` (`main.rs`); this library is empty.

//! The control plane from outside: its stores, its API, its streams.

// Clippy exempts only functions with #[test]; what they call is as much a test.
#![allow(clippy::unwrap_used)]

mod api;
mod discovery;
mod store;

//! The command line from outside, against a real control plane.

// Clippy exempts only functions with #[test]; what they call is as much a test.
#![allow(clippy::unwrap_used)]

mod apply;
mod context;
mod credential;
mod fares;
mod offline;
mod register;
mod resource;
mod rollout;
mod server;

//! What tests of the whole are made of: control planes, nodes and upstreams in this process, on free
//! ports, and a client for each of their interfaces.
//!
//! Whatever goes wrong in here is a test that fails, so it panics and says what was tried.

#![allow(clippy::unwrap_used)]

pub mod admin;
pub mod condition;
pub mod control_plane;
pub mod database;
pub mod http;
pub mod node;
pub mod settings;
pub mod traffic;
pub mod upstream;
pub mod vault;

//! A node by itself: configurations are published to it directly, upstreams and clients are sockets.

#![allow(clippy::unwrap_used)]

mod gateway;
mod refusals;
mod requests;
mod upstream;

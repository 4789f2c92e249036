//! A node by itself: configurations are published to it directly, upstreams and clients are sockets.

#![allow(clippy::unwrap_used)]

mod clients;
mod ejections;
mod fault;
mod gateway;
mod health_checks;
mod http2;
mod observed;
mod refusals;
mod requests;
mod spans;
mod targets;
mod tls;
mod upstream;
mod websocket;

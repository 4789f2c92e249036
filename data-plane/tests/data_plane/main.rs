//! A node by itself: configurations are published to it directly, upstreams and clients are sockets.

#![allow(clippy::unwrap_used)]

mod balance;
mod clients;
mod connection_limits;
mod draining;
mod ejections;
mod ext_authz;
mod failing_targets;
mod fallback;
mod fault;
mod faults;
mod fleet;
mod gateway;
mod grpc;
mod guard;
mod health_checks;
mod hedges;
mod http2;
mod identity;
mod impatient_clients;
mod introspection;
mod mirrors;
mod names;
mod observed;
mod payloads;
mod protect;
mod proxy_protocol;
mod refusals;
mod requests;
mod retries;
mod retries_http2;
mod scenarios;
mod scene;
mod spans;
mod splits;
mod stranglers;
mod stranglers_http2;
mod streams;
mod targets;
mod timeouts;
mod tls;
mod upstream;
mod upstream_tls;
mod vectors;
mod websocket;

//! HTTP/2, both sides, over the `h2` crate (RFC 9113, RFC 8441).

pub mod client;
pub mod server;

//! HTTP/2, both sides, over the `h2` crate (RFC 9113, RFC 8441).
//!
//! `h2` owns frames, flow control and the checks that need them: pseudo-header fields, fields that belong
//! to one connection, lengths. What is left is here: what a request means, whom a body waits for, when a
//! connection ends.

pub mod client;
mod inflow;
mod length;
mod outflow;
mod patient;
pub mod server;
mod stream;

#[cfg(test)]
mod tests;

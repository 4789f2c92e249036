//! Both sides of HTTP/2 against the `h2` crate at the other end.

mod client;
mod connections;
mod ends;
mod peer;
mod refusals;
mod server;
mod target;
mod tunnels;

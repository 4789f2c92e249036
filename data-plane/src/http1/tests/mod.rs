//! The codec alone: a scripted request path behind the server, a scripted target behind the client.

mod chunked;
mod client;
mod client_refusals;
mod closing;
mod economy;
mod ends;
mod peer;
mod refusals;
mod server;
mod target;
mod uploads;

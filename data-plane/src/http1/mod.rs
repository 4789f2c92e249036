//! HTTP/1.1, both sides, in the request's own task (RFC 9112). Heads are parsed by `httparse`; framing is
//! ours, so that what is ambiguous is refused and nothing is guessed.

mod chunked;
pub mod client;
mod date;
pub(crate) mod deadline;
mod decoder;
mod encode;
mod fields;
mod framing;
mod outbox;
mod pace;
mod request;
mod scan;
pub mod server;
pub(crate) mod spare;

#[cfg(test)]
mod tests;

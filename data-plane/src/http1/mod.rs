//! HTTP/1.1, both sides, in the request's own task (RFC 9112). Heads are parsed by `httparse`; framing is
//! ours, so that what is ambiguous is refused and nothing is guessed.

pub mod client;
pub mod server;

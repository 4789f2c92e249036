//! What a client may send, and how long it may take.

use std::time::Duration;

use clap::ValueEnum;

/// Bounds on what a client may send. Codecs enforce those on heads, the request path those on bodies.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest header section, request line included, in bytes. Default 65,536. Over it: 431, or 414 where the
    /// target alone is over it.
    pub head_bytes: usize,
    /// Most header fields. Default 100. Over it: 431.
    pub header_count: usize,
    /// Time from the first byte of a head to its end. Default 10 s. Over it: 408.
    pub head_timeout: Duration,
    /// Longest time without a byte of a body. Default 30 s. Over it: 408.
    pub body_timeout: Duration,
    /// Longest time that a connection may be idle between requests. Default 3,600 s.
    pub idle_timeout: Duration,
    /// Largest request body, in bytes; 0 is unlimited. Default 0. A route may say otherwise.
    pub body_bytes: u64,
    /// Most streams at a time on an HTTP/2 connection. Default 128.
    pub concurrent_streams: u32,
    /// What a client of HTTP/1.1 means that ends its side while it waits.
    pub half_close: HalfClose,
    /// How long connections that have switched protocols go on when the node drains. Default 22.5 s.
    pub tunnel_grace: Duration,
}

/// What it means that a client of HTTP/1.1 ends its side of the connection while it waits for an answer.
/// Nothing on the wire tells the two apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum HalfClose {
    /// It has gone: the upstream need not go on.
    #[default]
    Abort,
    /// It has nothing more to say, and waits for the answer.
    Answer,
}

//! The request path: one short function that names every stage, in order.

use std::{sync::Arc, time::Duration};

use gatewright_engine::Rejection;

use crate::exchange::{Answer, Connection, Incoming};

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
}

/// The request path of one worker.
#[derive(Debug)]
pub struct Proxy {
    /// Bounds on what a client may send.
    pub limits: Limits,
}

impl Proxy {
    /// Answers a request.
    pub async fn serve(&self, _connection: &Arc<Connection>, _incoming: Incoming) -> Answer {
        self.refuse(
            _connection,
            &Rejection::new(gatewright_engine::Code::NoRoute, "no route"),
        )
    }

    /// Answers what a codec could not read as a request. The connection is closed after it.
    pub fn refuse(&self, _connection: &Arc<Connection>, _rejection: &Rejection) -> Answer {
        unimplemented!()
    }
}

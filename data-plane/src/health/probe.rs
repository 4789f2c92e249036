//! Asks targets: over connections of the control runtime, which are kept for the next time, and so many at a time.

mod grpc;
mod http;
mod tcp;

use std::{
    error::Error as _,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use gatewright_engine::{
    Tls, TlsSettings,
    health::check::{Check, Probe},
};
use gatewright_proto::v1::Protocol;
use tokio::{sync::Semaphore, time::timeout};

use super::{Way, checks::Answer};
use crate::{
    connect::{Link, Origin, Retire, SendError},
    http1::client::{Outgoing, Received},
    upstream::Address,
};

/// Checks that are under way at a time, on a node.
const MAX_CHECKS: usize = 256;
/// How often a request is sent again because a connection that was kept had been closed.
const MAX_STALE: usize = 3;

/// Asks targets.
#[derive(Debug)]
pub(crate) struct Prober {
    http1: crate::http1::client::Pool,
    http2: crate::http2::client::Pool,
    room: Semaphore,
}

impl Default for Prober {
    fn default() -> Self {
        Self {
            http1: crate::http1::client::Pool::default(),
            http2: crate::http2::client::Pool::default(),
            room: Semaphore::new(MAX_CHECKS),
        }
    }
}

impl Prober {
    /// Its connections, to be told which to keep.
    pub(crate) fn retire(&self) -> [Weak<dyn Retire>; 3] {
        let [own, limited] = self.http2.retire();
        [self.http1.retire(), own, limited]
    }

    /// Asks a target, and answers how long that took.
    pub(super) async fn ask(
        &self,
        check: &Check,
        way: &Way,
        address: &Address,
    ) -> (Answer, Duration) {
        // Nobody closes it; without room, it is asked all the same.
        let _room = self.room.acquire().await;
        let began = Instant::now();
        let origin = origin(check, way, address);
        let asked = Box::pin(async {
            match &check.probe {
                Probe::Http(http) => http::ask(self, http, (&origin, address, check)).await,
                Probe::Tcp { send, expect } => tcp::ask(&origin, (send, expect), check).await,
                Probe::Grpc { service, host } => {
                    grpc::ask(self, (service, host.as_ref()), (&origin, address, check)).await
                }
            }
        });
        let answer = match timeout(check.timeout, asked).await {
            Ok(answer) => answer,
            Err(_) => Answer::failure(format!("no answer within {:?}", check.timeout)),
        };
        (answer, began.elapsed())
    }

    /// Sends a request; again, where it is the connection that was too old.
    ///
    /// # Errors
    /// What is wrong, for people.
    async fn send(
        &self,
        origin: &Origin,
        outgoing: impl Fn() -> Outgoing,
    ) -> Result<Received, String> {
        let mut stale = 0;
        loop {
            let mut outgoing = outgoing();
            let sent = match origin.link.protocol {
                Protocol::Http1 => self.http1.send(origin, &mut outgoing).await,
                Protocol::Http2 => self.http2.send(origin, &mut outgoing).await,
            };
            match sent {
                Err(SendError::Closed { reused: true } | SendError::Refused)
                    if stale < MAX_STALE =>
                {
                    stale += 1;
                }
                sent => return sent.map_err(|error| described(&error)),
            }
        }
    }
}

/// What went wrong, with its cause.
fn described(error: &SendError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn origin(check: &Check, way: &Way, address: &Address) -> Origin {
    let port = check.port.unwrap_or(address.socket.port());
    let tls = match (check.tls, &way.tls) {
        (Some(false), _) | (None, None) => None,
        (_, Some(tls)) => Some(Arc::clone(tls)),
        (Some(true), None) => Some(Arc::new(Tls::new(TlsSettings::default()))),
    };
    let protocol = match &check.probe {
        Probe::Http(_) => way.protocol,
        Probe::Tcp { .. } => Protocol::Http1,
        Probe::Grpc { .. } => Protocol::Http2,
    };
    let name = way.server_name.as_ref().unwrap_or(&address.host);
    Origin {
        address: SocketAddr::new(address.socket.ip(), port),
        name: tls.is_some().then(|| Arc::clone(name)),
        // A check is the gateway's own.
        client: None,
        // Without limits: checks are few, and must get through where requests do not.
        link: Arc::new(Link {
            proxy_protocol: way.proxy_protocol,
            ..Link::new(tls, protocol)
        }),
    }
}

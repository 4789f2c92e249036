//! The upstream side of the gateway: shared connections, a few an origin.

mod body;
mod connection;
mod failure;
mod head;
mod lane;
mod limited;
mod seat;
mod upload;

use std::{
    collections::HashMap,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::ResponseFuture};
use http::{HeaderMap, Response, StatusCode};

use super::inflow::Inflow;
use crate::{
    body::{Body, BodyError},
    connect::{Identities, Origin, Retire, SendError},
    exchange::Interim,
    guard::gate::{Evict, Gate},
    http1::{
        client::{Outgoing, Received},
        deadline::Deadline,
    },
    proxy::strip_response,
};
use body::ResponseBody;
use connection::Place;
use lane::Lane;
use upload::Upload;

/// Connections of one worker, by origin; and those of upstreams that limit them, which all workers share.
#[derive(Debug, Default)]
pub struct Pool {
    own: Arc<Lanes>,
    limited: Arc<Lanes>,
}

type Lanes = Mutex<HashMap<Origin, Arc<Lane>>>;

impl Retire for Lanes {
    /// Whoever has a place on one keeps it until the end of the stream; then the connection ends.
    fn retire(&self, current: &Arc<Identities>) {
        let mut lanes = self.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|origin, _| current.keep(origin));
    }
}

impl Evict for Lanes {
    fn evict(&self, gate: &Gate, address: Option<SocketAddr>) -> bool {
        let lanes = self.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |origin: &Origin| {
            origin.link.gate.as_ref() == Some(gate) && address.is_none_or(|it| origin.address == it)
        };
        let meant = lanes.iter().filter(|(origin, _)| is_meant(origin));
        let meant: Vec<Arc<Lane>> = meant.map(|(_, lane)| Arc::clone(lane)).collect();
        drop(lanes);
        meant.iter().any(|lane| lane.evict())
    }
}

impl Pool {
    /// That of another worker.
    pub(crate) fn beside(&self) -> Self {
        Self {
            own: Arc::default(),
            limited: Arc::clone(&self.limited),
        }
    }

    /// Itself, to be told whose connections to keep.
    pub(crate) fn retire(&self) -> [Weak<dyn Retire>; 2] {
        let own: Weak<Lanes> = Arc::downgrade(&self.own);
        let limited: Weak<Lanes> = Arc::downgrade(&self.limited);
        [own, limited]
    }

    /// Sends a request and returns at the response head. The body goes on being sent while the
    /// response is read.
    ///
    /// The head in `outgoing` stays as it was, so that it can be sent to another target.
    ///
    /// # Errors
    /// No response head came.
    pub async fn send(
        &self,
        origin: &Origin,
        outgoing: &mut Outgoing,
    ) -> Result<Received, SendError> {
        let mut place = self
            .lane(origin)
            .place(origin, outgoing.connect_timeout)
            .await?;
        if outgoing.upgrade.is_some() {
            place
                .check_connect_protocol(outgoing.connect_timeout)
                .await?;
        }
        let body = std::mem::take(outgoing.request.body_mut());
        let (request, ends) = head::request(origin, outgoing, &body);
        let (response, stream) = place.begin(request, ends)?;
        let mut sent = Sent {
            response,
            upload: Upload::new(stream, body, &outgoing.request),
            interim: outgoing.interim.clone(),
            patience: outgoing.idle_timeout,
            deadline: Deadline::default(),
        };
        if ends || outgoing.upgrade.is_some() {
            sent.upload.is_done = true;
        }
        let response = poll_fn(|context| sent.poll_head(context)).await;
        let response = response.map_err(|error| error.unless_reused(place.is_reused()))?;
        place.heard();
        Ok(received(response, sent, place, outgoing.upgrade.is_some()))
    }

    fn lane(&self, origin: &Origin) -> Arc<Lane> {
        let all = match &origin.link.gate {
            None => &self.own,
            Some(_) => &self.limited,
        };
        let mut lanes = all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(origin) {
            return Arc::clone(lane);
        }
        // Targets come and go: what is not used any more is looked for when there is something new.
        lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || !lane.is_unused());
        if let Some(gate) = &origin.link.gate {
            gate.register(all);
        }
        let lane = Arc::new(Lane::default());
        lanes.insert(origin.clone(), Arc::clone(&lane));
        lane
    }
}

/// A request on its way, without an answer yet.
struct Sent {
    response: ResponseFuture,
    upload: Upload,
    interim: Interim,
    patience: Option<Duration>,
    deadline: Deadline,
}

impl Sent {
    /// Sends and reads until there is a response head. Interim responses are passed on.
    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, SendError>> {
        let before = self.upload.sent();
        if let Poll::Ready(Err(error)) = self.upload.poll(context) {
            return Poll::Ready(Err(error));
        }
        let mut progress = self.upload.sent() != before;
        while let Poll::Ready(Some(Ok(interim))) = self.response.poll_informational(context) {
            progress = true;
            if interim.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(Err(SendError::Malformed("101 in HTTP/2")));
            }
            self.interim
                .send(interim.status(), interim_fields(interim.headers()));
            self.upload.go_on();
            if let Poll::Ready(Err(error)) = self.upload.poll(context) {
                return Poll::Ready(Err(error));
            }
        }
        if let Poll::Ready(response) = Pin::new(&mut self.response).poll(context) {
            return Poll::Ready(response.map_err(|error| failure::of_response(&error)));
        }
        if progress {
            self.deadline.stop();
        }
        match self.patience {
            Some(patience) if self.deadline.poll(patience, context).is_ready() => {
                Poll::Ready(Err(match self.upload.waits_for_client() {
                    true => SendError::RequestBody(BodyError::Timeout),
                    false => SendError::IdleTimeout,
                }))
            }
            _ => Poll::Pending,
        }
    }
}

fn interim_fields(headers: &HeaderMap) -> HeaderMap {
    let mut fields = headers.clone();
    strip_response(&mut fields);
    fields
}

fn received(response: Response<RecvStream>, sent: Sent, place: Place, switches: bool) -> Received {
    let (parts, stream) = response.into_parts();
    if switches && parts.status.is_success() {
        let tunnel = super::stream::Stream::new(sent.upload.into_stream(), stream, place);
        return Received {
            response: Box::new(Response::from_parts(parts, Body::Empty)),
            tunnel: Some(Box::new(tunnel)),
        };
    }
    let mut upload = sent.upload;
    // A target that has answered instead of asking for the body must not get it any more.
    upload.is_done |= upload.is_waiting();
    let body = ResponseBody {
        inflow: Inflow::new(stream, super::length::announced(&parts.headers)),
        upload: (!upload.is_done).then_some(upload),
        place,
        patience: sent.patience,
        deadline: sent.deadline,
    };
    Received {
        response: Box::new(Response::from_parts(parts, body.into_body())),
        tunnel: None,
    }
}

type Sender = SendStream<Bytes>;

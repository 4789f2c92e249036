//! Copies of requests for other services: sent beside the request, and their answers dropped. A copy never delays
//! the request and never makes it fail.

mod lane;
mod tee;

use std::{sync::Arc, time::Duration};

use gatewright_engine::{Code, RequestContext, Service, mirror::Mirror};
use http::{HeaderName, HeaderValue, header, uri::PathAndQuery};
use http_body_util::BodyExt as _;
use smallvec::SmallVec;
use tokio::time::timeout;

use crate::{
    body::Body,
    exchange::{Connection, Interim},
    forward::{Forward, Forwarder},
    proxy::Matching,
    published::{LiveService, Published},
    telemetry::{Metrics, MirrorLabels, Record},
};
use lane::Lane;
use tee::tee;

/// Most copies in flight on a node. Further ones are dropped.
const MAX_IN_FLIGHT: i64 = 1024;
/// What tells a copy from the request itself.
pub(crate) const MARK: HeaderName = HeaderName::from_static("gatewright-mirror");

/// What a request is copied of, besides its context.
pub(crate) struct Original<'a> {
    pub(crate) published: &'a Published,
    pub(crate) matched: &'a Matching,
    pub(crate) target: Option<&'a PathAndQuery>,
    pub(crate) connection: &'a Arc<Connection>,
    /// Is put where it is copied as it streams.
    pub(crate) body: &'a mut Body,
}

/// Where copies are sent from.
pub(crate) struct Mirrors<'a> {
    pub(crate) forwarder: &'a Arc<Forwarder>,
    pub(crate) metrics: &'a Arc<Metrics>,
    /// Whether the node has enough to do without.
    pub(crate) busy: bool,
}

impl Mirrors<'_> {
    /// Begins to send a copy to each mirror whose share the request is of. Says how many there are.
    pub(crate) fn start(
        &self,
        mirrors: &[Mirror],
        context: &RequestContext,
        original: Original<'_>,
    ) -> usize {
        let Original {
            published,
            matched,
            target,
            connection,
            body,
        } = original;
        let live = |mirror| self.begin(mirror, context, published);
        let begun: SmallVec<[(&Mirror, Begun); 2]> = mirrors
            .iter()
            .filter(|mirror| mirror.share.takes(rand::random()))
            .filter_map(|mirror| Some((mirror, live(mirror)?)))
            .collect();
        if begun.is_empty() {
            return 0;
        }
        let bounds: SmallVec<[usize; 2]> = begun.iter().map(|it| it.0.max_body_bytes).collect();
        let copies = tee(body, &bounds);
        let mut started = 0;
        for ((mirror, begun), copy) in begun.into_iter().zip(copies) {
            // Dropped, it is counted as such.
            let Some(copy) = copy else { continue };
            let shadow = Shadow {
                forwarder: Arc::clone(self.forwarder),
                context: shadow_of(context, mirror),
                matched: matched.clone(),
                target: target.cloned(),
                connection: Arc::clone(connection),
                lane: copy.lane(),
                body: copy.body,
                begun,
            };
            tokio::spawn(Box::pin(shadow.send()));
            started += 1;
        }
        started
    }

    fn begin(
        &self,
        mirror: &Mirror,
        context: &RequestContext,
        published: &Published,
    ) -> Option<Begun> {
        let service = mirror.service()?;
        let live = published.services.get(service.index)?;
        let labels = MirrorLabels {
            route: context.route.name.to_string(),
            service: service.name.to_string(),
            result: "dropped",
        };
        let place = Place::take(self.metrics).filter(|_| !self.busy);
        let Some(place) = place else {
            self.metrics.mirrored.get_or_create(&labels).inc();
            return None;
        };
        Some(Begun {
            live: live.clone(),
            service: Arc::clone(service),
            labels,
            place,
        })
    }
}

/// The request as a mirror gets it.
fn shadow_of(context: &RequestContext, mirror: &Mirror) -> RequestContext {
    let mut headers = context.headers.clone();
    headers.insert(MARK, HeaderValue::from_static("true"));
    // The request itself asks the client for its body.
    headers.remove(header::EXPECT);
    RequestContext {
        snapshot: Arc::clone(&context.snapshot),
        route: Arc::clone(&mirror.route),
        client: context.client.clone(),
        method: context.method.clone(),
        host: context.host.clone(),
        path: context.path.clone(),
        query: context.query.clone(),
        written: None,
        has_body: context.has_body,
        headers,
        consumer: context.consumer.clone(),
        credential: context.credential.clone(),
        claims: context.claims.clone(),
        certificate: context.certificate.clone(),
        authenticated_by: context.authenticated_by.clone(),
        decisions: SmallVec::new(),
        fault: None,
        renewal: None,
        notes: Default::default(),
    }
}

/// A place among the copies in flight of a node.
struct Place(Arc<Metrics>);

impl Place {
    /// None where there are as many as may be.
    fn take(metrics: &Arc<Metrics>) -> Option<Self> {
        let place = Self(Arc::clone(metrics));
        (metrics.mirrors_in_flight.inc() < MAX_IN_FLIGHT).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.mirrors_in_flight.dec();
    }
}

/// A copy that has its place. Counted when it is dropped.
struct Begun {
    service: Arc<Service>,
    live: LiveService,
    labels: MirrorLabels,
    place: Place,
}

impl Drop for Begun {
    fn drop(&mut self) {
        let metrics = &self.place.0;
        metrics.mirrored.get_or_create(&self.labels).inc();
    }
}

/// A copy on its way.
struct Shadow {
    forwarder: Arc<Forwarder>,
    context: RequestContext,
    matched: Matching,
    target: Option<PathAndQuery>,
    connection: Arc<Connection>,
    body: Body,
    lane: Option<Arc<Lane>>,
    begun: Begun,
}

impl Shadow {
    async fn send(mut self) {
        self.begun.labels.result = "failed";
        let patience = self.context.route.request_timeout_ms.unwrap_or_default();
        let patience = Duration::from_millis(u64::from(patience));
        let forward = Forward {
            service: &self.begun.service,
            live: Some(&self.begun.live),
            matched: self.matched,
            target: self.target,
            upgrade: None,
            interim: Interim::none(),
            connection: &self.connection,
            body: &mut self.body,
        };
        let record = &mut Record::none();
        let sent = self
            .forwarder
            .forward(&mut self.context, forward, record)
            .await;
        self.begun.labels.result = match sent {
            Ok((response, _)) => {
                let failed = response.status().is_server_error();
                let reading = timeout(patience, read(response.into_body()));
                let read = reading.await.unwrap_or(false);
                if read && !failed {
                    "answered"
                } else {
                    "failed"
                }
            }
            Err(rejection) => match rejection.code {
                Code::CircuitOpen | Code::UpstreamOverloaded => "dropped",
                _ => "failed",
            },
        };
        if self.lane.is_some_and(|lane| lane.fell_behind()) {
            self.begun.labels.result = "dropped";
        }
    }
}

/// Reads to the end, so that the connection can be used again.
async fn read(mut body: Body) -> bool {
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{MAX_IN_FLIGHT, Metrics, Place};

    #[test]
    fn there_are_only_so_many_copies_in_flight() {
        let metrics = Metrics::new();
        let mut places: Vec<Place> = (0..MAX_IN_FLIGHT)
            .map(|_| Place::take(&metrics).unwrap())
            .collect();
        assert!(Place::take(&metrics).is_none());
        assert_eq!(metrics.mirrors_in_flight.get(), MAX_IN_FLIGHT);
        places.pop();
        assert!(Place::take(&metrics).is_some());
        drop(places);
        assert_eq!(metrics.mirrors_in_flight.get(), 0);
    }
}

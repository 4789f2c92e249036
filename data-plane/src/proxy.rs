//! The request path: one short function that names every stage, in order.
//!
//! accept (`listener`), **read**, **match**, **admit**, **pick** and **forward**, **respond**, record
//! (`telemetry`, when the codec has written the answer). An exchange sees one revision from beginning to
//! end.

mod act;
mod again;
mod choose;
mod contained;
mod forwarded;
mod head;
mod hop_by_hop;
mod inspect;
mod limits;
mod payload;
mod read;
mod redirect;
mod request_id;
mod seen;
mod strangle;
mod trace;

use std::{pin::pin, sync::Arc};

use arc_swap::ArcSwap;
use gatewright_engine::{
    Action, Code, Miss, Rejection, RequestContext,
    plugin::{self, Answer as Verdict, Ran},
};
use http::{HeaderValue, Response, StatusCode, header};

use crate::{
    body::Body,
    exchange::{Answer, Connection, Incoming, Tunnel},
    forward::Forwarder,
    grpc,
    http1::spare,
    overload::Overload,
    published::Published,
    telemetry::{Record, Stage, Telemetry},
};

pub(crate) use act::Matching;
use contained::contained;
pub(crate) use forwarded::add_via;
pub use forwarded::{ForwardedFields, Trust};
pub(crate) use hop_by_hop::strip_response;
pub use limits::{HalfClose, Limits};
use read::Head;
pub(crate) use request_id::NAME as REQUEST_ID;

/// The request path of one worker.
#[derive(Debug)]
pub struct Proxy {
    /// Bounds on what a client may send.
    pub limits: Limits,
    pub(crate) trust: Trust,
    pub(crate) forwarded_fields: ForwardedFields,
    pub(crate) published: Arc<ArcSwap<Published>>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) forwarder: Arc<Forwarder>,
    pub(crate) overload: Arc<Overload>,
}

/// What the gateway's own answers depend on.
struct Asked {
    request_id: HeaderValue,
    /// Where the request is a call of gRPC.
    grpc: Option<grpc::Form>,
}

/// A response, and the tunnel where the client switches protocols.
pub(crate) type Outcome = (Box<Response<Body>>, Option<Box<dyn Tunnel>>);

impl Proxy {
    /// Answers a request.
    pub async fn serve(&self, connection: &Arc<Connection>, incoming: Box<Incoming>) -> Answer {
        let mut record = Record::begin(&self.telemetry);
        let published = self.published.load_full();
        let headers = incoming.request.headers();
        let asked = Asked {
            request_id: self.request_id(connection, headers),
            grpc: grpc::Form::of(headers),
        };
        record.note(|line| {
            read::describe(&incoming.request, connection, line);
            line.revision = published.snapshot.revision;
            line.request_id = Some(asked.request_id.clone());
        });
        let outcome = match self.read(connection, incoming, &asked.request_id, &mut record) {
            Ok(head) => {
                let exchange = pin!(self.exchange(&published, head, &mut record, &asked));
                contained(exchange).await.unwrap_or_else(|| Err(defect()))
            }
            Err(rejection) => Err(rejection),
        };
        let (response, tunnel) = match outcome {
            Ok(outcome) => outcome,
            Err(rejection) => (reject(&rejection, &mut record, &asked), None),
        };
        Answer {
            request_id: Some(asked.request_id),
            ..answer(response, tunnel, record, self.overload.closes())
        }
    }

    /// Answers what a codec could not read as a request. The connection is closed after it.
    pub fn refuse(&self, connection: &Arc<Connection>, rejection: &Rejection) -> Answer {
        let mut record = Record::begin(&self.telemetry);
        let asked = Asked {
            request_id: request_id::fresh(),
            grpc: None,
        };
        record.note(|line| {
            line.client = Some(connection.peer.ip().to_canonical());
            line.protocol = Some(connection.protocol);
            line.request_id = Some(asked.request_id.clone());
        });
        let response = reject(rejection, &mut record, &asked);
        Answer {
            request_id: Some(asked.request_id),
            close: true,
            ..answer(response, None, record, true)
        }
    }

    /// The stages after *read*.
    async fn exchange(
        &self,
        published: &Published,
        mut head: Head<'_>,
        record: &mut Record,
        asked: &Asked,
    ) -> Result<Outcome, Rejection> {
        record.note(|line| head.describe(line));
        if head.ends_here {
            return Ok((no_content(), None));
        }
        record.reach(Stage::Match);
        let snapshot = &published.snapshot;
        let found = match snapshot.find(&head.query(head.payload())) {
            // Boxed, so that requests to other routes make no room for it.
            Err(Miss::NeedsBody(bounds)) => {
                Box::pin(payload::find(snapshot, &mut head, bounds)).await?
            }
            found => found.map_err(missed)?,
        };
        let (route, matched) = (Arc::clone(found.route), Matching::of(found));
        let (route, mut cookie) = choose::chosen(route, &head, record);
        choose::note_route(published, &route, record);
        if let Some(rejection) = self.overload.refuses(route.criticality) {
            return Err(rejection);
        }
        self.bounded(&route, &mut head.incoming.request, record)?;
        let (mut context, mut rest) = head.into_context(snapshot, route);
        record.reach(Stage::Admit);
        let (mut ran, mut verdict) = plugin::admit(&mut context).await;
        if verdict.is_none() && matches!(context.route.action, Action::Split(_)) {
            let late = choose::Late {
                context: &mut context,
                ran: &mut ran,
            };
            (verdict, cookie) = Box::pin(late.choose()).await;
            choose::note_route(published, &context.route, record);
        }
        if verdict.is_none() && ran.wants_body() {
            verdict = Box::pin(inspect::inspect(&mut context, &ran, rest.body())).await;
        }
        record.decided(&context.decisions);
        record.note(|line| line.consumer = context.consumer.as_ref().map(|it| it.name.clone()));
        if let Some(credential) = &context.credential {
            credential.last_use.mark();
        }
        let outcome = match verdict {
            Some(Verdict::Reject(rejection)) => Err(rejection),
            Some(Verdict::Respond(response)) => Ok((Box::new(response.map(Body::Full)), None)),
            None => {
                let exchange = act::Exchange {
                    published,
                    rest,
                    matched,
                };
                self.act(&mut context, exchange, record).await
            }
        };
        let (mut response, tunnel) = respond(&ran, &context, outcome, record, asked);
        spare::keep(std::mem::take(&mut context.headers));
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, *cookie);
        }
        Ok((response, tunnel))
    }
}

/// The stage *respond*: plugins see the answer, also one of the gateway itself.
fn respond(
    ran: &Ran,
    context: &RequestContext,
    outcome: Result<Outcome, Rejection>,
    record: &mut Record,
    asked: &Asked,
) -> Outcome {
    let (mut response, tunnel) = match outcome {
        Ok(outcome) => outcome,
        Err(rejection) => (reject(&rejection, record, asked), None),
    };
    if !ran.is_empty() {
        let (mut parts, body) = std::mem::take(&mut *response).into_parts();
        plugin::respond(ran, context, &mut parts);
        *response = Response::from_parts(parts, body);
    }
    (response, tunnel)
}

fn reject(rejection: &Rejection, record: &mut Record, asked: &Asked) -> Box<Response<Body>> {
    if let Some(facts) = record.facts() {
        facts.code = Some(rejection.code);
    }
    Box::new(match asked.grpc {
        Some(form) => grpc::answer(form, rejection),
        None => rejection
            .into_response(asked.request_id.to_str().unwrap_or_default())
            .map(Body::Full),
    })
}

fn defect() -> Rejection {
    Rejection::new(Code::Internal, "a defect of the gateway")
}

fn no_content() -> Box<Response<Body>> {
    let mut response = Box::new(Response::new(Body::Empty));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn missed(miss: Miss) -> Rejection {
    match miss {
        Miss::NoRoute => Rejection::new(Code::NoRoute, "no route matches the request"),
        Miss::Undecided(why) => Rejection::new(Code::MatchUndecided, why),
        Miss::BodyTooLarge(max_bytes) => payload::too_large(max_bytes),
        // It has been read by then.
        Miss::NeedsBody(_) => defect(),
        Miss::MethodNotAllowed(methods) => {
            let methods: Vec<&str> = methods.iter().map(http::Method::as_str).collect();
            let rejection = Rejection::new(Code::MethodNotAllowed, "no route for this method");
            match HeaderValue::from_str(&methods.join(", ")) {
                Ok(allow) => rejection.with_header(header::ALLOW, allow),
                Err(_) => rejection,
            }
        }
    }
}

fn answer(
    response: Box<Response<Body>>,
    tunnel: Option<Box<dyn Tunnel>>,
    mut record: Record,
    mut close: bool,
) -> Answer {
    if let Some(facts) = record.facts() {
        facts.status = response.status().as_u16();
        // After a request that is malformed or ambiguous, nobody knows where the next one begins.
        close |= facts.code == Some(Code::BadRequest);
    }
    Answer {
        response,
        request_id: None,
        tunnel,
        close,
        record,
    }
}

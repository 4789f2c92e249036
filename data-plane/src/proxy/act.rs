//! What a route does with a request that was admitted: forward, redirect, answer.

use std::sync::Arc;

use gatewright_engine::{
    Action, Code, Matched, Rejection, RequestContext, Route, Service,
    guard::{Fallback, FallbackAction},
    mirror::Mirror,
    path::Parameter,
};
use http::{Response, header};

use super::{Outcome, Proxy, again::Again, read::Rest, redirect};
use crate::{
    body::Body,
    exchange::{Connection, Incoming, Protocol},
    fallback,
    fault::{self, Met},
    forward::{Forward, is_refused, may_repeat},
    grpc::Translation,
    mirror,
    published::{LiveService, Published},
    telemetry::{Record, Stage},
};

/// What the match found out, without the route.
#[derive(Clone)]
pub(crate) struct Matching {
    pub(crate) prefix_bytes: usize,
    pub(crate) parameters: Vec<Parameter>,
}

impl Matching {
    pub(super) fn of(matched: Matched<'_>) -> Self {
        Self {
            prefix_bytes: matched.prefix_bytes,
            parameters: matched.parameters,
        }
    }
}

/// The rest of an exchange.
pub(super) struct Exchange<'a> {
    pub(super) published: &'a Published,
    pub(super) rest: Rest<'a>,
    pub(super) matched: Matching,
}

impl Proxy {
    pub(super) async fn act(
        &self,
        context: &mut RequestContext,
        exchange: Exchange<'_>,
        record: &mut Record,
    ) -> Result<Outcome, Rejection> {
        let met = match context.fault.take() {
            None => None,
            Some(fault) => match Box::pin(fault::meet(fault, record)).await {
                Met::Abort(outcome) => return Ok(outcome),
                Met::Goes(fault) => Some(fault),
            },
        };
        let outcome = self.carry_out(context, exchange, record).await;
        match met {
            None => outcome,
            Some(fault) => outcome.map(|(response, tunnel)| (fault::slow(fault, response), tunnel)),
        }
    }

    async fn carry_out(
        &self,
        context: &mut RequestContext,
        exchange: Exchange<'_>,
        record: &mut Record,
    ) -> Result<Outcome, Rejection> {
        let route = Arc::clone(&context.route);
        match &route.action {
            Action::Forward(service) => {
                let mut exchange = exchange;
                let web = match route.grpc_web {
                    true => Translation::begin(&mut context.headers, exchange.rest.body()),
                    false => None,
                };
                if let Some(mirrors) = route.mirrors.as_deref() {
                    self.mirror(mirrors, context, &mut exchange, record);
                }
                let outcome = match route.fall_through.as_deref() {
                    None => {
                        let what = (&*route, context, service);
                        self.forward(what, exchange, record).await
                    }
                    Some(fall) => {
                        let what = (&*route, context, service);
                        let both = self.strangle(what, fall, exchange, record);
                        Box::pin(both).await
                    }
                };
                match (outcome, web) {
                    (Ok((response, tunnel)), Some(web)) => {
                        Ok((Box::new(web.finish(*response)), tunnel))
                    }
                    (outcome, _) => outcome,
                }
            }
            Action::Split(_) | Action::Strangler(_) => Err(super::defect()),
            Action::Redirect(redirect) => {
                record.reach(Stage::Respond);
                let response = redirect::redirect(redirect, context, &exchange.matched)?;
                Ok((Box::new(response), None))
            }
            Action::Respond(fixed) => {
                record.reach(Stage::Respond);
                let mut response = Box::new(Response::new(Body::Full(fixed.body.clone())));
                *response.status_mut() = fixed.status;
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, fixed.content_type.clone());
                Ok((response, None))
            }
            Action::Closed(reason) => Err(Rejection::new(
                Code::ConfigurationRefused,
                reason.to_string(),
            )),
            Action::Disabled => Err(Rejection::new(Code::NoTarget, "the service is disabled")),
        }
    }
}

impl Proxy {
    /// Begins to send copies, but of what may become a tunnel.
    fn mirror(
        &self,
        mirrors: &[Mirror],
        context: &RequestContext,
        exchange: &mut Exchange<'_>,
        record: &mut Record,
    ) {
        if exchange.rest.incoming.upgrade.is_some() {
            return;
        }
        let from = mirror::Mirrors {
            forwarder: &self.forwarder,
            metrics: &self.telemetry.metrics,
            busy: self.overload.closes(),
        };
        let target = exchange.rest.target();
        let original = mirror::Original {
            published: exchange.published,
            matched: &exchange.matched,
            target: target.as_ref(),
            connection: exchange.rest.connection,
            body: exchange.rest.body(),
        };
        let started = from.start(mirrors, context, original);
        record.note(|line| line.mirrored = started);
    }
}

impl Proxy {
    /// Forwards, and where that fails, does what the fallback says.
    pub(super) async fn forward(
        &self,
        (route, context, service): (&Route, &mut RequestContext, &Arc<Service>),
        exchange: Exchange<'_>,
        record: &mut Record,
    ) -> Result<Outcome, Rejection> {
        let (upgrade, rest) = allowed(&route.upgrades, exchange.rest)?;
        let fallback = fallback::of(route, service);
        let (target, connection) = (rest.target(), rest.connection);
        let Incoming {
            request, interim, ..
        } = *rest.incoming;
        let mut body = request.into_body();
        let empty = matches!(body, Body::Empty);
        // Only who asks once more needs it all once more.
        let once_more = |service| Again {
            service,
            matched: exchange.matched.clone(),
            target: target.clone(),
            interim: interim.clone(),
            empty,
        };
        let renewing = context.renewal.is_some() && upgrade.is_none();
        let renewed = renewing.then(|| once_more(service));
        let other = fallback.filter(|_| upgrade.is_none());
        let again = other.and_then(|it| Some(once_more(stand_in(it, exchange.published)?)));
        let live = |service: &Service| exchange.published.services.get(service.index);
        let forward = Forward {
            service,
            live: live(service),
            matched: exchange.matched,
            target,
            upgrade,
            interim,
            connection,
            body: &mut body,
        };
        let mut outcome = self.forwarder.forward(context, forward, record).await;
        if let Some(renewed) = renewed {
            let call = (live(service), &**connection, &mut body);
            outcome = Box::pin(self.renewed(context, (outcome, renewed), call, record)).await;
        }
        let Some((fallback, cause)) =
            fallback.and_then(|it| Some((it, fallback::Cause::of(it, &outcome)?)))
        else {
            return outcome;
        };
        if let FallbackAction::Answer(answer) = &fallback.action {
            return Ok(fallback::answer(answer, cause, (context, service), record));
        }
        // A body that has begun to be sent cannot be sent once more, and what may have been done must not be done twice.
        let may = !cause.is_late() || may_repeat(context, service);
        let Some(again) = again.filter(|it| may && (it.empty || !matches!(body, Body::Empty)))
        else {
            return outcome;
        };
        drop(outcome);
        if let Some(live) = live(service) {
            live.metrics.stand_in();
        }
        let other = live(again.service);
        let forward = again.forward(other, connection, &mut body);
        let asked = Box::pin(self.forwarder.forward(context, forward, record)).await;
        let (mut response, tunnel) = asked?;
        fallback::note("service", service, &mut response, record);
        Ok((response, tunnel))
    }
}

impl Proxy {
    /// Asks once more with another credential of the gateway's own, where the upstream has refused the one that it was
    /// shown and there is another one.
    async fn renewed(
        &self,
        context: &mut RequestContext,
        (outcome, again): (Result<Outcome, Rejection>, Again<'_>),
        (live, connection, body): (Option<&LiveService>, &Connection, &mut Body),
        record: &mut Record,
    ) -> Result<Outcome, Rejection> {
        let refused = |(response, _): &Outcome| is_refused(context, response);
        let whole = again.empty || !matches!(body, Body::Empty);
        if !whole || !outcome.as_ref().is_ok_and(refused) {
            return outcome;
        }
        let Some(renewal) = context.renewal.take() else {
            return outcome;
        };
        if !renewal.renew(&mut context.headers).await {
            return outcome;
        }
        drop(outcome);
        let forward = again.forward(live, connection, body);
        self.forwarder.forward(context, forward, record).await
    }
}

/// The service that stands in, where a fallback names one.
fn stand_in<'a>(fallback: &Fallback, published: &'a Published) -> Option<&'a Arc<Service>> {
    match &fallback.action {
        FallbackAction::Service(other) => find(published, other),
        FallbackAction::Answer(_) => None,
    }
}

/// A service by its name; none where it is disabled or was refused.
fn find<'a>(published: &'a Published, name: &str) -> Option<&'a Arc<Service>> {
    let services = &published.snapshot.services;
    let place = services.binary_search_by(|service| (*service.name).cmp(name));
    services.get(place.ok()?)
}

/// The protocol to switch to, where the route allows it. Over HTTP/1.1 the request goes on without; an
/// extended CONNECT cannot.
fn allowed<'c>(
    upgrades: &[Box<str>],
    mut rest: Rest<'c>,
) -> Result<(Option<Box<str>>, Rest<'c>), Rejection> {
    let asked = rest.incoming.upgrade.take();
    let Some(asked) = asked else {
        return Ok((None, rest));
    };
    if upgrades.contains(&asked) {
        return Ok((Some(asked), rest));
    }
    match rest.connection.protocol {
        Protocol::Http1 => Ok((None, rest)),
        Protocol::Http2 => {
            let detail = "the route does not allow switching to this protocol";
            Err(Rejection::new(Code::Forbidden, detail))
        }
    }
}

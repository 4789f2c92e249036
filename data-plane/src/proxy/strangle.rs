//! Requests to a service that takes over from a legacy one: what it has not got goes on to the legacy.

use std::sync::Arc;

use gatewright_engine::{
    Action, Code, Rejection, RequestContext, Route, Service,
    strangler::{FallThrough, Way},
};

use super::{Outcome, Proxy, act::Exchange, choose};
use crate::{body::Body, forward::Replay, telemetry::Record};

impl Proxy {
    /// Asks the new service, and then the legacy where the new one says that it has not got it.
    pub(super) async fn strangle(
        &self,
        (route, context, service): (&Route, &mut RequestContext, &Arc<Service>),
        fall: &FallThrough,
        mut exchange: Exchange<'_>,
        record: &mut Record,
    ) -> Result<Outcome, Rejection> {
        let body = std::mem::take(exchange.rest.body());
        let kept = (!matches!(body, Body::Empty)).then(|| Replay::new(body, fall.max_body_bytes));
        let from_start = || kept.as_ref().map_or(Body::Empty, |kept| kept.reader());
        let mut again = Exchange {
            published: exchange.published,
            rest: exchange.rest.again(),
            matched: exchange.matched.clone(),
        };
        *exchange.rest.body() = from_start();
        let headers = context.headers.clone();
        let outcome = self
            .forward((route, &mut *context, service), exchange, record)
            .await;
        let request = (context.method.clone(), context.path.clone());
        let request = (&request.0, request.1.as_str());
        let falls = matches!(&outcome, Ok((response, None)) if fall.falls(response.status(), response.headers()));
        // What came first of a body that is too long is gone: the client gets what the new service said.
        if !falls || kept.as_ref().is_some_and(|kept| !kept.is_whole()) {
            fall.tally.count(request, Way::New);
            return outcome;
        }
        drop(outcome);
        fall.tally.count(request, Way::FellThrough);
        choose::note_way(again.published, &fall.legacy, Way::FellThrough, record);
        context.headers = headers;
        *again.rest.body() = from_start();
        match &fall.legacy.action {
            Action::Forward(legacy) => {
                let what = (route, context, legacy);
                self.forward(what, again, record).await
            }
            Action::Closed(reason) => {
                let reason = reason.to_string();
                Err(Rejection::new(Code::ConfigurationRefused, reason))
            }
            _ => Err(Rejection::new(Code::NoTarget, "the service is disabled")),
        }
    }
}

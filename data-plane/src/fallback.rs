//! What a client gets where a service cannot, or fails: a fixed answer, or that of another service.

use std::{borrow::Cow, sync::Arc};

use gatewright_engine::{
    Code, Rejection, RequestContext, Route, Service,
    guard::{Fallback, StaticAnswer, Variable},
};
use http::{HeaderName, HeaderValue, Response};

use crate::{
    body::Body,
    proxy::Outcome,
    telemetry::{FallbackLabels, Record},
};

/// What tells the client.
const NAME: HeaderName = HeaderName::from_static("gatewright-fallback");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The fallback of a route to a service.
pub(crate) fn of<'a>(route: &'a Route, service: &'a Service) -> Option<&'a Arc<Fallback>> {
    let own = route.guard.as_deref().and_then(|it| it.fallback.as_ref());
    own.or(service.fallback.as_ref())
}

/// Why a fallback stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    code: Option<Code>,
    status: u16,
}

impl Cause {
    /// Whether this fallback stands in for this outcome, and why.
    pub(crate) fn of(fallback: &Fallback, outcome: &Result<Outcome, Rejection>) -> Option<Self> {
        match outcome {
            Err(rejection) => fallback.replaces(rejection.code).then_some(Self {
                code: Some(rejection.code),
                status: 0,
            }),
            Ok((response, tunnel)) => {
                let status = response.status();
                let replaced = tunnel.is_none() && fallback.replaces_status(status);
                replaced.then_some(Self {
                    code: None,
                    status: status.as_u16(),
                })
            }
        }
    }

    /// Whether the service may have acted on the request.
    pub(crate) const fn is_late(self) -> bool {
        matches!(
            self.code,
            None | Some(Code::UpstreamTimeout | Code::BadGateway)
        )
    }
}

/// The fixed answer. The access line keeps why there is one.
pub(crate) fn answer(
    answer: &StaticAnswer,
    cause: Cause,
    (context, service): (&RequestContext, &Service),
    record: &mut Record,
) -> Outcome {
    if let Some(facts) = record.facts() {
        facts.code = cause.code;
        facts.failed = true;
    }
    let body = answer
        .body
        .render(|variable| value(variable, cause, (context, service)));
    let mut response = Box::new(Response::new(Body::Full(body)));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers.clone();
    note("static", service, &mut response, record);
    (response, None)
}

fn value<'a>(
    variable: Variable,
    cause: Cause,
    (context, service): (&'a RequestContext, &'a Service),
) -> Cow<'a, str> {
    match variable {
        Variable::Code => cause.code.map_or("", Code::as_str).into(),
        Variable::Status => cause.status.to_string().into(),
        Variable::RequestId => {
            let id = context.headers.get(REQUEST_ID);
            id.and_then(|id| id.to_str().ok()).unwrap_or("").into()
        }
        Variable::Route => (&*context.route.name).into(),
        Variable::Service => (&*service.name).into(),
        Variable::Method => context.method.as_str().into(),
        Variable::Host => (&*context.host).into(),
        Variable::Path => context.path.as_str().into(),
    }
}

/// Says in the answer, the access line and the metrics that it is not the service's own. `service` is the one that
/// was asked for.
pub(crate) fn note(
    kind: &'static str,
    service: &Service,
    response: &mut Response<Body>,
    record: &mut Record,
) {
    response
        .headers_mut()
        .insert(NAME, HeaderValue::from_static(kind));
    record.note(|line| line.fallback = Some(kind));
    record.count(|metrics| {
        let labels = FallbackLabels {
            service: service.name.to_string(),
            kind,
        };
        metrics.fallbacks.get_or_create(&labels).inc();
    });
}

//! Routes over several services: one is chosen for each request, and with it the variant of the route that
//! stands for it from then on.

use std::sync::Arc;

use gatewright_engine::{
    Action, RequestContext, Route,
    plugin::{self, Answer, Ran},
    split::{Asked, Split},
    strangler::{Strangler, Way},
};
use http::{HeaderValue, header};

use super::read::Head;
use crate::{published::Published, telemetry::Record};

/// A cookie for the client. Boxed: few requests have one.
type Cookie = Option<Box<HeaderValue>>;

/// The variant of the route for this request, or the route itself where it has none, or where it must first
/// be known who the consumer is.
pub(super) fn chosen(
    route: Arc<Route>,
    head: &Head<'_>,
    record: &mut Record,
) -> (Arc<Route>, Cookie) {
    match &route.action {
        Action::Split(split) if !split.needs_consumer() => choose(
            split,
            &Asked {
                headers: head.incoming.request.headers(),
                consumer: None,
                secure: head.client.secure,
            },
        ),
        Action::Strangler(strangler) => (first(strangler, head, record), None),
        _ => (route, None),
    }
}

/// Which of a new service and a legacy one is asked first.
fn first(strangler: &Strangler, head: &Head<'_>, record: &mut Record) -> Arc<Route> {
    let length = head.incoming.request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let request = (head.incoming.request.method(), head.path.as_str());
    let (route, way) = strangler.choose(request, length, rand::random());
    if way == Way::Legacy {
        strangler.fall_through.tally.count(request, way);
    }
    record.note(|line| line.strangler = Some(way.as_str()));
    Arc::clone(route)
}

fn choose(split: &Split, asked: &Asked<'_>) -> (Arc<Route>, Cookie) {
    let choice = split.choose(asked, rand::random());
    let route = Arc::clone(&choice.backend.route);
    (route, choice.cookie.map(Box::new))
}

/// A request whose service could not be chosen before it was known who the consumer is.
pub(super) struct Late<'a> {
    pub(super) context: &'a mut RequestContext,
    pub(super) ran: &'a mut Ran,
}

impl Late<'_> {
    /// Chooses, and runs the plugins of that service which have not run yet.
    pub(super) async fn choose(self) -> (Option<Answer>, Cookie) {
        let context = self.context;
        let route = Arc::clone(&context.route);
        let Action::Split(split) = &route.action else {
            return (None, None);
        };
        let consumer = context.consumer.as_ref().map(|it| Arc::clone(&it.name));
        let asked = Asked {
            headers: &context.headers,
            consumer: consumer.as_deref(),
            secure: context.client.secure,
        };
        let (variant, cookie) = choose(split, &asked);
        context.route = variant;
        (plugin::admit_rest(context, self.ran).await, cookie)
    }
}

/// Notes the route, and which of its backends it is.
pub(super) fn note_route(published: &Published, route: &Route, record: &mut Record) {
    record.note(|line| line.route = Some(Arc::clone(&route.name)));
    if let Some(facts) = record.facts() {
        let counters = published.routes.get(route.index);
        facts.route = match route.backend {
            None => counters.cloned(),
            Some(place) => counters.and_then(|it| it.backend(place)).cloned(),
        };
    }
}

/// Notes that a request has gone on to another variant of its route.
pub(super) fn note_way(published: &Published, route: &Route, way: Way, record: &mut Record) {
    note_route(published, route, record);
    record.note(|line| line.strangler = Some(way.as_str()));
}

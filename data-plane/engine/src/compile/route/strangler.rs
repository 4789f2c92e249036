//! A route whose service takes over from a legacy one.

use std::sync::Arc;

use gatewright_proto::v1;

use super::{Mistake, Services, field, matching, mirror::percent, of_service};
use crate::{
    Action, Route,
    compile::pattern::Patterns,
    mirror::Share,
    plugin::Chain,
    route::PathRule,
    split::Backend,
    strangler::{FallThrough, Strangler, Tally},
};

/// Statuses that say that a service has not got what was asked for.
const STATUSES: [u16; 3] = [404, 405, 501];
/// Most statuses.
const MAX_STATUSES: usize = 16;
const BODY_BYTES: u32 = 64 * 1024;
const MAX_BODY_BYTES: u32 = 16 * 1024 * 1024;

/// A strangler without mistakes, of which variants of a route can be made.
pub(super) struct Plan {
    service: Arc<str>,
    legacy: (Arc<str>, Action),
    methods: Box<[http::Method]>,
    paths: Vec<PathRule>,
    share: Share,
    statuses: Box<[u16]>,
    max_body_bytes: usize,
}

/// None where the route has none, or one with mistakes.
pub(super) fn strangler(
    route: &v1::Route,
    services: &Services,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Plan> {
    let strangler = route.strangler.as_ref()?;
    let before = mistakes.len();
    if route.service.is_empty() {
        let reason = "is for routes that have a `service`: the new one";
        mistakes.push(Mistake::value("strangler", reason));
    }
    if route.breaker.is_some() {
        let reason = "belongs to the services where a route has several";
        mistakes.push(Mistake::value("breaker", reason));
    }
    let legacy = strangler.legacy.as_str();
    if legacy.is_empty() {
        mistakes.push(Mistake::required("strangler.legacy"));
    } else if legacy == route.service {
        mistakes.push(Mistake::value("strangler.legacy", "is the service itself"));
    }
    percent("strangler.percent", strangler.percent, mistakes);
    let bytes = strangler.max_body_bytes;
    let at = "strangler.max_body_bytes";
    field::within(at, bytes, 0..=MAX_BODY_BYTES, mistakes);
    let (methods, paths) = (&strangler.methods, &strangler.paths);
    let plan = Plan {
        service: route.service.as_str().into(),
        legacy: (legacy.into(), of_service(legacy, services)),
        methods: matching::method_list("strangler.methods", methods, mistakes),
        paths: matching::path_list("strangler.paths", paths, patterns, mistakes),
        share: Share::percent(strangler.percent.unwrap_or(100.0)),
        statuses: statuses(&strangler.fall_through, mistakes),
        max_body_bytes: usize::try_from(bytes.unwrap_or(BODY_BYTES)).unwrap_or(usize::MAX),
    };
    (mistakes.len() == before).then_some(plan)
}

fn statuses(list: &[u32], mistakes: &mut Vec<Mistake>) -> Box<[u16]> {
    if list.len() > MAX_STATUSES {
        let reason = format!("{} entries; at most {MAX_STATUSES}", list.len());
        mistakes.push(Mistake::value("strangler.fall_through", reason));
    }
    if list.is_empty() {
        return STATUSES.into();
    }
    let mut statuses = Vec::new();
    for (place, status) in list.iter().enumerate() {
        match u16::try_from(*status) {
            Ok(status @ (400..=499 | 501)) => statuses.push(status),
            _ => {
                // After any other the service may have acted on the request.
                let reason = format!("`{status}` is not within 400 to 499, nor 501");
                let at = format!("strangler.fall_through[{place}]");
                mistakes.push(Mistake::value(at, reason));
            }
        }
    }
    statuses.into()
}

impl Plan {
    /// The route with this strangler: a variant to the legacy, and one to the new service from which a request may
    /// go on to the legacy, so that what is attached to either runs.
    pub(super) fn route(
        self,
        base: &Route,
        action: Action,
        chain: impl Fn(&str, &Action) -> Chain,
        tally: Arc<Tally>,
    ) -> Route {
        let (name, to_legacy) = self.legacy;
        let of_legacy = chain(&name, &to_legacy);
        let of_both = chain(&self.service, &action).joined(&of_legacy);
        let legacy = Arc::new(base.variant(to_legacy, of_legacy, Some(1)));
        let fall_through = Arc::new(FallThrough {
            legacy: Arc::clone(&legacy),
            statuses: self.statuses,
            max_body_bytes: self.max_body_bytes,
            tally,
        });
        let new = Route {
            fall_through: Some(Arc::clone(&fall_through)),
            ..base.variant(action, of_both, Some(0))
        };
        let chain = Chain {
            instances: new.chain.instances.clone(),
        };
        let strangler = Strangler {
            backends: [
                Backend::new(self.service, 0, Arc::new(new)),
                Backend::new(name, 0, legacy),
            ],
            methods: self.methods,
            paths: self.paths.into(),
            share: self.share,
            fall_through,
        };
        base.variant(Action::Strangler(Box::new(strangler)), chain, None)
    }
}

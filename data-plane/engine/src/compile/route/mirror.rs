//! Services that get copies of a route's requests.

use std::sync::Arc;

use gatewright_proto::v1;

use super::{Mistake, Services, field, of_service};
use crate::{
    Action, Overrides, Route,
    mirror::{Mirror, Share},
    plugin::Chain,
    retry::RetryPolicy,
};

/// Most mirrors of a route.
const MAX_MIRRORS: usize = 8;
const TIMEOUT_MS: u32 = 15_000;
const MAX_TIMEOUT_MS: u32 = 600_000;
const BODY_BYTES: u32 = 64 * 1024;
const MAX_BODY_BYTES: u32 = 16 * 1024 * 1024;

/// A mirror without mistakes, of which a variant of a route can be made.
pub(super) struct Plan {
    action: Action,
    share: Share,
    timeout_ms: u32,
    max_body_bytes: usize,
}

/// Those of a route.
pub(super) fn mirrors(
    route: &v1::Route,
    services: &Services,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Plan> {
    let mirrors = &route.mirrors;
    if mirrors.len() > MAX_MIRRORS {
        let reason = format!("{} entries; at most {MAX_MIRRORS}", mirrors.len());
        mistakes.push(Mistake::value("mirrors", reason));
    }
    if !mirrors.is_empty() && route.service.is_empty() && route.split.is_none() {
        let reason = "is for routes that have a `service` or `split`";
        mistakes.push(Mistake::value("mirrors", reason));
    }
    let mut plans = Vec::new();
    for (place, mirror) in mirrors.iter().enumerate() {
        let at = |field: &str| format!("mirrors[{place}].{field}");
        if mirror.service.is_empty() {
            mistakes.push(Mistake::required(at("service")));
        }
        percent(&at("percent"), mirror.percent, mistakes);
        let (time, bytes) = (mirror.timeout_ms, mirror.max_body_bytes);
        field::within(&at("timeout_ms"), time, 1..=MAX_TIMEOUT_MS, mistakes);
        field::within(&at("max_body_bytes"), bytes, 0..=MAX_BODY_BYTES, mistakes);
        let bytes = bytes.unwrap_or(BODY_BYTES);
        plans.push(Plan {
            action: of_service(&mirror.service, services),
            share: Share::percent(mirror.percent.unwrap_or(100.0)),
            timeout_ms: time.unwrap_or(TIMEOUT_MS),
            max_body_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        });
    }
    plans
}

/// Checks a share of a hundred.
pub(super) fn percent(at: &str, value: Option<f64>, mistakes: &mut Vec<Mistake>) {
    if let Some(value) = value.filter(|value| !(0.0..=100.0).contains(value)) {
        let reason = format!("`{value}` is not within 0 to 100");
        mistakes.push(Mistake::value(at, reason));
    }
}

/// The mirrors of this route. Those whose service is disabled or was refused get nothing: copies protect nobody.
pub(super) fn of(base: &Route, plans: Vec<Plan>) -> Option<Arc<[Mirror]>> {
    let open = |plan: &Plan| matches!(plan.action, Action::Forward(_));
    let mirrors: Vec<Mirror> = plans
        .into_iter()
        .filter(open)
        .map(|plan| plan.mirror(base))
        .collect();
    (!mirrors.is_empty()).then(|| mirrors.into())
}

impl Plan {
    fn mirror(self, base: &Route) -> Mirror {
        let overrides = Overrides {
            retry: Some(RetryPolicy {
                attempts: 0,
                max_body_bytes: 0,
                // Nor hedges.
                methods: Some(Box::default()),
                ..RetryPolicy::default()
            }),
            hedge: None,
            deadline: None,
            idle_timeout_ms: Some(self.timeout_ms),
            max_stream_duration_ms: None,
        };
        let route = Route {
            request_timeout_ms: Some(self.timeout_ms),
            overrides: Some(Arc::new(overrides)),
            guard: None,
            ..base.variant(self.action, Chain::default(), None)
        };
        Mirror {
            route: Arc::new(route),
            share: self.share,
            max_body_bytes: self.max_body_bytes,
        }
    }
}

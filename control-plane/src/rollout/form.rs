//! How a route shares its requests between the two services of a rollout.

use gatewright_proto::v1::{Rollout, Route, WeightedBackend, WeightedSplit};
use serde::{Deserialize, Serialize};

/// Weight of who does not say.
const DEFAULT_WEIGHT: u32 = 100;

/// How a route shares its requests between the two services of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// In no such way.
    #[default]
    Other,
    /// One of the two has them all.
    Service(String),
    /// Both have a weight.
    Split { baseline: u32, canary: u32 },
}

impl Form {
    /// That of a route.
    pub(super) fn of(route: &Route, rollout: &Rollout) -> Self {
        let (baseline, canary) = (&rollout.baseline, &rollout.canary);
        let Some(split) = &route.split else {
            return match [baseline, canary].contains(&&route.service) {
                true => Self::Service(route.service.clone()),
                false => Self::Other,
            };
        };
        let weight = |name: &str| {
            let mut backends = split.backends.iter();
            let found = backends.find(|it| it.service == name);
            found.map(|it| it.weight.unwrap_or(DEFAULT_WEIGHT))
        };
        match (split.backends.len(), weight(baseline), weight(canary)) {
            (2, Some(baseline), Some(canary)) => Self::Split { baseline, canary },
            _ => Self::Other,
        }
    }

    /// The share of the canary, in percent.
    pub(super) fn percent(&self, canary_name: &str) -> u32 {
        match self {
            Self::Other => 0,
            Self::Service(service) => match service == canary_name {
                true => 100,
                false => 0,
            },
            Self::Split { baseline, canary } => {
                let (baseline, canary) = (u64::from(*baseline), u64::from(*canary));
                let percent = (canary * 100).checked_div(baseline + canary);
                percent.and_then(|it| u32::try_from(it).ok()).unwrap_or(0)
            }
        }
    }

    /// The form with this share, for a route that had this one: with all or nothing, a route that named one service
    /// names one again.
    pub(super) fn with(&self, percent: u32, rollout: &Rollout) -> Self {
        match (self, percent) {
            (Self::Service(_), 0) => Self::Service(rollout.baseline.clone()),
            (Self::Service(_), 100) => Self::Service(rollout.canary.clone()),
            _ => Self::Split {
                baseline: 100 - percent.min(100),
                canary: percent.min(100),
            },
        }
    }

    /// Gives it to a route. What else its split says, what keeps callers at a service among it, stays.
    pub(super) fn give(&self, route: &mut Route, rollout: &Rollout) {
        match self {
            Self::Other => {}
            Self::Service(service) => {
                route.service.clone_from(service);
                route.split = None;
            }
            Self::Split { baseline, canary } => {
                route.service.clear();
                let split = route.split.get_or_insert_with(WeightedSplit::default);
                let backend = |service: &str| WeightedBackend {
                    service: service.to_owned(),
                    weight: None,
                };
                if split.backends.is_empty() {
                    split.backends = vec![backend(&rollout.baseline), backend(&rollout.canary)];
                }
                for it in &mut split.backends {
                    it.weight = Some(match it.service == rollout.canary {
                        true => *canary,
                        false => *baseline,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_proto::v1::{Rollout, Route};
    use serde_json::json;

    use super::Form;

    fn rollout() -> Rollout {
        let value = json!({"name": "r", "route": "r", "baseline": "a", "canary": "b"});
        serde_json::from_value(value).unwrap()
    }

    fn route(value: serde_json::Value) -> Route {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_route_to_one_service_has_a_split_on_the_way_and_one_service_at_the_end() {
        let (rollout, mut route) = (rollout(), route(json!({"name": "r", "service": "a"})));
        let original = Form::of(&route, &rollout);
        for (percent, service) in [(5, ""), (99, ""), (100, "b"), (0, "a")] {
            let form = original.with(percent, &rollout);
            form.give(&mut route, &rollout);
            assert_eq!(route.service, service);
            assert_eq!(route.split.is_some(), service.is_empty());
            assert_eq!(Form::of(&route, &rollout), form);
            assert_eq!(form.percent("b"), percent);
        }
    }

    #[test]
    fn a_split_keeps_its_order_and_what_keeps_callers_at_a_service() {
        let split = json!({
            "backends": [{"service": "b", "weight": 0}, {"service": "a"}],
            "sticky": {"header": "x-user"},
        });
        let (rollout, mut route) = (rollout(), route(json!({"name": "r", "split": split})));
        let original = Form::of(&route, &rollout);
        let expected = Form::Split {
            baseline: 100,
            canary: 0,
        };
        assert_eq!(original, expected);
        original.with(25, &rollout).give(&mut route, &rollout);
        let split = serde_json::to_value(route.split).unwrap();
        let backends = json!([{"service": "b", "weight": 25}, {"service": "a", "weight": 75}]);
        assert_eq!(split["backends"], backends);
        assert_eq!(split["sticky"], json!({"header": "x-user"}));
    }

    #[test]
    fn a_route_that_is_shared_otherwise_has_another_form() {
        let rollout = rollout();
        let backends = |names: &[&str]| -> serde_json::Value {
            names.iter().map(|it| json!({"service": it})).collect()
        };
        for value in [
            json!({"name": "r", "service": "c"}),
            json!({"name": "r", "split": {"backends": backends(&["a", "c"])}}),
            json!({"name": "r", "split": {"backends": backends(&["a", "b", "c"])}}),
            json!({"name": "r", "redirect": {}}),
        ] {
            assert_eq!(Form::of(&route(value), &rollout), Form::Other);
        }
    }
}

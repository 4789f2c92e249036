//! Who else gets a copy of a route's requests. Pure: chance is a parameter.

use std::sync::Arc;

use crate::{Action, Route, Service};

/// A service that gets copies.
#[derive(Debug)]
pub struct Mirror {
    /// The route as it is with this service alone, and without retries.
    pub route: Arc<Route>,
    /// Which of the requests.
    pub share: Share,
    /// How much of a body may wait for a copy that is slower than the request itself.
    pub max_body_bytes: usize,
}

impl Mirror {
    /// The service.
    pub fn service(&self) -> Option<&Arc<Service>> {
        match &self.route.action {
            Action::Forward(service) => Some(service),
            _ => None,
        }
    }
}

/// A share of requests, chosen at random.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// So many of a hundred.
    pub fn percent(percent: f64) -> Self {
        Self(percent / 100.0)
    }

    /// Whether a request is one of them. `random` is uniform.
    pub fn takes(self, random: u64) -> bool {
        ((random >> 11) as f64 / (1_u64 << 53) as f64) < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_share_is_of_all_requests_from_none_to_every_one() {
        let takes = |percent, random| Share::percent(percent).takes(random);
        assert!(!takes(0.0, 0));
        assert!(takes(100.0, u64::MAX));
        let quarter = u64::MAX / 4;
        assert!(takes(25.0, quarter - 4096) && !takes(25.0, quarter + 4096));
        assert!(takes(0.1, u64::MAX / 1001) && !takes(0.1, u64::MAX / 999));
    }
}

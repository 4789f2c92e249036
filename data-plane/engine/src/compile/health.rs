//! How an upstream's targets are known to be fit for requests.

mod check;
mod outlier;

use gatewright_proto::v1;

use super::{Mistake, pattern::Patterns};
use crate::health::HealthSpec;

/// Reads both ways of an upstream.
pub(super) fn spec(
    upstream: &v1::Upstream,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> HealthSpec {
    let check = upstream.health_check.as_ref();
    let check = check.and_then(|it| check::check(it, patterns, mistakes));
    let standard = v1::OutlierDetection::default();
    let outlier = upstream.outlier_detection.as_ref().unwrap_or(&standard);
    HealthSpec {
        check,
        outlier: outlier::outlier(outlier, mistakes),
    }
}

/// That of an upstream that asks for nothing.
pub(super) fn standard() -> HealthSpec {
    let standard = v1::OutlierDetection::default();
    HealthSpec {
        check: None,
        outlier: outlier::outlier(&standard, &mut Vec::new()),
    }
}

/// Numbers of one message, with their ranges and defaults.
struct Numbers<'a> {
    /// Where they are, with a dot at the end.
    at: &'static str,
    mistakes: &'a mut Vec<Mistake>,
}

impl Numbers<'_> {
    /// The number, or the default where there is none.
    fn read(
        &mut self,
        (field, value): (&str, Option<u32>),
        range: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let field = format!("{}{field}", self.at);
        super::field::within(&field, value, range, self.mistakes);
        value.unwrap_or(default)
    }

    /// The same, as a time.
    fn time(
        &mut self,
        field: (&str, Option<u32>),
        range: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> std::time::Duration {
        std::time::Duration::from_millis(self.read(field, range, default).into())
    }
}

//! The setting `adaptive` of `rate-limit`, and what is wrong with it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::adaptive::{Adaptive, Shares};
use crate::{
    guard::Health,
    plugin::{Build, InvalidSetting},
};

/// How limits follow the health of the service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Follow {
    /// Smallest share of the limits that is in force, in percent. 1 to 100.
    #[serde(default = "default_floor")]
    floor_percent: u32,
    /// From where on the limits fall.
    #[serde(default)]
    signals: Signals,
}

/// Thresholds of what tells that a service is not well. 0 leaves one out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Signals {
    /// Share of attempts that fail, over 10 seconds, in percent. 0 to 100.
    error_percent: u32,
    /// The median latency, in percent of what is usual for the service. 0, or 101 to 10,000.
    latency_percent: u32,
    /// Share of the targets that health checks or outlier detection took out, in percent. 0 to 100.
    ejected_percent: u32,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            error_percent: 10,
            latency_percent: 200,
            ejected_percent: 34,
        }
    }
}

const fn default_floor() -> u32 {
    10
}

impl Follow {
    pub(super) fn compile(
        &self,
        build: &Build<'_>,
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Adaptive {
        let signals = &self.signals;
        let percents = [
            ("floor_percent", self.floor_percent, 1),
            ("signals.error_percent", signals.error_percent, 0),
            ("signals.ejected_percent", signals.ejected_percent, 0),
        ];
        for (field, value, least) in percents {
            if !(least..=100).contains(&value) {
                let reason = format!("`{value}` is not within {least} to 100");
                mistakes.push(InvalidSetting::new(format!("adaptive.{field}"), reason));
            }
        }
        let latency = signals.latency_percent;
        if latency != 0 && !(101..=10_000).contains(&latency) {
            let reason = format!("`{latency}` is not 0 or within 101 to 10,000");
            let field = "adaptive.signals.latency_percent";
            mistakes.push(InvalidSetting::new(field, reason));
        }
        let threshold = |percent: u32| match percent {
            0 => f64::INFINITY,
            percent => f64::from(percent) / 100.0,
        };
        Adaptive {
            floor: self.floor_percent * 10,
            thresholds: Health {
                errors: threshold(signals.error_percent),
                latency: threshold(latency),
                ejected: threshold(signals.ejected_percent),
            },
            shares: build
                .states
                .keep("rate-limit-share", build.name, Shares::default),
        }
    }
}

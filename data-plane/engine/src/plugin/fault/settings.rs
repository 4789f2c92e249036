//! Settings of `fault`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{super::InvalidSetting, MAX_DELAY_MS, MAX_KIB_PER_SECOND};

const MAX_ACTIVE: u32 = 1_000_000;

/// Settings of `fault`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::plugin) struct Settings {
    /// Makes requests wait.
    pub(super) delay: Option<Delay>,
    /// Answers requests instead of the service, after the delay if there is one.
    pub(super) abort: Option<AbortSettings>,
    /// Slows the bodies of answers.
    pub(super) pace: Option<Pace>,
    /// Whether clients say in fields which fault they want. Default false.
    pub(super) by_header: bool,
    /// Most requests that meet a fault at a time, on each node; further ones meet none. 1 to 1,000,000; default 1,000.
    pub(super) max_active: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay: None,
            abort: None,
            pace: None,
            by_header: false,
            max_active: 1_000,
        }
    }
}

/// A delay.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Delay {
    /// How long, in milliseconds. 1 to 60,000.
    pub(super) ms: u32,
    /// Share of the requests, in percent. 0 to 100; default 100.
    pub(super) percent: Option<f64>,
}

/// An answer instead of the service's. At least one of `status` and `grpc_status`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AbortSettings {
    /// Status of HTTP, for all requests but those that `grpc_status` is for. 200 to 599.
    pub(super) status: Option<u16>,
    /// Status of gRPC, for requests of gRPC. 0 to 16.
    pub(super) grpc_status: Option<u32>,
    /// Share of the requests, in percent. 0 to 100; default 100.
    pub(super) percent: Option<f64>,
}

/// How fast bodies of answers go to clients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pace {
    /// At most so many KiB a second. 1 to 1,048,576.
    pub(super) kib_per_second: u32,
    /// Share of the requests, in percent. 0 to 100; default 100.
    #[serde(default)]
    pub(super) percent: Option<f64>,
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let mut add = |wrong: bool, field: &str, reason: &str| {
            if wrong {
                mistakes.push(InvalidSetting::new(field, reason));
            }
        };
        let percent = |it: Option<f64>| it.is_some_and(|it| !(0.0..=100.0).contains(&it));
        if let Some(delay) = &self.delay {
            let wrong = !(1..=MAX_DELAY_MS).contains(&delay.ms);
            add(wrong, "delay.ms", "is not within 1 to 60,000");
            add(
                percent(delay.percent),
                "delay.percent",
                "is not within 0 to 100",
            );
        }
        if let Some(abort) = &self.abort {
            let wrong = abort.status.is_some_and(|it| !(200..=599).contains(&it));
            add(wrong, "abort.status", "is not within 200 to 599");
            let wrong = abort.grpc_status.is_some_and(|it| it > 16);
            add(wrong, "abort.grpc_status", "is not within 0 to 16");
            let nothing = abort.status.is_none() && abort.grpc_status.is_none() && !self.by_header;
            add(nothing, "abort", "give `status`, `grpc_status` or both");
            add(
                percent(abort.percent),
                "abort.percent",
                "is not within 0 to 100",
            );
        }
        if let Some(pace) = &self.pace {
            let wrong = !(1..=MAX_KIB_PER_SECOND).contains(&pace.kib_per_second);
            let reason = "is not within 1 to 1,048,576";
            add(wrong, "pace.kib_per_second", reason);
            add(
                percent(pace.percent),
                "pace.percent",
                "is not within 0 to 100",
            );
        }
        let nothing = self.delay.is_none() && self.abort.is_none() && self.pace.is_none();
        let reason = "give `delay`, `abort` or `pace`, or `by_header`";
        add(nothing && !self.by_header, "", reason);
        let wrong = !(1..=MAX_ACTIVE).contains(&self.max_active);
        add(wrong, "max_active", "is not within 1 to 1,000,000");
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(mistakes)
        }
    }
}

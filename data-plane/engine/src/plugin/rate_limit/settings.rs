//! Settings of `rate-limit`, and what is wrong with them.

use std::sync::Arc;

use gatewright_proto::json::parse_milliseconds;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    RateLimit, Window, adaptive::WHOLE, follow::Follow, gcra::Quota, key::Part, store::Store,
};
use crate::plugin::{Build, Configure, InvalidSetting};

const MAX_LIMITS: usize = 8;
const MAX_PARTS: usize = 8;
const MAX_REQUESTS: u32 = 1_000_000_000;
/// 31 days.
const MAX_PERIOD_MS: u64 = 31 * 24 * 3_600_000;
/// Longest time to refill a bucket: twice the longest period.
const MAX_REFILL_NS: u64 = 2 * MAX_PERIOD_MS * 1_000_000;
const MAX_KEYS: u32 = 10_000_000;

/// Settings of `rate-limit`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Limits, 1 to 8, each with another period. A request must be within all of them.
    limits: Vec<Limit>,
    /// Whose requests count together: `consumer`, `credential`, `client_address`, `route`, `service`,
    /// `header:NAME`, or a list of up to 8 of these.
    #[serde(default = "by_consumer")]
    key: Keys,
    /// Bits of an IPv6 address that tell clients apart. 1 to 128.
    #[serde(default = "default_ipv6_prefix")]
    ipv6_prefix: u8,
    /// Most keys to remember. 16 to 10,000,000. A key takes about 100 bytes.
    #[serde(default = "default_max_keys")]
    max_keys: u32,
    /// Whether answers have `RateLimit` and `RateLimit-Policy`.
    #[serde(default = "announced")]
    announce: bool,
    /// How the limits follow the health of the service. Default: they do not.
    #[serde(default)]
    adaptive: Option<Follow>,
}

/// One limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limit {
    /// How many requests. 1 to 1,000,000,000.
    requests: u32,
    /// In which time: a whole number and its unit, `s`, `m` or `h`. 1 second to 31 days (`744h`).
    per: String,
    /// How many at once, after a pause. 1 to 1,000,000,000, refilled within 62 days; default:
    /// `requests`.
    #[serde(default)]
    burst: Option<u32>,
}

/// One or several.
#[derive(Debug, Deserialize, JsonSchema, serde::Serialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Several(Vec<String>),
}

fn by_consumer() -> Keys {
    Keys::One("consumer".to_owned())
}

const fn default_ipv6_prefix() -> u8 {
    64
}

const fn default_max_keys() -> u32 {
    100_000
}

const fn announced() -> bool {
    true
}

impl Settings {
    pub(super) fn compile(self, build: &Build<'_>) -> Result<RateLimit, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let limits = self.limits(&mut mistakes);
        let key = self.key(&mut mistakes);
        if !(1..=128).contains(&self.ipv6_prefix) {
            let reason = format!("`{}` is not within 1 to 128", self.ipv6_prefix);
            mistakes.push(InvalidSetting::new("ipv6_prefix", reason));
        }
        if !(16..=MAX_KEYS).contains(&self.max_keys) {
            let reason = format!("`{}` is not within 16 to 10,000,000", self.max_keys);
            mistakes.push(InvalidSetting::new("max_keys", reason));
        }
        let adaptive = self.adaptive.as_ref();
        let adaptive = adaptive.map(|it| it.compile(build, &mut mistakes));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let windows: Vec<Window> = limits
            .iter()
            .map(|it| window(build.name, it, limits.len()))
            .collect();
        let mut limit = RateLimit {
            name: Arc::clone(build.name),
            policy: None,
            adaptive,
            windows,
            quotas: limits.iter().map(|it| it.quota).collect(),
            key,
            ipv6_prefix: self.ipv6_prefix,
            max_keys: self.max_keys as usize,
            store: build
                .states
                .keep(RateLimit::NAME, build.name, Store::default),
        };
        limit.policy = self.announce.then(|| limit.policy_in_force(WHOLE));
        Ok(limit)
    }

    /// From short to long, so that counts stay with their window when limits are reordered.
    fn limits(&self, mistakes: &mut Vec<InvalidSetting>) -> Vec<Checked<'_>> {
        if !(1..=MAX_LIMITS).contains(&self.limits.len()) {
            let reason = format!("give 1 to {MAX_LIMITS} limits");
            mistakes.push(InvalidSetting::new("limits", reason));
        }
        let mut checked: Vec<Checked<'_>> = Vec::new();
        for (index, limit) in self.limits.iter().enumerate() {
            let mut wrong = |field: &str, reason: String| {
                let field = format!("limits[{index}].{field}");
                mistakes.push(InvalidSetting { field, reason });
            };
            match limit.check(&mut wrong) {
                Some(one) if checked.iter().any(|it| it.period_ms == one.period_ms) => {
                    wrong(
                        "per",
                        format!("`{}` is the period of another limit", limit.per),
                    );
                }
                Some(one) => checked.push(one),
                None => {}
            }
        }
        checked.sort_by_key(|it| it.period_ms);
        checked
    }

    fn key(&self, mistakes: &mut Vec<InvalidSetting>) -> Vec<Part> {
        let texts = match &self.key {
            Keys::One(text) => std::slice::from_ref(text),
            Keys::Several(texts) => texts,
        };
        if !(1..=MAX_PARTS).contains(&texts.len()) {
            let reason = format!("give 1 to {MAX_PARTS} parts");
            mistakes.push(InvalidSetting::new("key", reason));
        }
        let mut parts = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match Part::read(text) {
                Ok(part) => parts.push(part),
                Err(reason) => {
                    let field = match &self.key {
                        Keys::One(_) => "key".to_owned(),
                        Keys::Several(_) => format!("key[{index}]"),
                    };
                    mistakes.push(InvalidSetting::new(field, reason));
                }
            }
        }
        parts
    }
}

/// A limit whose values are within their ranges.
struct Checked<'a> {
    limit: &'a Limit,
    period_ms: u64,
    quota: Quota,
}

impl Limit {
    fn check(&self, wrong: &mut impl FnMut(&str, String)) -> Option<Checked<'_>> {
        let period_ms = parse_milliseconds(&self.per)
            .filter(|ms| ms.is_multiple_of(1000) && (1000..=MAX_PERIOD_MS).contains(ms));
        let Some(period_ms) = period_ms else {
            let reason = "must be whole seconds, minutes or hours, from `1s` to `744h`";
            wrong("per", format!("`{}` {reason}", self.per));
            return None;
        };
        let burst = self.burst.unwrap_or(self.requests);
        for (field, value) in [("requests", self.requests), ("burst", burst)] {
            if !(1..=MAX_REQUESTS).contains(&value) {
                wrong(field, format!("`{value}` is not within 1 to 1,000,000,000"));
                return None;
            }
        }
        let quota = Quota::new(self.requests, period_ms, burst);
        let Some(quota) = quota.filter(|it| it.refill_ns() <= MAX_REFILL_NS) else {
            wrong(
                "burst",
                format!("`{burst}` takes more than 62 days to be refilled"),
            );
            return None;
        };
        Some(Checked {
            limit: self,
            period_ms,
            quota,
        })
    }
}

fn window(instance: &str, checked: &Checked<'_>, count: usize) -> Window {
    let per = checked.limit.per.clone();
    Window {
        name: if count == 1 {
            instance.to_owned()
        } else {
            format!("{instance}-{per}")
        },
        requests: checked.limit.requests,
        per,
        seconds: checked.period_ms / 1000,
    }
}

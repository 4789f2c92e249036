//! Outlier detection: its defaults, and what may be asked of it.

use gatewright_proto::v1;

use super::Numbers;
use crate::{
    compile::Mistake,
    health::{
        ejection::Terms,
        outlier::OutlierDetection,
        rate::{FailurePercentage, SuccessRate},
        streak::{Limits, Within},
    },
};

const HOUR_MS: u32 = 3_600_000;
const INTERVAL_MS: u32 = 10_000;
const BASE_EJECTION_MS: u32 = 30_000;
const MAX_EJECTION_MS: u32 = 300_000;
const MAX_EJECTION_PERCENT: u32 = 50;
const MAX_HOSTS: u32 = 10_000;
const MAX_REQUESTS: u32 = 1_000_000;

/// None where it is switched off. What has mistakes is refused as a whole, so that what stands for it does not matter.
pub(super) fn outlier(
    settings: &v1::OutlierDetection,
    mistakes: &mut Vec<Mistake>,
) -> Option<OutlierDetection> {
    let limits = limits(settings, mistakes);
    let success_rate = settings.success_rate.as_ref();
    let success_rate = success_rate.map(|it| rate_of(it, mistakes));
    let failures = settings.failure_percentage.as_ref();
    let failure_percentage = failures.map(|it| percentage_of(it, mistakes));
    let terms = terms(settings, mistakes);
    settings.enabled.unwrap_or(true).then(|| OutlierDetection {
        limits,
        success_rate,
        failure_percentage,
        interval: terms.interval,
        terms,
        probe: settings.probe.unwrap_or(false),
        readmit_by_check: settings.readmit_by_health_check.unwrap_or(true),
    })
}

fn limits(settings: &v1::OutlierDetection, mistakes: &mut Vec<Mistake>) -> Limits {
    if settings.consecutive_local_failures.is_some() && !settings.split_local_failures() {
        let reason = "is counted only with `split_local_failures`";
        let field = "outlier_detection.consecutive_local_failures";
        mistakes.push(Mistake::value(field, reason));
    }
    let within = settings.failure_count.as_ref().map(|it| {
        let at = "outlier_detection.failure_count.";
        let mut numbers = Numbers { at, mistakes };
        Within {
            count: numbers.read(("count", it.count), 1..=1000, 5),
            milliseconds: numbers
                .read(("within_ms", it.within_ms), 100..=HOUR_MS, INTERVAL_MS)
                .into(),
        }
    });
    let at = "outlier_detection.";
    let mut numbers = Numbers { at, mistakes };
    let mut row = |field, value, default| numbers.read((field, value), 0..=1000, default);
    let gateway = settings.consecutive_gateway_failures;
    let local = settings.consecutive_local_failures;
    Limits {
        server: row("consecutive_5xx", settings.consecutive_5xx, 5),
        gateway: row("consecutive_gateway_failures", gateway, 0),
        local: row("consecutive_local_failures", local, 5),
        split: settings.split_local_failures(),
        within,
    }
}

fn rate_of(settings: &v1::SuccessRate, mistakes: &mut Vec<Mistake>) -> SuccessRate {
    let at = "outlier_detection.success_rate.";
    let mut numbers = Numbers { at, mistakes };
    let (hosts, requests) = (settings.min_hosts, settings.min_requests);
    let deviation = ("deviation_permille", settings.deviation_permille);
    SuccessRate {
        min_hosts: numbers.read(("min_hosts", hosts), 1..=MAX_HOSTS, 5),
        min_requests: numbers.read(("min_requests", requests), 1..=MAX_REQUESTS, 100),
        deviation_permille: numbers.read(deviation, 1..=100_000, 1900),
    }
}

fn percentage_of(
    settings: &v1::FailurePercentage,
    mistakes: &mut Vec<Mistake>,
) -> FailurePercentage {
    let at = "outlier_detection.failure_percentage.";
    let mut numbers = Numbers { at, mistakes };
    let (hosts, requests) = (settings.min_hosts, settings.min_requests);
    let threshold = ("threshold_percent", settings.threshold_percent);
    FailurePercentage {
        threshold_percent: numbers.read(threshold, 1..=100, 85),
        min_hosts: numbers.read(("min_hosts", hosts), 1..=MAX_HOSTS, 5),
        min_requests: numbers.read(("min_requests", requests), 1..=MAX_REQUESTS, 50),
    }
}

fn terms(settings: &v1::OutlierDetection, mistakes: &mut Vec<Mistake>) -> Terms {
    let at = "outlier_detection.";
    let mut numbers = Numbers { at, mistakes };
    let interval = ("interval_ms", settings.interval_ms);
    let base = ("base_ejection_ms", settings.base_ejection_ms);
    let longest = ("max_ejection_ms", settings.max_ejection_ms);
    let jitter = ("ejection_jitter_ms", settings.ejection_jitter_ms);
    let percent = ("max_ejection_percent", settings.max_ejection_percent);
    let base_time = numbers.time(base, 100..=HOUR_MS, BASE_EJECTION_MS);
    let longest_time = numbers.time(longest, 100..=24 * HOUR_MS, MAX_EJECTION_MS);
    let terms = Terms {
        base: base_time,
        longest: longest_time.max(base_time),
        jitter: numbers.time(jitter, 0..=HOUR_MS, 0),
        interval: numbers.time(interval, 100..=HOUR_MS, INTERVAL_MS),
        most_percent: numbers.read(percent, 0..=100, MAX_EJECTION_PERCENT),
        always_one: settings.always_eject_one.unwrap_or(true),
    };
    if settings.max_ejection_ms.is_some() && longest_time < base_time {
        let reason = "is shorter than `base_ejection_ms`";
        let field = "outlier_detection.max_ejection_ms";
        mistakes.push(Mistake::value(field, reason));
    }
    terms
}

//! Health checks: their defaults, and what may be asked of them.

use std::time::Duration;

use gatewright_proto::v1;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::Numbers;
use crate::{
    compile::{Mistake, field, pattern::Patterns},
    health::check::{BodyMatch, Check, HttpProbe, Pauses, Probe, Statuses, Thresholds},
};

const HOUR_MS: u32 = 3_600_000;
const INTERVAL_MS: u32 = 5_000;
const TIMEOUT_MS: u32 = 1_000;
const NO_TRAFFIC_INTERVAL_MS: u32 = 60_000;
const JITTER_PERCENT: u32 = 10;
const MAX_BODY_BYTES: u32 = 1 << 20;
const BODY_BYTES: u32 = 1 << 16;
/// Longest text to send, to look for, or to match by.
const MAX_TEXT_BYTES: usize = 1024;
const MAX_HEADERS: usize = 32;
const MAX_STATUSES: usize = 16;

/// None where it is switched off or has mistakes.
pub(super) fn check(
    settings: &v1::HealthCheck,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Check> {
    let probe = match (&settings.http, &settings.tcp, &settings.grpc) {
        (Some(http), None, None) => http_probe(http, patterns, mistakes),
        (None, Some(tcp), None) => tcp_probe(tcp, mistakes),
        (None, None, Some(grpc)) => grpc_probe(grpc, mistakes),
        (None, None, None) => {
            let reason = "one of `http`, `tcp` and `grpc` is required";
            mistakes.push(Mistake::new("health_check", "required", reason));
            None
        }
        _ => {
            let reason = "`http`, `tcp` and `grpc` exclude each other";
            mistakes.push(Mistake::value("health_check", reason));
            None
        }
    };
    let at = "health_check.";
    let mut numbers = Numbers { at, mistakes };
    let timeout = ("timeout_ms", settings.timeout_ms);
    let unhealthy = ("unhealthy_threshold", settings.unhealthy_threshold);
    let healthy = ("healthy_threshold", settings.healthy_threshold);
    let timeout = numbers.time(timeout, 10..=60_000, TIMEOUT_MS);
    let thresholds = Thresholds {
        unhealthy: numbers.read(unhealthy, 1..=100, 3),
        healthy: numbers.read(healthy, 1..=100, 2),
    };
    numbers.read(("port", settings.port), 1..=65_535, 1);
    let pauses = pauses(settings, &mut numbers);
    let port = settings.port.and_then(|port| u16::try_from(port).ok());
    let check = Check {
        probe: probe?,
        port,
        tls: settings.tls,
        timeout,
        pauses,
        thresholds,
    };
    settings.enabled.unwrap_or(true).then_some(check)
}

fn pauses(settings: &v1::HealthCheck, numbers: &mut Numbers<'_>) -> Pauses {
    let range = 100..=HOUR_MS;
    let interval = ("interval_ms", settings.interval_ms);
    let healthy = numbers.read(interval, range.clone(), INTERVAL_MS);
    let unhealthy = ("unhealthy_interval_ms", settings.unhealthy_interval_ms);
    let no_traffic = ("no_traffic_interval_ms", settings.no_traffic_interval_ms);
    let jitter = ("jitter_percent", settings.jitter_percent);
    Pauses {
        healthy: Duration::from_millis(healthy.into()),
        unhealthy: numbers.time(unhealthy, range.clone(), healthy),
        no_traffic: numbers.time(no_traffic, range, NO_TRAFFIC_INTERVAL_MS.max(healthy)),
        jitter_percent: numbers.read(jitter, 0..=100, JITTER_PERCENT),
    }
}

fn http_probe(
    settings: &v1::HttpCheck,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Probe> {
    let path = match settings.path.as_str() {
        "" => "/",
        path => path,
    };
    let path = path.starts_with('/').then(|| path.parse().ok()).flatten();
    if path.is_none() {
        let reason = format!("`{}` is not a path, as `/healthz`", settings.path);
        mistakes.push(Mistake::value("health_check.http.path", reason));
    }
    let method = match settings.method.as_str() {
        "" => Some(Method::GET),
        method => method_of(method, mistakes),
    };
    let host = host("health_check.http.host", &settings.host, mistakes);
    let headers = headers(settings, mistakes);
    let expected = statuses("expected_statuses", &settings.expected_statuses, mistakes);
    let retriable = statuses("retriable_statuses", &settings.retriable_statuses, mistakes);
    let body = body(settings, patterns, mistakes);
    Some(Probe::Http(Box::new(HttpProbe {
        method: method?,
        path: path?,
        host,
        headers,
        expected: match expected.0.is_empty() {
            true => Statuses(vec![200..=200]),
            false => expected,
        },
        retriable,
        body,
    })))
}

fn method_of(text: &str, mistakes: &mut Vec<Mistake>) -> Option<Method> {
    let method = text.parse::<Method>().ok();
    let method = method.filter(|it| *it != Method::CONNECT);
    if method.is_none() || text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        let reason = format!("`{text}` is not a method to ask with, as `GET`");
        mistakes.push(Mistake::value("health_check.http.method", reason));
    }
    method
}

fn host(at: &str, text: &str, mistakes: &mut Vec<Mistake>) -> Option<HeaderValue> {
    if text.is_empty() {
        return None;
    }
    let value = HeaderValue::from_str(text).ok();
    let value = value.filter(|_| field::is_host(text) || field::address(text).is_ok());
    if value.is_none() {
        let reason =
            format!("`{text}` is not a host, as `api.example.com` or `api.example.com:8080`");
        mistakes.push(Mistake::value(at, reason));
    }
    value
}

/// Fields that the connection or another setting decides.
const OWN_FIELDS: [HeaderName; 6] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::UPGRADE,
];

fn headers(settings: &v1::HttpCheck, mistakes: &mut Vec<Mistake>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let at = "health_check.http.headers";
    if settings.headers.len() > MAX_HEADERS {
        let reason = format!("{} fields; at most {MAX_HEADERS}", settings.headers.len());
        mistakes.push(Mistake::value(at, reason));
    }
    for (name, value) in &settings.headers {
        let parsed = HeaderName::try_from(name).ok();
        let parsed = parsed.filter(|name| !OWN_FIELDS.contains(name));
        match (parsed, HeaderValue::from_str(value)) {
            (Some(name), Ok(value)) => {
                headers.append(name, value);
            }
            (None, _) => {
                let reason = "is not the name of a field that may be set";
                mistakes.push(Mistake::value(format!("{at}.{name}"), reason));
            }
            (_, Err(_)) => {
                let reason = "has a value with characters that no field may have";
                mistakes.push(Mistake::value(format!("{at}.{name}"), reason));
            }
        }
    }
    headers
}

fn statuses(field: &str, list: &[String], mistakes: &mut Vec<Mistake>) -> Statuses {
    let at = format!("health_check.http.{field}");
    if list.len() > MAX_STATUSES {
        let reason = format!("{} entries; at most {MAX_STATUSES}", list.len());
        mistakes.push(Mistake::value(&at, reason));
    }
    let mut statuses = Statuses::default();
    for (place, text) in list.iter().enumerate() {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) if 100 <= first && first <= last && last <= 599 => {
                statuses.0.push(first..=last);
            }
            _ => {
                let reason = format!("`{text}` is not a status, as `200` or `200-399`");
                mistakes.push(Mistake::value(format!("{at}[{place}]"), reason));
            }
        }
    }
    statuses
}

fn body(
    settings: &v1::HttpCheck,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<BodyMatch> {
    let at = "health_check.http.";
    let most_bytes = Numbers { at, mistakes }.read(
        ("max_body_bytes", settings.max_body_bytes),
        1..=MAX_BODY_BYTES,
        BODY_BYTES,
    );
    let contains = text(
        "health_check.http.body_contains",
        &settings.body_contains,
        mistakes,
    );
    let written = text(
        "health_check.http.body_regex",
        &settings.body_regex,
        mistakes,
    );
    if contains.is_empty() && written.is_empty() {
        return None;
    }
    let mut regex = None;
    if !written.is_empty() {
        match patterns.somewhere(written) {
            Ok(compiled) => regex = Some(compiled),
            Err(reason) => mistakes.push(Mistake::value("health_check.http.body_regex", reason)),
        }
    }
    if settings.method == "HEAD" {
        let reason = "answers to HEAD have no body";
        mistakes.push(Mistake::value("health_check.http.method", reason));
    }
    Some(BodyMatch {
        contains: contains.into(),
        regex,
        most_bytes: most_bytes as usize,
    })
}

fn text<'a>(at: &str, text: &'a str, mistakes: &mut Vec<Mistake>) -> &'a str {
    if text.len() > MAX_TEXT_BYTES {
        let reason = format!("{} bytes; at most {MAX_TEXT_BYTES}", text.len());
        mistakes.push(Mistake::value(at, reason));
    }
    text
}

#[expect(clippy::unnecessary_wraps, reason = "as the other probes")]
fn tcp_probe(settings: &v1::TcpCheck, mistakes: &mut Vec<Mistake>) -> Option<Probe> {
    let send = text("health_check.tcp.send", &settings.send, mistakes);
    let expect = text("health_check.tcp.expect", &settings.expect, mistakes);
    Some(Probe::Tcp {
        send: send.as_bytes().into(),
        expect: expect.as_bytes().into(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "as the other probes")]
fn grpc_probe(settings: &v1::GrpcCheck, mistakes: &mut Vec<Mistake>) -> Option<Probe> {
    let service = text("health_check.grpc.service", &settings.service, mistakes);
    Some(Probe::Grpc {
        service: service.into(),
        host: host("health_check.grpc.host", &settings.host, mistakes),
    })
}

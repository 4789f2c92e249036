//! What is answered where a service cannot, or fails.

use gatewright_proto::{Key, Kind, Resource, v1};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{Compiler, Mistake, field};
use crate::{
    guard::{BodyTemplate, Escape, Fallback, FallbackAction, StaticAnswer, Trigger},
    plugin::nearest,
};

/// Largest body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Most fields.
const MAX_HEADERS: usize = 32;
/// Most statuses.
const MAX_STATUSES: usize = 64;
/// What the gateway writes itself.
const FRAMING: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::TRAILER,
    header::UPGRADE,
];

impl Compiler<'_> {
    /// Services that fall back to a service which falls back to a service: only one hop is made. Both are
    /// told, so that a node which refuses the newer one is consistent again.
    pub(super) fn check_fallback_chains(&mut self) {
        let mut found = Vec::new();
        for (key, held) in self.held(Kind::Service) {
            let Some(next) = fallback_service(&held.resource) else {
                continue;
            };
            let next = Key::new(Kind::Service, next);
            let after = self.set.held.get(&next);
            if next != *key && after.is_some_and(|it| fallback_service(&it.resource).is_some()) {
                found.push((key.clone(), next));
            }
        }
        for (key, next) in found {
            let onward = format!(
                "service `{}` falls back to a service itself, and only one is asked",
                next.name
            );
            let at = "fallback.service";
            self.add(&key, Mistake::value(at, onward));
            let before = format!(
                "service `{}` falls back to this one, and only one is asked",
                key.name
            );
            self.add(&next, Mistake::value(at, before));
        }
    }
}

fn fallback_service(resource: &Resource) -> Option<&str> {
    match resource {
        Resource::Service(service) => {
            let name = service.fallback.as_ref()?.service.as_str();
            (!name.is_empty()).then_some(name)
        }
        _ => None,
    }
}

/// Reads the fallback of this service, or of a route to it.
pub(super) fn fallback(
    fallback: &v1::Fallback,
    of_service: &str,
    mistakes: &mut Vec<Mistake>,
) -> Option<Fallback> {
    let before = mistakes.len();
    let on = triggers(&fallback.on, mistakes);
    let statuses = statuses(&fallback.statuses, mistakes);
    let action = match (&fallback.answer, fallback.service.as_str()) {
        (Some(answer), "") => {
            let answer = self::answer(answer, mistakes);
            answer.map(|answer| FallbackAction::Answer(Box::new(answer)))
        }
        (None, name) if !name.is_empty() => {
            if name == of_service {
                let reason = "is the service itself";
                mistakes.push(Mistake::value("fallback.service", reason));
            }
            Some(FallbackAction::Service(name.into()))
        }
        (None, _) => {
            let reason = "either `answer` or `service` is required";
            mistakes.push(Mistake::new("fallback.answer", "required", reason));
            None
        }
        (Some(_), _) => {
            let reason = "`answer` and `service` exclude each other";
            mistakes.push(Mistake::value("fallback.service", reason));
            None
        }
    };
    (mistakes.len() == before).then_some(Fallback {
        on,
        statuses,
        action: action?,
    })
}

fn triggers(names: &[String], mistakes: &mut Vec<Mistake>) -> Vec<Trigger> {
    if names.is_empty() {
        return Trigger::ALL.map(|(_, trigger)| trigger).to_vec();
    }
    let mut triggers = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let known = Trigger::ALL.iter().find(|(known, _)| known == name);
        match known {
            Some((_, trigger)) => triggers.push(*trigger),
            None => {
                let hint = nearest(name, Trigger::ALL.iter().map(|(name, _)| *name));
                let hint = hint.map(|known| format!("; `{known}` is one"));
                let reason = format!(
                    "`{name}` is not something to fall back on{}",
                    hint.unwrap_or_default()
                );
                mistakes.push(Mistake::value(format!("fallback.on[{index}]"), reason));
            }
        }
    }
    triggers
}

fn statuses(numbers: &[u32], mistakes: &mut Vec<Mistake>) -> Vec<StatusCode> {
    if numbers.len() > MAX_STATUSES {
        let reason = format!("{} statuses; at most {MAX_STATUSES}", numbers.len());
        mistakes.push(Mistake::value("fallback.statuses", reason));
    }
    for (index, number) in numbers.iter().enumerate() {
        let at = format!("fallback.statuses[{index}]");
        field::within(&at, Some(*number), 400..=599, mistakes);
    }
    let numbers = numbers
        .iter()
        .filter_map(|number| u16::try_from(*number).ok());
    numbers
        .filter_map(|number| StatusCode::from_u16(number).ok())
        .collect()
}

fn answer(answer: &v1::StaticAnswer, mistakes: &mut Vec<Mistake>) -> Option<StaticAnswer> {
    let at = |field: &str| format!("fallback.answer.{field}");
    field::within(&at("status"), answer.status, 200..=599, mistakes);
    if answer.body.len() > MAX_BODY_BYTES {
        let reason = format!("{} bytes; at most {MAX_BODY_BYTES}", answer.body.len());
        mistakes.push(Mistake::value(at("body"), reason));
    }
    let mut headers = headers(answer, mistakes);
    let content_type = match answer.content_type.as_str() {
        "" if answer.body.starts_with(['{', '[']) => "application/json",
        "" => "text/plain; charset=utf-8",
        given => given,
    };
    match HeaderValue::from_str(content_type) {
        Ok(value) => {
            headers.insert(header::CONTENT_TYPE, value);
        }
        Err(_) => {
            let reason = "is not a value that a header can have";
            mistakes.push(Mistake::value(at("content_type"), reason));
        }
    }
    let body = BodyTemplate::parse(&answer.body, Escape::of(content_type));
    let body = body
        .map_err(|reason| mistakes.push(Mistake::value(at("body"), reason)))
        .ok()?;
    let status = u16::try_from(answer.status.unwrap_or(503)).ok()?;
    Some(StaticAnswer {
        status: StatusCode::from_u16(status).ok()?,
        headers,
        body,
    })
}

fn headers(answer: &v1::StaticAnswer, mistakes: &mut Vec<Mistake>) -> HeaderMap {
    if answer.headers.len() > MAX_HEADERS {
        let reason = format!("{} fields; at most {MAX_HEADERS}", answer.headers.len());
        mistakes.push(Mistake::value("fallback.answer.headers", reason));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        let at = format!("fallback.answer.headers.{name}");
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let (Ok(parsed), Ok(value)) = (parsed, HeaderValue::from_str(value)) else {
            let reason = "is not a field with a value that a header can have";
            mistakes.push(Mistake::value(at, reason));
            continue;
        };
        if FRAMING.contains(&parsed) || parsed == header::CONTENT_TYPE {
            let reason = match parsed == header::CONTENT_TYPE {
                true => "is written as `content_type`",
                false => "is the gateway's to write",
            };
            mistakes.push(Mistake::value(at, reason));
            continue;
        }
        headers.insert(parsed, value);
    }
    headers
}

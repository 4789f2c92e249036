//! What a route asks of a request's body, read from its resource.

use gatewright_proto::v1;

use super::{
    Mistake, field,
    further::{parameters, text_rule},
    matching::bounded,
};
use crate::{
    NeedsBody,
    compile::pattern::Patterns,
    route::{Content, GrpcRule, JsonRule, PayloadRule, Pointer, XmlPath, XmlRule},
};

/// Body that is held back, in bytes, where nothing else is said.
const MAX_BYTES: u32 = 65_536;
/// Time for a body to arrive, in milliseconds, where nothing else is said.
const TIMEOUT_MS: u32 = 5_000;

pub(super) fn payload(
    route: &v1::Route,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<PayloadRule> {
    let body = route.body.as_ref()?;
    let kinds = [body.json.len(), body.form.len(), body.xml.len()];
    let kinds = kinds.into_iter().filter(|count| *count > 0).count();
    if kinds > 1 {
        let reason = "`json`, `form` and `xml` exclude each other";
        mistakes.push(Mistake::value("body", reason));
    }
    if kinds == 0 && body.grpc.is_none() {
        let reason = "must have one of `json`, `form`, `xml` and `grpc`";
        mistakes.push(Mistake::value("body", reason));
    }
    field::within("body.max_bytes", body.max_bytes, 1..=1_048_576, mistakes);
    field::within("body.timeout_ms", body.timeout_ms, 1..=60_000, mistakes);
    let content = if !body.json.is_empty() {
        Some(Content::Json(json(&body.json, patterns, mistakes)))
    } else if !body.form.is_empty() {
        let rules = parameters("body.form", &body.form, patterns, mistakes);
        Some(Content::Form(rules))
    } else if !body.xml.is_empty() {
        Some(Content::Xml(xml(&body.xml, patterns, mistakes)))
    } else {
        None
    };
    Some(PayloadRule {
        content,
        grpc: body.grpc.as_ref().map(|it| grpc(it, mistakes)),
        bounds: NeedsBody {
            max_bytes: body.max_bytes.unwrap_or(MAX_BYTES),
            timeout_ms: body.timeout_ms.unwrap_or(TIMEOUT_MS),
        },
    })
}

fn json(
    list: &[v1::JsonMatch],
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Box<[JsonRule]> {
    bounded("body.json", list, mistakes);
    let mut rules = Vec::new();
    for (place, rule) in list.iter().enumerate() {
        let at = |field: &str| format!("body.json[{place}].{field}");
        let wrong = |reason| format!("`{}`: {reason}", rule.pointer);
        let pointer = Pointer::parse(&rule.pointer).map_err(wrong);
        match (pointer, text_rule(rule.value.as_ref(), patterns)) {
            (Ok(pointer), Ok(value)) => rules.push(JsonRule::new(pointer, value)),
            (Err(reason), _) => mistakes.push(Mistake::value(at("pointer"), reason)),
            (_, Err(reason)) => mistakes.push(Mistake::value(at("value"), reason)),
        }
    }
    rules.into()
}

fn xml(
    list: &[v1::XmlMatch],
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Box<[XmlRule]> {
    bounded("body.xml", list, mistakes);
    let mut rules = Vec::new();
    for (place, rule) in list.iter().enumerate() {
        let at = |field: &str| format!("body.xml[{place}].{field}");
        let wrong = |reason| format!("`{}`: {reason}", rule.path);
        let path = XmlPath::parse(&rule.path).map_err(wrong);
        match (path, text_rule(rule.value.as_ref(), patterns)) {
            (Ok(path), Ok(value)) => rules.push(XmlRule { path, value }),
            (Err(reason), _) => mistakes.push(Mistake::value(at("path"), reason)),
            (_, Err(reason)) => mistakes.push(Mistake::value(at("value"), reason)),
        }
    }
    rules.into()
}

fn grpc(grpc: &v1::GrpcMatch, mistakes: &mut Vec<Mistake>) -> GrpcRule {
    let is_name = |name: &str| !name.contains('/');
    if grpc.service.is_empty() {
        mistakes.push(Mistake::required("body.grpc.service"));
    }
    if !is_name(&grpc.service) {
        let reason = format!("`{}` is not a service, as `shop.v1.Orders`", grpc.service);
        mistakes.push(Mistake::value("body.grpc.service", reason));
    }
    if !is_name(&grpc.method) {
        let reason = format!("`{}` is not a method, as `Get`", grpc.method);
        mistakes.push(Mistake::value("body.grpc.method", reason));
    }
    GrpcRule {
        service: grpc.service.as_str().into(),
        method: (!grpc.method.is_empty()).then(|| grpc.method.as_str().into()),
    }
}

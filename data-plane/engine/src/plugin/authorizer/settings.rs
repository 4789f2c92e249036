//! Settings that plugins have in common that ask authorizers.

use http::{HeaderName, header};
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::{InvalidSetting, WantsBody};

/// Most fields in a list.
const MAX_FIELDS: usize = 64;
/// Most bytes of a body that may be sent along.
const MAX_BODY_BYTES: u32 = 10 * 1024 * 1024;
/// Longest time for them, in milliseconds.
const MAX_BODY_TIMEOUT_MS: u32 = 60_000;

/// What is sent along of bodies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in super::super) struct BodySettings {
    /// Most bytes that are sent. 1 to 10,485,760.
    max_bytes: u32,
    /// Whether the beginning is sent of a body that is longer, with `X-Envoy-Auth-Partial-Body: true`. Otherwise longer
    /// bodies are refused with 413, code `body_too_large`.
    partial: bool,
    /// Whether gRPC has it in `raw_body` instead of `body`. Other authorizers get bytes anyway.
    as_bytes: bool,
    /// Time in which it must have arrived, in milliseconds. 1 to 60,000.
    timeout_ms: u32,
}

impl Default for BodySettings {
    fn default() -> Self {
        Self {
            max_bytes: 8192,
            partial: false,
            as_bytes: false,
            timeout_ms: 10_000,
        }
    }
}

impl BodySettings {
    pub(super) fn compile(&self, mistakes: &mut Vec<InvalidSetting>) -> Option<(WantsBody, bool)> {
        let (max_bytes, timeout_ms) = (self.max_bytes, self.timeout_ms);
        let mut wrong = |field: &str, reason: &str| {
            mistakes.push(InvalidSetting::new(field, reason));
        };
        if !(1..=MAX_BODY_BYTES).contains(&max_bytes) {
            wrong("body.max_bytes", "must be 1 to 10,485,760");
        }
        if !(1..=MAX_BODY_TIMEOUT_MS).contains(&timeout_ms) {
            wrong("body.timeout_ms", "must be 1 to 60,000");
        }
        let wants = match self.partial {
            true => WantsBody::Beginning {
                max_bytes,
                timeout_ms,
            },
            false => WantsBody::Whole {
                max_bytes,
                timeout_ms,
            },
        };
        Some((wants, self.as_bytes))
    }
}

/// Reads a list of names of fields.
pub(in super::super) fn fields(
    field: &str,
    given: &[String],
    mistakes: &mut Vec<InvalidSetting>,
) -> Box<[HeaderName]> {
    if given.len() > MAX_FIELDS {
        mistakes.push(InvalidSetting::new(field, "has more than 64 entries"));
    }
    let mut names = Vec::with_capacity(given.len());
    for (index, name) in given.iter().enumerate() {
        match name.parse::<HeaderName>() {
            Ok(name) if !is_framing(&name) => names.push(name),
            _ => mistakes.push(InvalidSetting::new(
                format!("{field}[{index}]"),
                format!("`{name}` is not a field that can be passed on"),
            )),
        }
    }
    names.into()
}

/// Whether a field says how a message is framed or where it goes.
pub(in super::super) fn is_framing(name: &HeaderName) -> bool {
    let own = [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::EXPECT,
    ];
    own.contains(name)
}

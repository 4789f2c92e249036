//! Bodies that are held back to be read whole, as JSON or otherwise: their bounds, and what is answered.

use http::{HeaderMap, HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{InvalidSetting, WantsBody, media};
use crate::{
    Code, Rejection, Violation,
    schema::{Bounds, Document, Outcome},
};

/// Most bytes of a body that are held back.
const MAX_BYTES: u32 = 8 << 20;
/// Longest that a body is waited for, in milliseconds.
const MAX_TIMEOUT_MS: u32 = 60_000;
/// Most steps of a check: about a second.
const MAX_STEPS: u32 = 20_000_000;
/// Deepest nesting of a body.
const MAX_DEPTH: u8 = 64;

/// Bounds on bodies that are looked at.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BodySettings {
    /// Most bytes of a body, which is held back. 1 to 8,388,608.
    pub(super) max_bytes: u32,
    /// Time for all of it to arrive, in milliseconds; then the answer is 408. 1 to 60,000.
    pub(super) timeout_ms: u32,
    /// Most steps of the check of a request, about one for each value and each schema that it is held against; a request that
    /// would take more is refused. 1,000 to 20,000,000.
    pub(super) max_steps: u32,
}

impl Default for BodySettings {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 20,
            timeout_ms: 10_000,
            max_steps: 500_000,
        }
    }
}

impl BodySettings {
    pub(super) fn check(self, mistakes: &mut Vec<InvalidSetting>) {
        for (field, value, least, most) in [
            ("max_bytes", self.max_bytes, 1, MAX_BYTES),
            ("timeout_ms", self.timeout_ms, 1, MAX_TIMEOUT_MS),
            ("max_steps", self.max_steps, 1_000, MAX_STEPS),
        ] {
            if !(least..=most).contains(&value) {
                let reason = format!("must be {least} to {most}");
                mistakes.push(InvalidSetting::new(format!("body.{field}"), reason));
            }
        }
    }

    pub(super) fn bounds(self, refuse_read_only: bool) -> Bounds {
        Bounds {
            steps: u64::from(self.max_steps),
            refuse_read_only,
        }
    }

    /// Asks for all of the body.
    ///
    /// # Errors
    /// What can be said before any of it is there.
    pub(super) fn wants(self, headers: &HeaderMap) -> Result<WantsBody, Rejection> {
        self.refuse_long(headers)?;
        if media::is_coded(headers) {
            let detail = "a body in a content coding cannot be checked";
            let rejection = Rejection::new(Code::UnsupportedMediaType, detail);
            let identity = HeaderValue::from_static("identity");
            return Err(rejection.with_header(header::ACCEPT_ENCODING, identity));
        }
        Ok(WantsBody::Whole {
            max_bytes: self.max_bytes,
            timeout_ms: self.timeout_ms,
        })
    }

    fn refuse_long(self, headers: &HeaderMap) -> Result<(), Rejection> {
        let most = u64::from(self.max_bytes);
        if announced(headers).is_some_and(|length| length > most) {
            let detail = format!("the body is over {most} bytes");
            return Err(Rejection::new(Code::BodyTooLarge, detail));
        }
        Ok(())
    }
}

/// The length that a body is said to have.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Reads JSON. Of two members of one name readers disagree which one counts, so it may be there once.
///
/// # Errors
/// What is not JSON, names something twice in an object, or is nested deeper than 64.
pub(super) fn read(body: &[u8]) -> Result<Value, Rejection> {
    let bounds = Document {
        depth: MAX_DEPTH,
        values: MAX_BYTES,
    };
    bounds.json(body).map_err(|error| {
        let detail = format!("the body is not JSON that can be checked: {error}");
        Rejection::new(Code::InvalidBody, detail)
    })
}

/// What is answered to what was found.
///
/// # Errors
/// Anything is wrong.
pub(super) fn verdict(outcome: Outcome) -> Result<(), Rejection> {
    match outcome {
        Outcome::Good => Ok(()),
        Outcome::Bad(violations) => Err(violated(violations)),
        Outcome::TooMuch => {
            let detail = "the body takes too much to be checked";
            Err(Rejection::new(Code::SchemaViolation, detail).because("too_much"))
        }
    }
}

/// Refuses what is not as it should be.
pub(super) fn violated(violations: Vec<Violation>) -> Rejection {
    let place = violations.first().map_or("body", |it| it.place);
    let detail = match place {
        "body" => "the body is not what is allowed",
        _ => "the parameters are not what is allowed",
    };
    let mut rejection = Rejection::new(Code::SchemaViolation, detail).because(place);
    rejection.violations = violations.into();
    rejection
}

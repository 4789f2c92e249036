//! The second look: plugins that asked for it see the whole body, held back within bounds.
//!
//! It comes after all of *admit*, so that nothing is held for who is refused anyway. A body that is over
//! a plugin's bound, or late, refuses the request as that plugin would: in shadow mode it is recorded.

use std::time::Duration;

use super::{
    Plugin, Ran,
    run::{Answer, Verdict, record, settle},
};
use crate::{Code, Rejection, RequestContext};

/// What a plugin wants of the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantsBody {
    /// Not more than so many bytes, as it streams through.
    AtMost(u64),
    /// All of it, for [`super::Plugin::on_body`].
    Whole {
        /// Most bytes; a longer body is refused.
        max_bytes: u32,
        /// Time for all of it, in milliseconds.
        timeout_ms: u32,
    },
    /// Its beginning, for [`super::Plugin::on_beginning`]; the rest streams on.
    Beginning {
        /// Most bytes that are shown.
        max_bytes: u32,
        /// Time for them, in milliseconds.
        timeout_ms: u32,
    },
}

/// What came of holding a body back.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// It is over the most that anybody asked for. That much of it, where somebody wants the beginning.
    TooLong(&'a [u8]),
    /// It did not arrive in time.
    Late,
}

impl Ran {
    /// Whether a plugin wants anything of the body.
    pub const fn wants_body(&self) -> bool {
        !self.wants.is_empty()
    }

    /// Most bytes of a body that streams through; none without a bound.
    pub fn most(&self) -> Option<u64> {
        let bounds = self.wants.iter().filter_map(|(_, wants)| match *wants {
            WantsBody::AtMost(most) => Some(most),
            WantsBody::Whole { .. } | WantsBody::Beginning { .. } => None,
        });
        bounds.min()
    }

    /// How many bytes to hold back and for how long at most; none where nobody looks.
    pub fn holds(&self) -> Option<(usize, Duration)> {
        let whole = self.wants.iter().filter_map(|(_, wants)| match *wants {
            WantsBody::AtMost(_) => None,
            WantsBody::Whole {
                max_bytes,
                timeout_ms,
            }
            | WantsBody::Beginning {
                max_bytes,
                timeout_ms,
            } => Some((max_bytes, timeout_ms)),
        });
        let (bytes, ms) = whole.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)))?;
        Some((bytes as usize, Duration::from_millis(u64::from(ms))))
    }

    /// Whether somebody wants to see the beginning of a body that is over all bounds.
    pub fn wants_beginning(&self) -> bool {
        let mut wants = self.wants.iter();
        wants.any(|(_, wants)| matches!(wants, WantsBody::Beginning { .. }))
    }
}

/// Shows the body to those that asked for it, in order, until one answers.
pub async fn admit_body(ran: &Ran, request: &mut RequestContext, body: Seen<'_>) -> Option<Answer> {
    for (step, wants) in &ran.wants {
        if let WantsBody::AtMost(_) = wants {
            continue;
        }
        let Some(instance) = ran.instance(*step, request).cloned() else {
            continue;
        };
        let verdict = show(&*instance.plugin, *wants, request, body).await;
        match verdict {
            Verdict::Continue | Verdict::Body(_) | Verdict::Inject(_) => {}
            Verdict::Respond(response) => return Some(Answer::Respond(response)),
            Verdict::Reject(rejection) => {
                record(
                    request,
                    &instance,
                    (rejection.code, rejection.reason),
                    instance.shadow,
                );
                if !instance.shadow {
                    return Some(Answer::Reject(rejection));
                }
            }
        }
    }
    None
}

async fn show(
    plugin: &dyn Plugin,
    wants: WantsBody,
    request: &mut RequestContext,
    body: Seen<'_>,
) -> Verdict {
    match (wants, body) {
        (WantsBody::AtMost(_), _) => Verdict::Continue,
        (_, Seen::Late) => Verdict::Reject(late()),
        (WantsBody::Beginning { max_bytes, .. }, Seen::Whole(bytes) | Seen::TooLong(bytes)) => {
            let shown = bytes.len().min(max_bytes as usize);
            let whole = matches!(body, Seen::Whole(_)) && shown == bytes.len();
            settle(plugin.on_beginning(request, &bytes[..shown], whole)).await
        }
        (WantsBody::Whole { max_bytes, .. }, Seen::Whole(bytes))
            if bytes.len() <= max_bytes as usize =>
        {
            settle(plugin.on_body(request, bytes)).await
        }
        (WantsBody::Whole { max_bytes, .. }, _) => Verdict::Reject(too_long(max_bytes)),
    }
}

fn too_long(max_bytes: u32) -> Rejection {
    let detail = format!("the body is over {max_bytes} bytes");
    Rejection::new(Code::BodyTooLarge, detail)
}

fn late() -> Rejection {
    Rejection::new(Code::RequestTimeout, "the body did not arrive in time")
}

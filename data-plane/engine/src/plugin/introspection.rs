//! `introspection`: finds out who calls by asking the authorization server what a token is worth (RFC 7662).

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use self::{
    asking::{Asking, Found, No},
    settings::Settings,
};
use super::{
    Build, InvalidSetting,
    identity::{
        ConfigureMethod, Method, Refusal, Verdict,
        bearer::{self, EXPIRED, Sent, text},
        binding::{Binding, Presented},
        claims_to_headers::ClaimsToHeaders,
        source::Sources,
    },
};
use crate::{
    Code, RequestContext, Snapshot,
    jwt::{Policy, Refusal as Why},
    reference::Reference,
};

mod asking;
mod settings;
#[cfg(test)]
mod tests;

/// See [`ConfigureMethod::DOCS`].
#[derive(Debug)]
pub(super) struct Introspection {
    sources: Sources,
    headers: ClaimsToHeaders,
    asking: Arc<Asking>,
    binding: Arc<Binding>,
}

impl ConfigureMethod for Introspection {
    const NAME: &'static str = "introspection";
    const SUMMARY: &'static str =
        "Finds out who calls by asking the authorization server about the token.";
    const DOCS: &'static str = "\
For tokens that say nothing by themselves, and for such that may be withdrawn: each is sent to the server's introspection
endpoint (RFC 7662), as the client of the settings. A token counts that the server calls `active` and that says
what is asked of it: issuer, audience, subject, required claims and scopes, and the times `exp`, `nbf` and `iat`
where they are there. What else the server says are the token's claims, as those of a `jwt`: `consumer_claim`,
`groups_claim`, `claims_to_headers`, and `cnf` with `sender_constrained` and `dpop` mean the same there.

Answers are remembered under a digest of the token whose key no other process has: good ones for `remember_seconds`,
and never longer than the token is valid; others for `remember_refused_seconds`. For that time, a token that was
withdrawn still counts on a node that has asked before. Requests with the same token at a time ask once.

Refused with 401, code `unauthorized` and `error=\"invalid_token\"`: a token that is not active or not as asked. With
403, code `forbidden` and `error=\"insufficient_scope\"`: a good token without a scope that is asked for. With 503, code
`introspection_unavailable`, and never let through: the endpoint cannot be reached, takes longer than `timeout_ms`,
answers with anything but 200 and JSON with a boolean `active` of at most 64 KiB, or more than `max_concurrent` tokens are
being asked about. Which it was is in the access line and in `gatewright_authentication_refusals_total` (`reason`):
`endpoint_unreachable`, `endpoint_timeout`, `endpoint_refused` (400 to 499: client and secret may be wrong), `endpoint_status`,
`endpoint_nonsense` or `endpoint_busy`; of tokens `inactive`, `too_large`, `malformed`, `several_tokens`, `unknown_consumer`, or as of
`jwt`. Questions are counted in `gatewright_plugin_calls_total`.";
    const EXAMPLE: &'static str = "\
endpoint: https://login.example.com/oauth2/introspect
client: {id: gateway, secret: env:INTROSPECTION_SECRET}
audiences: [orders]
scopes: [orders/read]
claims_to_headers: {sub: x-user-id}";
    const HIDES: bool = false;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let lists = [
            ("headers", &*settings.headers),
            ("query", &*settings.query),
            ("cookies", &*settings.cookies),
        ];
        let sources = Sources::compile(lists, &mut mistakes);
        let headers = ClaimsToHeaders::compile(&settings.claims_to_headers, &mut mistakes);
        let dpop = (settings.sender_constrained, &settings.dpop);
        let binding = Binding::compile(dpop, build, &mut mistakes);
        let asking = Asking::compile(&settings, build, &mut mistakes);
        match asking {
            Some(asking) if mistakes.is_empty() => Ok(Self {
                sources,
                headers,
                asking: Arc::new(asking),
                binding: Arc::new(binding),
            }),
            _ => Err(mistakes),
        }
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        settings.references()
    }
}

impl Method for Introspection {
    fn verify(&self, request: &RequestContext) -> Verdict {
        let token = match Sent::find(&self.sources, request, self.binding.takes_proofs()) {
            Sent::Nothing => return Verdict::Absent,
            Sent::One(token) => token,
            Sent::Several => {
                return refused("the request has several tokens", "several_tokens");
            }
        };
        if token.bytes.len() > self.policy().max_bytes {
            return refused(NOT_ACCEPTED, Why::TooLarge.as_str());
        }
        let visible = |byte: &u8| byte.is_ascii_graphic();
        if token.bytes.is_empty() || !token.bytes.iter().all(visible) {
            return refused(NOT_ACCEPTED, Why::Malformed.as_str());
        }
        let presented = match self.binding.presented(request, &token, now()) {
            Ok(presented) => presented,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let digest = self.asking.digest(&token.bytes);
        if let Some(outcome) = self.asking.remembered(&digest, now()) {
            return conclude(outcome, &self.binding, &presented, &request.snapshot);
        }
        let (asking, binding) = (Arc::clone(&self.asking), Arc::clone(&self.binding));
        let snapshot = Arc::clone(&request.snapshot);
        let token: Box<str> = text(&token.bytes).into();
        Verdict::wait(async move {
            let outcome = asking.ask(digest, token).await;
            conclude(outcome, &binding, &presented, &snapshot)
        })
    }

    fn wants_client_certificate(&self) -> bool {
        self.binding.wants_certificate()
    }

    fn hide(&self, request: &mut RequestContext) {
        bearer::hide(&self.sources, request, self.binding.takes_proofs());
    }

    fn tell(&self, request: &mut RequestContext) {
        self.headers.write(request);
    }

    fn challenge(&self, realm: &str, refusal: Option<&Refusal>) -> String {
        let scopes = self.policy().scopes.iter().map(|it| &**it);
        bearer::challenge(realm, refusal, scopes, &self.binding)
    }
}

impl Introspection {
    fn policy(&self) -> &Policy {
        &self.asking.policy
    }
}

const NOT_ACCEPTED: &str = "the token is not accepted";

fn conclude(
    outcome: Result<Arc<Found>, No>,
    binding: &Binding,
    presented: &Presented,
    snapshot: &Snapshot,
) -> Verdict {
    let found = match outcome {
        Ok(found) => found,
        Err(no) => return Verdict::Refused(refusal(no)),
    };
    if let Err(refusal) = binding.holds(presented, &found.bound, now()) {
        return Verdict::Refused(refusal);
    }
    match found.shared.identity(snapshot, Introspection::NAME) {
        Some(identity) => Verdict::Proven(identity),
        None => refused(
            "the token is of no consumer that is known",
            "unknown_consumer",
        ),
    }
}

fn refusal(no: No) -> Refusal {
    let (code, detail) = match no {
        No::Unavailable(_) => (
            Code::IntrospectionUnavailable,
            "nobody can tell whether the token is good",
        ),
        No::Policy(Why::Scope) => (Code::Forbidden, "the token lacks a scope"),
        No::Policy(Why::Expired) => (Code::Unauthorized, EXPIRED),
        No::Inactive | No::Policy(_) => (Code::Unauthorized, NOT_ACCEPTED),
    };
    Refusal::because(code, detail).noted_as(no.as_str())
}

fn refused(detail: &'static str, reason: &'static str) -> Verdict {
    Verdict::Refused(Refusal::because(Code::Unauthorized, detail).noted_as(reason))
}

/// In seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

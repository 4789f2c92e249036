//! `jwt`: finds out who calls by a signed token.

use std::time::{SystemTime, UNIX_EPOCH};

use self::{
    provider::{Found, Provider},
    settings::Settings,
};
use super::{
    Build, InvalidSetting,
    identity::{
        ConfigureMethod, Method, Refusal, Verdict,
        bearer::{self, EXPIRED, Sent, text},
        binding::Binding,
        claims_to_headers::ClaimsToHeaders,
        source::Sources,
    },
};
use crate::{
    Code, RequestContext,
    jwt::{Refusal as Why, TokenDigest},
    reference::Reference,
};

mod provider;
mod settings;
#[cfg(test)]
mod tests;

/// See [`ConfigureMethod::DOCS`].
#[derive(Debug)]
pub(super) struct Jwt {
    sources: Sources,
    providers: Vec<Provider>,
    headers: ClaimsToHeaders,
    binding: Binding,
}

impl ConfigureMethod for Jwt {
    const NAME: &'static str = "jwt";
    const SUMMARY: &'static str = "Finds out who calls by a signed token (JWT).";
    const DOCS: &'static str = "\
Accepts tokens that are signed with a key of a key set (`key_set`) and say what is asked of them. The
algorithm is the key's, never the token's choice; unsigned tokens, tokens with `crit`, and keys that a token
brings along are refused. Of several `providers` a token must satisfy one.

What is checked, beside the signature: `exp` (required unless `require_expiry` is false), `nbf`, `iat`,
issuer, audience, subject, required claims and scopes. Issuers default to the key set's `issuer`. Scopes are
those of the claims `scope` and `scp`.

A token by itself proves who calls; with `consumer_claim`, it must also name a consumer that is configured. Groups of
`groups_claim` count in `acl` like those of the consumer.

Refused with 401, code `unauthorized` and `WWW-Authenticate: Bearer error=\"invalid_token\"` (RFC 6750): a
token that is not accepted, and two different tokens in one request. With 403, code `forbidden` and
`error=\"insufficient_scope\"`: a good token without a scope that is asked for. With 503, code
`keys_unavailable`: the key set is disabled, was refused by this node, or its keys have not been fetched yet.

A token with `cnf` is bound to a key of its holder. By default (`sender_constrained: when_bound`) such a token is of no
use to anybody else: it must come with the client certificate whose SHA-256 is in `x5t#S256` (RFC 8705), or as
`Authorization: DPoP` with a proof in `DPoP` that is signed with the key of `jkt` (RFC 9449). A proof is for one method, one
URI and one token, and counts once on each node; `origins` says what clients see as scheme and host, where a proxy in
front changes that. Refused with `error=\"invalid_dpop_proof\"`: a proof that does not hold. With
`error=\"use_dpop_nonce\"` and `DPoP-Nonce`: one without a nonce, where `require_nonce` is set. Clients are asked
for a certificate where `sender_constrained` is `mtls` or `either`, or another plugin wants one; behind a proxy that ends TLS there is none.

Why a token was refused is in the access line (`reason` in `refusals`) and in
`gatewright_authentication_refusals_total`: `too_large`, `malformed`, `header`, `type`, `algorithm`, `unknown_key`,
`signature`, `claim_type`, `expired`, `no_expiry`, `not_yet_valid`, `issued_in_future`, `lifetime`, `issuer`,
`audience`, `subject`, `claim`, `scope`, `several_tokens`, `unknown_consumer` or `no_keys`; of tokens that are bound to a key
`bound_as_bearer`, `certificate`, `not_bound`, `binding_unknown`, `proof_missing`, `proof_malformed`, `proof_algorithm`,
`proof_signature`, `proof_request`, `proof_time`, `proof_token`, `proof_key`, `proof_nonce` or `proof_replayed`. Of several providers it is
that of the one that came closest to accepting it.

Tokens that were accepted are remembered by their SHA-256 until they expire or the keys change.";
    const EXAMPLE: &'static str = "\
providers:
- key_set: login
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
        let providers = provider::compile(&settings, &mut mistakes);
        let headers = ClaimsToHeaders::compile(&settings.claims_to_headers, &mut mistakes);
        let dpop = (settings.sender_constrained, &settings.dpop);
        let binding = Binding::compile(dpop, build, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self {
            sources,
            providers,
            headers,
            binding,
        })
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        settings.references()
    }
}

impl Method for Jwt {
    fn verify(&self, request: &RequestContext) -> Verdict {
        let token = match Sent::find(&self.sources, request, self.binding.takes_proofs()) {
            Sent::Nothing => return Verdict::Absent,
            Sent::One(token) => token,
            Sent::Several => {
                return refused("the request has several tokens", "several_tokens");
            }
        };
        let digest = TokenDigest::of(&token.bytes);
        let now = now();
        let presented = match self.binding.presented(request, &token, now) {
            Ok(presented) => presented,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let mut why = None;
        for provider in &self.providers {
            match provider.check(text(&token.bytes), digest, &request.snapshot, now) {
                Ok(found) => {
                    return match self.binding.holds(&presented, &found.bound, now) {
                        Ok(()) => proven(request, &found),
                        Err(refusal) => Verdict::Refused(refusal),
                    };
                }
                Err(refusal) => why = Some(worse(why, refusal)),
            }
        }
        // There is at least one provider.
        let why = why.unwrap_or(provider::Refused::NoKeys);
        let (code, detail) = match why {
            provider::Refused::NoKeys => (
                Code::KeysUnavailable,
                "the keys that tokens are checked with are not there",
            ),
            provider::Refused::Token(Why::Scope) => (Code::Forbidden, "the token lacks a scope"),
            provider::Refused::Token(Why::Expired) => (Code::Unauthorized, EXPIRED),
            provider::Refused::Token(_) => (Code::Unauthorized, "the token is not accepted"),
        };
        Verdict::Refused(Refusal::because(code, detail).noted_as(why.as_str()))
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
        let scopes = self.providers.iter().flat_map(Provider::scopes);
        bearer::challenge(realm, refusal, scopes, &self.binding)
    }
}

fn proven(request: &RequestContext, found: &Found) -> Verdict {
    match found.shared.identity(&request.snapshot, Jwt::NAME) {
        Some(identity) => Verdict::Proven(identity),
        None => refused(
            "the token is of no consumer that is known",
            "unknown_consumer",
        ),
    }
}

fn refused(detail: &'static str, reason: &'static str) -> Verdict {
    Verdict::Refused(Refusal::because(Code::Unauthorized, detail).noted_as(reason))
}

/// Which of two refusals is told: that of the provider that came closest to accepting the token.
fn worse(one: Option<provider::Refused>, other: provider::Refused) -> provider::Refused {
    match one {
        Some(one) if one.nearness() >= other.nearness() => one,
        _ => other,
    }
}

/// In seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

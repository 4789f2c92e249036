//! Bearer tokens of requests (RFC 6750), and tokens sent with a proof of possession (RFC 9449): where they are, and
//! what those are told who send a wrong one or none.

use std::{borrow::Cow, cell::Cell, str};

use http::{HeaderName, HeaderValue, header};

use super::{
    Refusal,
    binding::{Binding, PROOF},
    source::Sources,
};
use crate::{Code, RequestContext};

/// What is said of a token that has expired.
pub(in crate::plugin) const EXPIRED: &str = "the token has expired";

/// The tokens of a request.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::plugin) enum Sent<'r> {
    Nothing,
    /// One; the same one several times is one.
    One(Token<'r>),
    Several,
}

/// A token of a request.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::plugin) struct Token<'r> {
    pub(in crate::plugin) bytes: Cow<'r, [u8]>,
    /// Whether it was sent as `Authorization: DPoP`, and in no other way.
    pub(in crate::plugin) with_proof: bool,
}

impl<'r> Sent<'r> {
    /// Those of a request. Proofs of possession are for whom they mean something.
    pub(in crate::plugin) fn find(
        sources: &Sources,
        request: &'r RequestContext,
        proofs: bool,
    ) -> Self {
        let mut sent = Self::Nothing;
        let (plain, proven) = (Cell::new(false), Cell::new(false));
        let of_field = |name: &HeaderName, value: &'r HeaderValue| match of_field(name, value) {
            Some((true, _)) if !proofs => None,
            Some((with_proof, token)) => {
                let seen = if with_proof { &proven } else { &plain };
                seen.set(true);
                Some(token)
            }
            None => None,
        };
        let mut found = 0;
        sources.each(request, of_field, |token| {
            found += 1;
            sent.take(token);
        });
        if let Self::One(token) = &mut sent {
            token.with_proof = found == 1 && proven.get() && !plain.get();
        }
        sent
    }

    fn take(&mut self, bytes: Cow<'r, [u8]>) {
        match self {
            Self::Nothing => {
                *self = Self::One(Token {
                    bytes,
                    with_proof: false,
                });
            }
            Self::One(first) if first.bytes == bytes => {}
            Self::One(_) | Self::Several => *self = Self::Several,
        }
    }
}

/// Takes tokens out of what is forwarded, and proofs with them.
pub(in crate::plugin) fn hide(sources: &Sources, request: &mut RequestContext, proofs: bool) {
    sources.hide(request, |name, value| match of_field(name, value) {
        Some((true, _)) if !proofs => None,
        found => found.map(|(_, token)| token),
    });
    if proofs {
        request.headers.remove(PROOF);
    }
}

/// The token of a field: in `Authorization` after `Bearer` (RFC 6750 section 2.1) or `DPoP` (RFC 9449 section 7.1), where
/// another scheme's credential is none; in others with or without `Bearer`. Beside it, whether a proof belongs to it.
fn of_field<'v>(name: &HeaderName, value: &'v HeaderValue) -> Option<(bool, &'v [u8])> {
    let text = value.as_bytes().trim_ascii();
    let space = text.iter().position(|byte| *byte == b' ');
    let (scheme, token) = text.split_at(space.unwrap_or(text.len()));
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some((false, token.trim_ascii()));
    }
    if *name != header::AUTHORIZATION {
        return Some((false, text));
    }
    scheme
        .eq_ignore_ascii_case(b"dpop")
        .then(|| (true, token.trim_ascii()))
}

/// A token is ASCII (RFC 7515 section 7.1); what is not can be none, and is refused as an empty one is.
pub(in crate::plugin) fn text(token: &[u8]) -> &str {
    str::from_utf8(token).unwrap_or_default()
}

/// The challenges (RFC 6750 section 3, RFC 9449 section 7.1). `scopes` are those that are asked for.
pub(in crate::plugin) fn challenge<'s>(
    realm: &str,
    refusal: Option<&Refusal>,
    scopes: impl Iterator<Item = &'s str>,
    binding: &Binding,
) -> String {
    let error = match refusal {
        None => String::new(),
        Some(refusal) if refusal.code == Code::Forbidden => {
            let scopes: Vec<&str> = scopes.collect();
            let scopes = scopes.join(" ");
            format!(", error=\"insufficient_scope\", scope=\"{scopes}\"")
        }
        Some(refusal) if refusal.detail == EXPIRED => {
            format!(", error=\"invalid_token\", error_description=\"{EXPIRED}\"")
        }
        Some(refusal) => format!(", error=\"{}\"", binding.error(refusal)),
    };
    let schemes = binding.schemes(refusal);
    // The error is told once, with the scheme that was used or is to be.
    match (schemes.bearer, schemes.proofs) {
        (true, false) => format!("Bearer realm=\"{realm}\"{error}"),
        (false, true) => format!("DPoP realm=\"{realm}\"{error}, algs=\"{}\"", binding.algs()),
        (_, _) => format!(
            "Bearer realm=\"{realm}\"{error}, DPoP realm=\"{realm}\", algs=\"{}\"",
            binding.algs()
        ),
    }
}

//! Tokens that are bound to a key of their holder: by a certificate (RFC 8705 section 3) or by proofs of possession
//! (DPoP, RFC 9449). Who has only the token cannot use it.
//!
//! In two steps, since what a token says may have to be asked for: [`Binding::presented`] looks at the request,
//! [`Binding::holds`] compares with the token.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderName, HeaderValue, header};

pub(in crate::plugin) use self::{
    confirmation::Confirmation,
    settings::{DpopSettings, SenderConstrained},
};
use self::{
    nonces::Nonces,
    replays::{Replay, Replays},
};
use super::{Refusal, bearer::Token};
use crate::{
    Code, RequestContext,
    jwt::dpop::{self, Rules, Target, origin},
    plugin::{Build, InvalidSetting},
};

mod confirmation;
mod nonces;
mod replays;
mod settings;
#[cfg(test)]
mod tests;

/// The field with a proof.
pub(super) const PROOF: HeaderName = HeaderName::from_static("dpop");
/// The field with a nonce for the next proof.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// What is asked of the holders of tokens.
#[derive(Debug)]
pub(in crate::plugin) struct Binding {
    mode: SenderConstrained,
    rules: Rules,
    /// Where requests are sent to; empty: as each says.
    origins: Vec<Box<str>>,
    nonces: Option<Nonces>,
    replays: Arc<Replays>,
    algs: Box<str>,
}

/// What a request shows of its sender's keys.
#[derive(Clone, Debug, Default)]
pub(in crate::plugin) struct Presented {
    proof: Option<Shown>,
    certificate: Option<[u8; 32]>,
}

/// A proof that holds, and was not compared with a token yet.
#[derive(Clone, Debug)]
struct Shown {
    key: [u8; 32],
    /// Of its `jti` and its key.
    id: [u8; 32],
}

/// Schemes of a challenge.
pub(super) struct Schemes {
    pub(super) bearer: bool,
    pub(super) proofs: bool,
}

impl Binding {
    /// Whether proofs of possession mean something.
    pub(in crate::plugin) const fn takes_proofs(&self) -> bool {
        !matches!(self.mode, SenderConstrained::None | SenderConstrained::Mtls)
    }

    /// Whether clients have to be asked for a certificate: only where every token may need one. Tokens that are bound to
    /// one although they need not be are refused where nobody else asks for it.
    pub(in crate::plugin) const fn wants_certificate(&self) -> bool {
        matches!(
            self.mode,
            SenderConstrained::Mtls | SenderConstrained::Either
        )
    }

    /// What a request shows beside this token. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// A proof that does not hold.
    pub(in crate::plugin) fn presented(
        &self,
        request: &RequestContext,
        token: &Token<'_>,
        now: u64,
    ) -> Result<Presented, Refusal> {
        if self.mode == SenderConstrained::None {
            return Ok(Presented::default());
        }
        Ok(Presented {
            proof: match token.with_proof {
                true => Some(self.proof(request, &token.bytes, now)?),
                false => None,
            },
            certificate: certificate(request),
        })
    }

    fn proof(&self, request: &RequestContext, token: &[u8], now: u64) -> Result<Shown, Refusal> {
        let mut fields = request.headers.get_all(PROOF).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(refused("proof_missing"));
        };
        let requests = self.origins.is_empty().then(|| requested(request));
        let requests: Option<Vec<Box<str>>> = requests.map(|it| it.into_iter().collect());
        let target = Target {
            method: request.method.as_str(),
            origins: requests.as_deref().unwrap_or(&self.origins),
            path: &request.path,
        };
        let text = field.to_str().unwrap_or_default();
        let proof = dpop::verify(text, (&target, &sha256(&[token])), &self.rules, now);
        let proof = proof.map_err(|why| refused(why.as_str()))?;
        if let Some(nonces) = &self.nonces
            && !proof
                .nonce
                .as_deref()
                .is_some_and(|it| nonces.accepts(it, now))
        {
            return Err(self.nonce_wanted(nonces, now));
        }
        Ok(Shown {
            id: sha256(&[&proof.key, proof.id.as_bytes()]),
            key: proof.key,
        })
    }

    fn nonce_wanted(&self, nonces: &Nonces, now: u64) -> Refusal {
        let refusal = refused("proof_nonce");
        match HeaderValue::from_str(&nonces.fresh(now)) {
            Ok(nonce) => refusal.with_field(NONCE, nonce),
            Err(_) => refusal,
        }
    }

    /// Compares what was shown with what an accepted token is bound to. A proof counts once.
    ///
    /// # Errors
    /// The token is bound to something else, or to nothing where it must be bound.
    pub(in crate::plugin) fn holds(
        &self,
        presented: &Presented,
        bound: &Confirmation,
        now: u64,
    ) -> Result<(), Refusal> {
        if self.mode == SenderConstrained::None {
            return Ok(());
        }
        if bound.unknown {
            return Err(refused("binding_unknown"));
        }
        let shown = presented.proof.as_ref();
        match (bound.key, shown) {
            (Some(_), None) => return Err(refused("bound_as_bearer")),
            (Some(key), Some(shown)) if shown.key != key => return Err(refused("proof_key")),
            (None, Some(_)) => return Err(refused("not_bound")),
            (Some(_) | None, _) => {}
        }
        if bound.certificate.is_some() && bound.certificate != presented.certificate {
            return Err(refused("certificate"));
        }
        let enough = match self.mode {
            SenderConstrained::None | SenderConstrained::WhenBound => true,
            SenderConstrained::Mtls => bound.certificate.is_some(),
            SenderConstrained::Dpop => bound.key.is_some(),
            SenderConstrained::Either => bound.key.is_some() || bound.certificate.is_some(),
        };
        if !enough {
            return Err(refused("not_bound"));
        }
        match shown.map(|it| self.replays.take(it.id, self.remembered_for(), now)) {
            None | Some(Replay::First) => Ok(()),
            Some(Replay::Again) => Err(refused("proof_replayed")),
            Some(Replay::Full) => {
                let detail = "too many proofs of possession are remembered; try again";
                Err(Refusal::because(Code::AuthenticationBusy, detail))
            }
        }
    }

    /// For how long a proof can be accepted, in seconds.
    const fn remembered_for(&self) -> u64 {
        self.rules.max_age + 2 * self.rules.clock_skew + 1
    }

    /// The error of a challenge (RFC 9449 sections 7.1 and 9).
    pub(super) fn error(&self, refusal: &Refusal) -> &'static str {
        match refusal.reason {
            Some("proof_nonce") => "use_dpop_nonce",
            Some(reason) if reason.starts_with("proof_") => "invalid_dpop_proof",
            _ => "invalid_token",
        }
    }

    /// Which schemes are worth telling.
    pub(super) fn schemes(&self, refusal: Option<&Refusal>) -> Schemes {
        let of_proof = |reason: &str| reason.starts_with("proof_") || reason == "bound_as_bearer";
        let proof = refusal.and_then(|it| it.reason).is_some_and(of_proof);
        Schemes {
            bearer: !proof && self.mode != SenderConstrained::Dpop,
            proofs: self.takes_proofs() && (proof || self.mode != SenderConstrained::WhenBound),
        }
    }

    /// Algorithms of proofs, as in a challenge.
    pub(super) fn algs(&self) -> &str {
        &self.algs
    }

    /// From settings, which are named `sender_constrained` and `dpop`.
    pub(in crate::plugin) fn compile(
        (mode, dpop): (SenderConstrained, &DpopSettings),
        build: &Build<'_>,
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Self {
        let rules = dpop.rules(mistakes);
        let algs: Vec<&str> = rules.algorithms.iter().map(|it| it.as_str()).collect();
        Self {
            mode,
            algs: algs.join(" ").into(),
            rules,
            origins: dpop.origins(mistakes),
            nonces: dpop.nonces(build, mistakes),
            replays: build
                .states
                .keep("dpop-proofs", build.name, Replays::default),
        }
    }
}

/// A refusal of how a token was presented.
fn refused(reason: &'static str) -> Refusal {
    let detail = match reason {
        "bound_as_bearer" => "the token is bound to a key, and was sent without proof",
        "certificate" => "the token is bound to another certificate",
        "not_bound" => "the token is not bound to a key of its holder",
        "proof_nonce" => "the proof of possession needs a nonce",
        _ => "the proof of possession does not hold",
    };
    Refusal::because(Code::Unauthorized, detail).noted_as(reason)
}

/// The origin that a request was sent to.
fn requested(request: &RequestContext) -> Option<Box<str>> {
    let host = request.headers.get(header::HOST);
    let authority = host.and_then(|it| it.to_str().ok());
    let origin = origin(request.scheme(), authority.unwrap_or(&request.host));
    origin.map(String::into_boxed_str)
}

/// The SHA-256 of the certificate that the client has shown to have the key of.
fn certificate(request: &RequestContext) -> Option<[u8; 32]> {
    let tls = request.client.tls.as_ref()?;
    tls.certificate.as_ref().map(|it| it.thumbprint)
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let found = match parts {
        [one] => digest(&SHA256, one),
        parts => digest(&SHA256, &parts.concat()),
    };
    bytes.copy_from_slice(found.as_ref());
    bytes
}

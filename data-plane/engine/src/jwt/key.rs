//! One key, with the algorithms that it may be used with.

use std::fmt;

use aws_lc_rs::{
    hmac,
    rsa::{self, PublicKeyComponents},
    signature::ParsedPublicKey,
};
use smallvec::SmallVec;

use super::Algorithm;
use crate::der::element;

/// Smallest and largest modulus of an RSA key, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// One key, with the algorithms that it may be used with. A key says which these are: by its type, its curve and, where
/// it has one, its `alg`.
pub struct Key {
    /// Its name, as tokens give it.
    pub kid: Option<Box<str>>,
    ways: SmallVec<[(Algorithm, Way); 1]>,
}

enum Way {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Key {
    /// A secret that both sides share, of at least as many bytes as the hash (RFC 7518 section 3.2).
    pub(super) fn secret(bytes: &[u8], only: &[Algorithm]) -> Result<Self, String> {
        let mut ways = SmallVec::new();
        let mut shortest = None;
        for algorithm in Algorithm::ALL {
            let Some(hmac) = algorithm.hmac() else {
                continue;
            };
            let needed = hmac.digest_algorithm().output_len();
            if !is_wanted(algorithm, only) {
                continue;
            }
            if bytes.len() < needed {
                shortest.get_or_insert((algorithm, needed));
                continue;
            }
            ways.push((
                algorithm,
                Way::Secret(Box::new(hmac::Key::new(hmac, bytes))),
            ));
        }
        match shortest {
            Some((algorithm, needed)) if ways.is_empty() || !only.is_empty() => Err(format!(
                "a secret of {} bytes; {algorithm} needs at least {needed}",
                bytes.len()
            )),
            _ => Self::of(ways, "a secret"),
        }
    }

    /// An RSA key by its modulus and exponent, big-endian.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8], only: &[Algorithm]) -> Result<Self, String> {
        let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
        let first = modulus.first().copied().unwrap_or_default();
        let bits = modulus.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0);
        if !RSA_BITS.contains(&bits) {
            let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
            return Err(format!(
                "an RSA key of {bits} bits; {least} to {most} are accepted"
            ));
        }
        // At most 2^32, and odd; 1 would make everything its own signature.
        let odd = exponent.last().is_some_and(|last| last % 2 == 1);
        if !odd || exponent == [1] || exponent.len() > 4 {
            return Err("an exponent that is even, 1, or larger than 32 bits".to_owned());
        }
        let components = PublicKeyComponents {
            n: modulus,
            e: exponent,
        };
        let mut ways = SmallVec::new();
        for algorithm in Algorithm::RSA {
            let parameters = algorithm.rsa().filter(|_| is_wanted(algorithm, only));
            let Some(parameters) = parameters else {
                continue;
            };
            let parsed = components.to_parsed_public_key(parameters);
            let parsed = parsed.map_err(|_| "not an RSA key".to_owned())?;
            ways.push((algorithm, Way::Public(parsed)));
        }
        Self::of(ways, "an RSA key")
    }

    /// A point of the curve that belongs to the algorithm: uncompressed, or the 32 bytes of Ed25519.
    pub(super) fn point(
        algorithm: Algorithm,
        point: &[u8],
        only: &[Algorithm],
    ) -> Result<Self, String> {
        let mut ways = SmallVec::new();
        if let Some(curve) = algorithm.curve().filter(|_| is_wanted(algorithm, only)) {
            let parsed = ParsedPublicKey::new(curve, point);
            let parsed = parsed.map_err(|_| "not a point of its curve".to_owned())?;
            ways.push((algorithm, Way::Public(parsed)));
        }
        Self::of(ways, &format!("a key for {algorithm}"))
    }

    /// A public key in DER, as `SubjectPublicKeyInfo` (RFC 5280).
    pub(super) fn der(der: &[u8], only: &[Algorithm]) -> Result<Self, String> {
        if let Ok(key) = rsa::PublicKey::from_der(der) {
            let numbers = integers(key.as_ref());
            let (modulus, exponent) = numbers.ok_or_else(|| "not an RSA key".to_owned())?;
            return Self::rsa(modulus, exponent, only);
        }
        let curves = [
            Algorithm::Es256,
            Algorithm::Es384,
            Algorithm::Es512,
            Algorithm::EdDsa,
        ];
        for algorithm in curves {
            let curve = algorithm.curve();
            if let Some(Ok(parsed)) = curve.map(|it| ParsedPublicKey::new(it, der)) {
                let mut ways = SmallVec::new();
                if is_wanted(algorithm, only) {
                    ways.push((algorithm, Way::Public(parsed)));
                }
                return Self::of(ways, &format!("a key for {algorithm}"));
            }
        }
        Err("neither RSA nor on P-256, P-384, P-521 or Ed25519".to_owned())
    }

    fn of(ways: SmallVec<[(Algorithm, Way); 1]>, what: &str) -> Result<Self, String> {
        if ways.is_empty() {
            return Err(format!(
                "{what}, which is not for the algorithms that it is to be used with"
            ));
        }
        Ok(Self { kid: None, ways })
    }

    /// With a name.
    pub(super) fn named(self, kid: Option<&str>) -> Self {
        Self {
            kid: kid.map(Into::into),
            ..self
        }
    }

    /// What it may be used with.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.ways.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Whether it is a secret that both sides share.
    pub fn is_secret(&self) -> bool {
        matches!(self.ways.first(), Some((_, Way::Secret(_))))
    }

    /// Whether it has signed this with that algorithm.
    pub(super) fn has_signed(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let way = self.ways.iter().find(|(its, _)| *its == algorithm);
        match way {
            Some((_, Way::Secret(key))) => hmac::verify(key, message, signature).is_ok(),
            Some((_, Way::Public(key))) => key.verify_sig(message, signature).is_ok(),
            None => false,
        }
    }
}

fn is_wanted(algorithm: Algorithm, only: &[Algorithm]) -> bool {
    only.is_empty() || only.contains(&algorithm)
}

/// The two numbers of an `RSAPublicKey` in DER (RFC 8017, appendix A.1.1).
fn integers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, _) = element(der, 0x30)?;
    let (modulus, rest) = element(content, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    Some((modulus, exponent))
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<Algorithm> = self.algorithms().collect();
        out.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

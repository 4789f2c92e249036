//! What browsers keep for the gateway, encrypted: nobody else can read it, change it, or use it for something else.
//!
//! AES-256-GCM, with a key of its own for each text, derived from a session key and 16 random bytes (HKDF, RFC 5869): so
//! no number of texts wears a session key out, and nodes need not agree on anything. The purpose and the plugin are
//! authenticated with the text. The first session key seals, all of them open: that is how they are rotated.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand,
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

/// Bytes of a session key.
pub(super) const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;

/// What a sealed text is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// A session.
    Session,
    /// When a session was last used.
    Activity,
    /// A login that has begun.
    Attempt,
    /// The parameter `state` of such a login.
    State,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Activity => "activity",
            Self::Attempt => "attempt",
            Self::State => "state",
        }
    }
}

/// The session keys of a plugin.
pub(super) struct Sealer {
    keys: Vec<Zeroizing<[u8; KEY_BYTES]>>,
    /// Whose texts they are: those of another plugin with the same keys are not opened.
    owner: Box<str>,
}

impl Sealer {
    /// With these keys, of which there is at least one, for this owner.
    pub(super) fn new(keys: Vec<Zeroizing<[u8; KEY_BYTES]>>, owner: &str) -> Self {
        Self {
            keys,
            owner: owner.into(),
        }
    }

    /// Seals a text, in base64url; none where the machine has no randomness.
    pub(super) fn seal(&self, purpose: Purpose, text: &[u8]) -> Option<String> {
        let mut sealed = vec![0; SALT_BYTES + NONCE_BYTES];
        rand::fill(&mut sealed).ok()?;
        let key = derived(self.keys.first()?, &sealed[..SALT_BYTES])?;
        let nonce = Nonce::try_assume_unique_for_key(&sealed[SALT_BYTES..]).ok()?;
        let mut body = text.to_vec();
        key.seal_in_place_append_tag(nonce, self.context(purpose), &mut body)
            .ok()?;
        sealed.extend_from_slice(&body);
        Some(BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens one; none where it was sealed with other keys, for something else or by somebody else, or was changed.
    pub(super) fn open(&self, purpose: Purpose, sealed: &str) -> Option<Vec<u8>> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (salt, rest) = sealed.split_at_checked(SALT_BYTES)?;
        let (nonce, body) = rest.split_at_checked(NONCE_BYTES)?;
        let opened = |master: &Zeroizing<[u8; KEY_BYTES]>| {
            let key = derived(master, salt)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut body = body.to_vec();
            let text = key.open_in_place(nonce, self.context(purpose), &mut body);
            let length = text.ok()?.len();
            body.truncate(length);
            Some(body)
        };
        self.keys.iter().find_map(opened)
    }

    fn context(&self, purpose: Purpose) -> Aad<Vec<u8>> {
        let parts = ["gatewright oidc-login 1", purpose.as_str(), &self.owner];
        Aad::from(parts.join("\0").into_bytes())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealer")
    }
}

fn derived(master: &Zeroizing<[u8; KEY_BYTES]>, salt: &[u8]) -> Option<LessSafeKey> {
    let key = Salt::new(HKDF_SHA256, salt).extract(master.as_slice());
    let okm = key.expand(&[b"gatewright oidc-login"], &AES_256_GCM);
    Some(LessSafeKey::new(UnboundKey::from(okm.ok()?)))
}

/// Reads a session key: 32 bytes in base64, of either alphabet.
pub(super) fn key(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let text = text.trim().trim_end_matches('=');
    let bytes = BASE64_STANDARD_NO_PAD
        .decode(text)
        .or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(text));
    let bytes = Zeroizing::new(bytes.ok()?);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice())
        .ok()
        .map(Zeroizing::new)
}

/// A random text of 256 bits, in base64url.
pub(super) fn random_text() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::{KEY_BYTES, Purpose, Sealer, key};

    fn sealer(keys: &[u8], owner: &str) -> Sealer {
        let keys = keys.iter().map(|byte| Zeroizing::new([*byte; KEY_BYTES]));
        Sealer::new(keys.collect(), owner)
    }

    #[test]
    fn what_was_sealed_opens_for_its_purpose_and_owner_only_and_while_its_key_is_there() {
        let sealed = sealer(&[1], "a").seal(Purpose::Session, b"text").unwrap();
        let open = |keys: &[u8], owner: &str, purpose| sealer(keys, owner).open(purpose, &sealed);
        assert_eq!(open(&[1], "a", Purpose::Session).unwrap(), b"text");
        assert_eq!(open(&[2, 1], "a", Purpose::Session).unwrap(), b"text");
        assert!(open(&[2], "a", Purpose::Session).is_none());
        assert!(open(&[1], "b", Purpose::Session).is_none());
        assert!(open(&[1], "a", Purpose::State).is_none());
        let mut changed = sealed.clone().into_bytes();
        for place in 0..changed.len() {
            let before = changed[place];
            changed[place] = if before == b'A' { b'B' } else { b'A' };
            let text = str::from_utf8(&changed).unwrap();
            assert!(sealer(&[1], "a").open(Purpose::Session, text).is_none());
            changed[place] = before;
        }
        for text in ["", "AAAA", &sealed[1..], &sealed[..60], "é"] {
            assert!(sealer(&[1], "a").open(Purpose::Session, text).is_none());
        }
        let again = sealer(&[1], "a").seal(Purpose::Session, b"text").unwrap();
        assert_ne!(sealed, again);
    }

    #[test]
    fn a_session_key_is_32_bytes_in_base64() {
        let good = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        assert_eq!(
            key(good).unwrap().as_slice(),
            b"0123456789abcdef0123456789abcdef"
        );
        assert!(key(&format!(" {}\n", good.trim_end_matches('='))).is_some());
        for bad in ["", "short", "MDEy", &good[2..], &format!("AAAA{good}")] {
            assert!(key(bad).is_none(), "{bad}");
        }
    }
}

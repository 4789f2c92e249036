//! Nonces that clients have to put into their proofs (RFC 9449 section 9), so that none can be made ahead. Nothing is
//! kept: a nonce is a MAC of the time that it was made at.

use aws_lc_rs::{hmac, rand::SystemRandom};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

/// Makes nonces, and knows them again.
#[derive(Debug)]
pub(super) struct Nonces {
    key: hmac::Key,
    /// For how long one is handed out, in seconds; it is accepted for up to twice as long.
    seconds: u64,
}

impl Nonces {
    /// With a secret that nodes share; with one of this node's own where there is none.
    pub(super) fn new(secret: Option<&str>, seconds: u64) -> Self {
        let key = match secret {
            Some(secret) => hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            None => hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .expect("the system has randomness"),
        };
        Self { key, seconds }
    }

    /// One for the next proof. `now` is in seconds since 1970.
    pub(super) fn fresh(&self, now: u64) -> String {
        let slot = now / self.seconds;
        BASE64_URL_SAFE_NO_PAD.encode(self.of(slot))
    }

    pub(super) fn accepts(&self, nonce: &str, now: u64) -> bool {
        let slot = now / self.seconds;
        let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(nonce) else {
            return false;
        };
        let is = |slot: u64| hmac::verify(&self.key, &slot.to_be_bytes(), &bytes).is_ok();
        is(slot) || slot.checked_sub(1).is_some_and(is)
    }

    fn of(&self, slot: u64) -> hmac::Tag {
        hmac::sign(&self.key, &slot.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Nonces;

    #[test]
    fn a_nonce_counts_for_up_to_twice_its_time_on_every_node_with_the_secret() {
        let nonces = Nonces::new(Some("secret"), 60);
        let nonce = nonces.fresh(6000);
        assert!(nonces.accepts(&nonce, 6000) && nonces.accepts(&nonce, 6119));
        assert!(!nonces.accepts(&nonce, 6120) && !nonces.accepts(&nonce, 5999));
        assert!(Nonces::new(Some("secret"), 60).accepts(&nonce, 6000));
        assert!(!Nonces::new(None, 60).accepts(&nonce, 6000));
        assert!(!nonces.accepts("", 6000) && !nonces.accepts("made-up", 6000));
    }
}

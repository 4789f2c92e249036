//! Passwords, of which only hashes are kept: argon2id (RFC 9106), and bcrypt for those that come from
//! elsewhere.
//!
//! Both take long on purpose. Whoever verifies does it on a thread that nobody waits for.

use std::fmt;

use argon2::{
    Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version, password_hash::phc,
};
use aws_lc_rs::rand;

/// Longest password, in bytes.
pub const MAX_BYTES: usize = 256;
/// Longest hash, as text, in bytes.
const MAX_HASH_BYTES: usize = 256;
/// Most memory that a hash may ask for, in KiB.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
/// Most passes over that memory.
const MAX_PASSES: u32 = 10;
/// Most lanes.
const MAX_LANES: u32 = 16;
/// Highest cost of bcrypt: about a second.
const MAX_BCRYPT_COST: u32 = 14;
const SALT_BYTES: usize = 16;

/// A hash to verify passwords with.
pub struct PasswordHash {
    text: Box<str>,
    scheme: Scheme,
}

enum Scheme {
    Argon2id(Box<phc::PasswordHash>),
    Bcrypt,
}

impl PasswordHash {
    /// Reads `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH` (the PHC string format), or a hash of bcrypt
    /// as `$2b$12$...`.
    ///
    /// # Errors
    /// Another scheme, or one that asks for more work than a node may spend on a request.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX_HASH_BYTES {
            return Err(format!("is longer than {MAX_HASH_BYTES} bytes"));
        }
        let scheme = match text.split('$').nth(1) {
            Some("argon2id") => Scheme::Argon2id(Box::new(argon2id(text)?)),
            Some("2a" | "2b" | "2x" | "2y") => bcrypt_hash(text)?,
            _ => return Err("must be a hash of argon2id (PHC string) or bcrypt".to_owned()),
        };
        Ok(Self {
            text: text.into(),
            scheme,
        })
    }

    /// Hashes a password with a fresh salt, by argon2id with 19 MiB and two passes.
    pub fn of(password: &[u8]) -> Self {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).expect("the system has randomness");
        let hash = Argon2::default()
            .hash_password_with_salt(password, &salt)
            .expect("a password of some bytes can be hashed");
        Self {
            text: hash.to_string().into(),
            scheme: Scheme::Argon2id(Box::new(hash)),
        }
    }

    /// The hash as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is the hash of this password. Takes tens of milliseconds, and up to a second of
    /// bcrypt. bcrypt looks at the first 72 bytes only.
    pub fn verify(&self, password: &[u8]) -> bool {
        match &self.scheme {
            Scheme::Argon2id(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
            Scheme::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordHash")
    }
}

fn argon2id(text: &str) -> Result<phc::PasswordHash, String> {
    let wrong = |error: &dyn fmt::Display| format!("is not a hash of argon2id: {error}");
    let hash = phc::PasswordHash::new(text).map_err(|error| wrong(&error))?;
    let params = Params::try_from(&hash).map_err(|error| wrong(&error))?;
    // Tells versions that are not known, too.
    let version = hash.version.unwrap_or(Version::V0x13.into());
    Version::try_from(version).map_err(|error| wrong(&error))?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(wrong(&"it has no salt, or no hash"));
    }
    if params.m_cost() > MAX_MEMORY_KIB
        || params.t_cost() > MAX_PASSES
        || params.p_cost() > MAX_LANES
    {
        return Err(format!(
            "asks for too much work: at most m={MAX_MEMORY_KIB}, t={MAX_PASSES} and p={MAX_LANES}"
        ));
    }
    Ok(hash)
}

fn bcrypt_hash(text: &str) -> Result<Scheme, String> {
    let parts = text.parse::<bcrypt::HashParts>();
    let parts = parts.map_err(|error| format!("is not a hash of bcrypt: {error}"))?;
    if !(4..=MAX_BCRYPT_COST).contains(&parts.get_cost()) {
        return Err(format!(
            "has a cost that is not within 4 to {MAX_BCRYPT_COST}"
        ));
    }
    Ok(Scheme::Bcrypt)
}

#[cfg(test)]
mod tests {
    use super::PasswordHash;

    #[test]
    fn a_password_is_verified_by_its_hash_of_either_scheme() {
        let own = PasswordHash::of(b"correct horse");
        assert!(own.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let read = PasswordHash::read(own.as_str()).unwrap();
        let imported = bcrypt::hash("correct horse", 4).unwrap();
        let imported = PasswordHash::read(&imported).unwrap();
        for hash in [own, read, imported] {
            assert!(hash.verify(b"correct horse"));
            assert!(!hash.verify(b"wrong horse"));
            assert!(!hash.verify(b""));
        }
    }

    #[test]
    fn what_is_no_hash_or_asks_for_too_much_is_refused() {
        for text in [
            "",
            "correct horse",
            "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$LX4FRXM1Bqv9Yxs2kGjdlA",
            "$argon2id$v=19$m=9999999,t=2,p=1$c2FsdHNhbHRzYWx0$LX4FRXM1Bqv9Yxs2kGjdlA",
            "$argon2id$v=19$m=19456,t=99,p=1$c2FsdHNhbHRzYWx0$LX4FRXM1Bqv9Yxs2kGjdlA",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$nonsense",
            "$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde",
            "$2b$12$short",
        ] {
            assert!(PasswordHash::read(text).is_err(), "{text}");
        }
    }
}

//! What is asked of a token's claims.

use serde_json::Value;

use super::{Algorithm, Claims, Refusal, Scopes, Verified};

/// Types of tokens that are for something else, and say so; never accepted unless listed.
const OTHER_TYPES: [&str; 4] = [
    "dpop+jwt",
    "logout+jwt",
    "secevent+jwt",
    "oauth-authz-req+jwt",
];

/// What is asked of a token.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Largest token, in bytes.
    pub max_bytes: usize,
    /// Algorithms that are accepted, of those that its key allows. Empty: all that its key allows.
    pub algorithms: Vec<Algorithm>,
    /// Types (`typ`) that are accepted, in lower case and without `application/`. Empty: any but those of logout
    /// tokens, proofs of possession and the like.
    pub types: Vec<Box<str>>,
    /// It must be of one of these issuers. Empty: of any.
    pub issuers: Vec<Box<str>>,
    /// It must be for one of these audiences. Empty: for any.
    pub audiences: Vec<Box<str>>,
    /// It must be of one of these subjects. Empty: of any.
    pub subjects: Vec<Box<str>>,
    /// What else it must say.
    pub required: Vec<Requirement>,
    /// Scopes that it must have, all of them.
    pub scopes: Vec<Box<str>>,
    /// By how much clocks may differ, in seconds.
    pub clock_skew: u64,
    /// Whether it must expire.
    pub require_expiry: bool,
    /// Longest time from `iat` to `exp`, in seconds; a token without `iat` is refused then.
    pub max_lifetime: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_bytes: 8192,
            algorithms: Vec::new(),
            types: Vec::new(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            subjects: Vec::new(),
            required: Vec::new(),
            scopes: Vec::new(),
            clock_skew: 30,
            require_expiry: true,
            max_lifetime: None,
        }
    }
}

/// That a claim must be there, and say something.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// The claim: its name, or a JSON pointer.
    pub claim: Box<str>,
    /// What it must say.
    pub test: Test,
}

/// What a claim must say.
#[derive(Clone, Debug)]
pub enum Test {
    /// Anything but null.
    Present,
    /// One of these.
    OneOf(Vec<Value>),
    /// A list with one of these, or a text with one of these between spaces.
    Contains(Vec<Value>),
}

impl Requirement {
    fn holds(&self, claims: &Claims) -> bool {
        let Some(value) = claims.get(&self.claim) else {
            return false;
        };
        match (&self.test, value) {
            (Test::Present, value) => !value.is_null(),
            (Test::OneOf(wanted), value) => wanted.contains(value),
            (Test::Contains(wanted), Value::Array(list)) => {
                list.iter().any(|item| wanted.contains(item))
            }
            (Test::Contains(wanted), Value::String(text)) => {
                let mut words = text.split(' ');
                words.any(|word| wanted.iter().any(|it| it == word))
            }
            (Test::Contains(_), _) => false,
        }
    }
}

impl Policy {
    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.is_empty() || self.algorithms.contains(&algorithm)
    }

    /// The type in the header, compared as RFC 7515 section 4.1.9 says.
    pub(super) fn allows_type(&self, typ: Option<&str>) -> bool {
        let Some(typ) = typ else {
            return self.types.is_empty();
        };
        let typ = typ.to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        match self.types.is_empty() {
            true => !OTHER_TYPES.contains(&typ),
            false => self.types.iter().any(|it| **it == *typ),
        }
    }

    /// Checks claims whose signature is good. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// The first thing that is not as asked.
    pub fn check(&self, claims: Claims, now: u64) -> Result<Verified, Refusal> {
        let (from, until) = self.times(&claims)?;
        if !until.accepts_at(now) {
            return Err(Refusal::Expired);
        }
        from.check(now)?;
        let one_of = |allowed: &[Box<str>], text: &str| allowed.iter().any(|it| **it == *text);
        let issuer = claims.text("iss")?;
        if !self.issuers.is_empty() && !issuer.is_some_and(|it| one_of(&self.issuers, it)) {
            return Err(Refusal::Issuer);
        }
        let audiences = claims.texts("aud")?;
        if !self.audiences.is_empty() && !audiences.iter().any(|it| one_of(&self.audiences, it)) {
            return Err(Refusal::Audience);
        }
        let subject = claims.text("sub")?;
        if !self.subjects.is_empty() && !subject.is_some_and(|it| one_of(&self.subjects, it)) {
            return Err(Refusal::Subject);
        }
        if !self.required.iter().all(|it| it.holds(&claims)) {
            return Err(Refusal::Claim);
        }
        let scopes = Scopes::of(&claims)?;
        if !self.scopes.iter().all(|scope| scopes.has(scope)) {
            return Err(Refusal::Scope);
        }
        Ok(Verified {
            claims,
            scopes,
            from: from.earliest(),
            until: until.0,
        })
    }

    /// From when until when it is valid, clocks that differ included.
    fn times(&self, claims: &Claims) -> Result<(From, Until), Refusal> {
        let expires = claims.time("exp")?;
        let (not_before, issued) = (claims.time("nbf")?, claims.time("iat")?);
        if expires.is_none() && (self.require_expiry || self.max_lifetime.is_some()) {
            return Err(Refusal::NoExpiry);
        }
        if let (Some(longest), Some(expires)) = (self.max_lifetime, expires) {
            let lifetime = issued.map(|issued| expires.saturating_sub(issued));
            if lifetime.is_none_or(|lifetime| lifetime > longest) {
                return Err(Refusal::Lifetime);
            }
        }
        let until = expires.map_or(u64::MAX, |it| it.saturating_add(self.clock_skew));
        let earlier = |time: Option<u64>| time.unwrap_or(0).saturating_sub(self.clock_skew);
        let from = From {
            not_before: earlier(not_before),
            issued: earlier(issued),
        };
        Ok((from, Until(until)))
    }
}

/// From when it is valid.
struct From {
    not_before: u64,
    issued: u64,
}

impl From {
    const fn check(&self, now: u64) -> Result<(), Refusal> {
        if now < self.not_before {
            return Err(Refusal::NotYetValid);
        }
        if now < self.issued {
            return Err(Refusal::IssuedInFuture);
        }
        Ok(())
    }

    fn earliest(&self) -> u64 {
        self.not_before.max(self.issued)
    }
}

/// Until when it is valid: the first second in which it is not (RFC 7519 section 4.1.4, "on or after").
struct Until(u64);

impl Until {
    const fn accepts_at(&self, now: u64) -> bool {
        now < self.0
    }
}

//! What of a request is hashed, so that requests that have it in common go to the same target.

use http::{HeaderName, HeaderValue};
use rand::Rng;

use super::xxhash::xxh64;
use crate::{
    RequestContext,
    cookie::{self, Cookie},
};

/// One thing to hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    /// What is hashed.
    pub by: HashBy,
    /// Whether those that follow are left out where this one, or one before it, has found something.
    pub terminal: bool,
}

/// What is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The values of a header field.
    Header(HeaderName),
    /// The value of a cookie; where it is missing and has a lifetime, one is made.
    Cookie(Cookie),
    /// The client's address.
    ClientAddress,
    /// The first value of a query parameter, as it is written.
    Query(Box<str>),
    /// The name of the consumer.
    Consumer,
}

impl HashPolicy {
    /// The field that sets the cookie that was made for it.
    pub fn set(&self, value: &str, secure: bool) -> Option<HeaderValue> {
        match &self.by {
            HashBy::Cookie(cookie) => cookie.set(value, secure),
            _ => None,
        }
    }
}

/// What a request's hash is, and the cookies that were made for it.
#[derive(Debug, Default)]
pub struct Keyed {
    /// None where nothing of what is to be hashed is there.
    pub key: Option<u64>,
    /// To be set on the response.
    pub generated: Vec<Generated>,
}

/// A cookie that was made.
#[derive(Debug)]
pub struct Generated {
    /// Place of its policy.
    pub policy: usize,
    /// Its value.
    pub value: String,
}

impl Keyed {
    /// Hashes what these policies find, in order.
    pub fn new(policies: &[HashPolicy], context: &RequestContext, random: &mut impl Rng) -> Self {
        let mut keyed = Self::default();
        for (place, policy) in policies.iter().enumerate() {
            let found = match &policy.by {
                HashBy::Cookie(wanted) => {
                    let present = cookie::find(&context.headers, &wanted.name);
                    match present {
                        Some(value) => Some(hash(value.as_bytes())),
                        None => wanted.ttl.map(|_| keyed.generate(place, random)),
                    }
                }
                by => by.found(context),
            };
            if let Some(found) = found {
                // Rotated, so that two equal ones do not cancel out.
                let before = keyed.key.unwrap_or(0).rotate_left(1);
                keyed.key = Some(before ^ found);
            }
            if policy.terminal && keyed.key.is_some() {
                break;
            }
        }
        keyed
    }

    fn generate(&mut self, policy: usize, random: &mut impl Rng) -> u64 {
        let value = format!("{:032x}", random.random::<u128>());
        let hash = hash(value.as_bytes());
        self.generated.push(Generated { policy, value });
        hash
    }
}

impl HashBy {
    /// The hash of what a request has of it.
    fn found(&self, context: &RequestContext) -> Option<u64> {
        match self {
            Self::Header(name) => {
                let values = context.headers.get_all(name).iter();
                let hashes = values.map(|value| hash(value.as_bytes()));
                hashes.reduce(|all, one| all.rotate_left(1) ^ one)
            }
            Self::Cookie(_) => None,
            Self::ClientAddress => Some(match context.client.address.to_canonical() {
                std::net::IpAddr::V4(address) => hash(&address.octets()),
                std::net::IpAddr::V6(address) => hash(&address.octets()),
            }),
            Self::Query(name) => {
                let query = context.query.as_deref()?;
                let mut pairs = query
                    .split('&')
                    .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                let (_, value) = pairs.find(|(its, _)| *its == &**name)?;
                Some(hash(value.as_bytes()))
            }
            Self::Consumer => {
                let consumer = context.consumer.as_ref()?;
                Some(hash(consumer.name.as_bytes()))
            }
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    xxh64(bytes, 0)
}

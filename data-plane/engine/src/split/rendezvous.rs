//! Weighted rendezvous hashing: every backend gets a score from the caller's hash and its own name, and the
//! smallest wins (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005). It is the same on all
//! nodes, needs no table, and a changed weight moves no callers between the other backends.

/// Who is to stay, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller(pub(super) u64);

impl Caller {
    /// By a name.
    pub(super) fn named(name: &[u8]) -> Self {
        Self(fnv(name))
    }

    /// Exponentially distributed with the weight as its rate: the smallest of several is each one's with its
    /// share of the weights.
    pub(super) fn score(self, seed: u64, weight: u32) -> f64 {
        let uniform = ((mix(self.0 ^ seed) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -uniform.ln() / f64::from(weight)
    }
}

/// What tells a backend from the others.
pub(super) fn seed(name: &str) -> u64 {
    mix(fnv(name.as_bytes()))
}

/// FNV-1a.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finaliser of SplitMix64: every bit of the result depends on every bit of the value.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

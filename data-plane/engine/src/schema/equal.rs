//! Values, compared as JSON Schema does: 1 equals 1.0.

use std::hash::{BuildHasher as _, Hash as _, Hasher};

use foldhash::fast::RandomState;
use serde_json::Value;

use super::number;

pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            number::canonical(one) == number::canonical(other)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let equal = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|it| same(value, it))
            };
            one.len() == other.len() && one.iter().all(equal)
        }
        _ => one == other,
    }
}

/// Places of two items that are equal, and how many values were looked at. Hashes are keyed at random, so that nobody
/// can choose items whose hashes collide.
pub(super) fn twice(items: &[Value]) -> (Option<(usize, usize)>, u64) {
    let keys = RandomState::default();
    let mut looked_at = 0;
    let mut hashes: Vec<(u64, usize)> = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let mut hasher = keys.build_hasher();
        hash(item, &mut hasher, &mut looked_at);
        hashes.push((hasher.finish(), place));
    }
    hashes.sort_unstable();
    let found = hashes.windows(2).find_map(|pair| {
        let [(one_hash, one), (other_hash, other)] = *pair else {
            return None;
        };
        let equal = one_hash == other_hash && same(&items[one], &items[other]);
        equal.then_some((one, other))
    });
    (found, looked_at)
}

fn hash(value: &Value, hasher: &mut impl Hasher, looked_at: &mut u64) {
    *looked_at += 1;
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(it) => (1_u8, it).hash(hasher),
        Value::Number(it) => (2_u8, number::canonical(it)).hash(hasher),
        Value::String(it) => (3_u8, it).hash(hasher),
        Value::Array(items) => {
            (4_u8, items.len()).hash(hasher);
            for item in items {
                hash(item, hasher, looked_at);
            }
        }
        Value::Object(members) => {
            (5_u8, members.len()).hash(hasher);
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in members {
                name.hash(hasher);
                hash(value, hasher, looked_at);
            }
        }
    }
}

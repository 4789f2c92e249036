//! Settings of what tokens must say, for all methods that find claims.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::jwt::{Requirement, Test};

/// That a claim must be there, and say something.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::plugin) struct RequiredClaim {
    /// Name of the claim, or a JSON pointer.
    claim: String,
    /// Values, one of which it must have. Default: any but null.
    one_of: Vec<Value>,
    /// Values, one of which a list must have, or a text between spaces.
    contains: Vec<Value>,
}

/// Those of the setting `required_claims`.
pub(in crate::plugin) fn requirements(
    given: &[RequiredClaim],
    wrong: &mut impl FnMut(&str, &str),
) -> Vec<Requirement> {
    let mut required = Vec::new();
    for (place, it) in given.iter().enumerate() {
        let field = format!("required_claims[{place}]");
        if it.claim.is_empty() {
            wrong(&field, "name the `claim`");
        }
        let test = match (it.one_of.is_empty(), it.contains.is_empty()) {
            (true, true) => Test::Present,
            (false, true) => Test::OneOf(it.one_of.clone()),
            (true, false) => Test::Contains(it.contains.clone()),
            (false, false) => {
                wrong(&field, "give either `one_of` or `contains`");
                continue;
            }
        };
        required.push(Requirement {
            claim: it.claim.as_str().into(),
            test,
        });
    }
    required
}

/// Checks the setting `scopes`.
pub(in crate::plugin) fn check_scopes(scopes: &[String], wrong: &mut impl FnMut(&str, &str)) {
    let quoted = |scope: &String| scope.is_empty() || scope.contains(['"', '\\', ' ']);
    if scopes.iter().any(quoted) {
        wrong("scopes", "a scope has no spaces, quotes or backslashes");
    }
}

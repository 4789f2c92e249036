//! The table of tokens in `tests/jwt/cases.json`, each with its keys and what must be said of it. Another
//! implementation has made them (`tests/jwt/generate.py`).

use std::collections::BTreeMap;

use gatewright_engine::jwt::{Algorithm, Keys, Policy, Requirement, Test, verify};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Table {
    sets: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Name of a set of the table.
    keys: Option<String>,
    /// A set as it is, which may be none.
    jwks: Option<String>,
    token: String,
    policy: Asked,
    now: u64,
    verdict: String,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    algorithms: Vec<String>,
    types: Vec<Box<str>>,
    issuers: Vec<Box<str>>,
    audiences: Vec<Box<str>>,
    subjects: Vec<Box<str>>,
    required: Vec<Claim>,
    scopes: Vec<Box<str>>,
    clock_skew: u64,
    require_expiry: bool,
    max_lifetime: Option<u64>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    claim: Box<str>,
    one_of: Option<Vec<Value>>,
    contains: Option<Vec<Value>>,
}

impl From<Asked> for Policy {
    fn from(asked: Asked) -> Self {
        let named = |name: &String| Algorithm::named(name).unwrap();
        let required = |it: Claim| Requirement {
            claim: it.claim,
            test: match (it.one_of, it.contains) {
                (Some(values), _) => Test::OneOf(values),
                (_, Some(values)) => Test::Contains(values),
                (None, None) => Test::Present,
            },
        };
        Self {
            algorithms: asked.algorithms.iter().map(named).collect(),
            types: asked.types,
            issuers: asked.issuers,
            audiences: asked.audiences,
            subjects: asked.subjects,
            required: asked.required.into_iter().map(required).collect(),
            scopes: asked.scopes,
            clock_skew: asked.clock_skew,
            require_expiry: asked.require_expiry,
            max_lifetime: asked.max_lifetime,
            ..Self::default()
        }
    }
}

fn table() -> Table {
    serde_json::from_str(include_str!("../jwt/cases.json")).unwrap()
}

fn said_of(case: Case, sets: &BTreeMap<String, Value>) -> String {
    let jwks = case
        .jwks
        .unwrap_or_else(|| sets[&case.keys.unwrap()].to_string());
    let Ok((keys, _)) = Keys::from_jwks(jwks.as_bytes()) else {
        return "invalid_keys".to_owned();
    };
    match verify(&case.token, &keys, &case.policy.into(), case.now) {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn of_every_token_of_the_table_is_said_what_must_be_said() {
    let Table { sets, cases } = table();
    let (mut good, mut bad, mut wrong) = (0, 0, Vec::new());
    for case in cases {
        let (name, expected) = (case.name.clone(), case.verdict.clone());
        match expected.as_str() {
            "ok" => good += 1,
            _ => bad += 1,
        }
        let found = said_of(case, &sets);
        if found != expected {
            wrong.push(format!("{name}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(good >= 40 && bad >= 120, "{good} good, {bad} bad");
}

#[test]
fn with_one_letter_changed_no_token_of_the_table_is_accepted() {
    let Table { sets, cases } = table();
    let good = cases.into_iter().filter(|it| it.verdict == "ok");
    // The large ones would say the same, slowly.
    for case in good.filter(|it| it.token.len() < 1000) {
        let keys = sets[case.keys.as_ref().unwrap()].to_string();
        let (keys, _) = Keys::from_jwks(keys.as_bytes()).unwrap();
        let policy = Policy::from(case.policy);
        for place in (0..case.token.len()).step_by(7) {
            let mut forged = case.token.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            let said = verify(&forged, &keys, &policy, case.now);
            assert!(said.is_err(), "{}: letter {place}", case.name);
        }
    }
}

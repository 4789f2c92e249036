use std::sync::Arc;

use serde_json::{Value, json};

use super::{Binding, Confirmation, DpopSettings, Presented, Replays, SenderConstrained, Shown};

const KEY: [u8; 32] = [1; 32];
const CERTIFICATE: [u8; 32] = [2; 32];
const OTHER: [u8; 32] = [3; 32];

fn binding(mode: &str) -> Binding {
    let mode: SenderConstrained = serde_json::from_value(mode.into()).unwrap();
    Binding {
        mode,
        rules: DpopSettings::default().rules(&mut Vec::new()),
        origins: Vec::new(),
        nonces: None,
        replays: Arc::new(Replays::default()),
        algs: "ES256".into(),
    }
}

fn bound(to: &str) -> Confirmation {
    let of = |key: Option<[u8; 32]>, certificate: Option<[u8; 32]>| Confirmation {
        key,
        certificate,
        unknown: to == "unknown",
    };
    match to {
        "key" => of(Some(KEY), None),
        "certificate" => of(None, Some(CERTIFICATE)),
        "both" => of(Some(KEY), Some(CERTIFICATE)),
        _ => of(None, None),
    }
}

fn presented(what: &str) -> Presented {
    let mut presented = Presented::default();
    for part in what.split('+') {
        let shown = |key| Shown { key, id: OTHER };
        match part {
            "proof" => presented.proof = Some(shown(KEY)),
            "other-proof" => presented.proof = Some(shown(OTHER)),
            "certificate" => presented.certificate = Some(CERTIFICATE),
            "other-certificate" => presented.certificate = Some(OTHER),
            _ => {}
        }
    }
    presented
}

#[test]
fn every_case_of_the_table_comes_to_what_it_says() {
    let rows = include_str!("cases.tsv").lines();
    let rows: Vec<&str> = rows.filter(|row| !row.starts_with('#')).collect();
    assert!(rows.len() >= 40, "{} cases", rows.len());
    for row in rows {
        let columns: Vec<&str> = row.split('\t').collect();
        let [mode, to, what, expected] = columns[..] else {
            panic!("{row}");
        };
        let held = binding(mode).holds(&presented(what), &bound(to), 1000);
        let said = held.map_or_else(|refusal| refusal.reason.unwrap(), |()| "ok");
        assert_eq!(said, expected, "{row}");
    }
}

#[test]
fn a_proof_counts_once() {
    let binding = binding("dpop");
    let (presented, bound) = (presented("proof"), bound("key"));
    assert!(binding.holds(&presented, &bound, 1000).is_ok());
    let again = binding.holds(&presented, &bound, 1066).unwrap_err();
    assert_eq!(again.reason, Some("proof_replayed"));
}

#[test]
fn what_a_token_is_bound_to_is_read_strictly() {
    let print = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";
    let read = |cnf: Value| Confirmation::of(json!({"cnf": cnf}).as_object().unwrap());
    let claims = json!({"sub": "u"});
    let none = Confirmation::of(claims.as_object().unwrap());
    assert_eq!(none, Confirmation::default());
    assert_eq!(read(json!({"jkt": print})).key, Some(CERTIFICATE));
    let both = read(json!({"jkt": print, "x5t#S256": print, "kid": "k"}));
    assert!(both.certificate.is_some() && !both.unknown);
    let unknown = [
        json!({}),
        json!(null),
        json!("jkt"),
        json!({"jwk": {}}),
        json!({"jkt": 7}),
        json!({"jkt": "short"}),
        json!({"jkt": print, "x5t#S256": ""}),
        json!({"jkt": format!("{print}=")}),
    ];
    for cnf in unknown {
        assert!(read(cnf.clone()).unknown, "{cnf}");
    }
}

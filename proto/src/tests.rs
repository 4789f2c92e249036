//! What the generated types promise in JSON and on the wire.

use serde_json::json;

use crate::{Digest, Key, Kind, Resource, Version};

fn route(value: serde_json::Value) -> Result<Resource, serde_json::Error> {
    Kind::Route.from_json(value)
}

#[test]
fn a_route_reads_and_writes_as_in_the_documentation() {
    let written = json!({
        "name": "orders", "service": "orders", "hosts": ["api.example.com"],
        "paths": [{"prefix": "/orders"}], "methods": ["GET"], "strip_prefix": true,
    });
    let resource = route(written.clone()).unwrap();
    assert_eq!(resource.to_json().unwrap(), written);
    assert_eq!(Key::of(&resource).to_string(), "route/orders");
}

#[test]
fn an_unknown_field_is_refused_with_the_known_ones() {
    let error = route(json!({"name": "a", "servise": "b"}))
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown field `servise`"), "{error}");
    assert!(error.contains("`service`"), "{error}");
}

#[test]
fn a_path_with_two_forms_or_an_unknown_one_is_refused() {
    assert!(route(json!({"name": "a", "paths": [{"prefix": "/", "exact": "/"}]})).is_err());
    assert!(route(json!({"name": "a", "paths": [{"prefixx": "/"}]})).is_err());
}

#[test]
fn times_may_be_written_with_a_unit() {
    let service =
        |value| Kind::Service.from_json(json!({"name": "a", "connect_timeout_ms": value}));
    let milliseconds = |value| match service(value) {
        Ok(Resource::Service(service)) => service.connect_timeout_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(milliseconds(json!(250)), Some(250));
    assert_eq!(milliseconds(json!("30s")), Some(30_000));
    assert_eq!(milliseconds(json!(null)), None);
    assert!(service(json!("30")).is_err());
    assert!(service(json!("99999999h")).is_err());
    assert!(service(json!(-1)).is_err());
}

#[test]
fn a_list_of_names_reads_and_writes_as_names() {
    let value =
        json!({"name": "a", "url": "http://a", "retry": {"on": ["reset", "grpc_unavailable"]}});
    let service = Kind::Service.from_json(value.clone()).unwrap();
    assert_eq!(
        service.to_json().unwrap()["retry"]["on"],
        value["retry"]["on"]
    );
    let unknown = json!({"name": "a", "retry": {"on": ["rest"]}});
    let error = Kind::Service.from_json(unknown).unwrap_err().to_string();
    assert!(error.contains("connect_failure"), "{error}");
}

#[test]
fn settings_are_an_object_in_json_and_order_does_not_change_the_version() {
    let plugin = |settings| {
        let value = json!({"name": "a", "type": "cors", "attach": {"route": "a"}, "mode": "shadow", "settings": settings});
        Kind::Plugin.from_json(value).unwrap()
    };
    let one: serde_json::Value =
        serde_json::from_str(r#"{"b": {"d": 1, "c": 2}, "a": 1}"#).unwrap();
    let other: serde_json::Value =
        serde_json::from_str(r#"{"a": 1, "b": {"c": 2, "d": 1}}"#).unwrap();
    assert_eq!(
        Version::of(&plugin(one.clone())),
        Version::of(&plugin(other))
    );
    assert_eq!(plugin(one.clone()).to_json().unwrap()["settings"], one);
    assert_eq!(plugin(one).to_json().unwrap()["mode"], "shadow");
}

#[test]
fn every_kind_has_a_schema_with_descriptions_and_survives_the_wire() {
    for &kind in Kind::ALL {
        let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
        let schema = kind.schema(&mut generator).to_value();
        let description = schema.pointer("/properties/name/description");
        assert!(
            description
                .and_then(|it| it.as_str())
                .is_some_and(|it| it.contains("Unique")),
            "{schema}"
        );
        assert_eq!(schema["additionalProperties"], false, "{kind}");
        let resource = kind.from_json(json!({"name": "a"})).unwrap();
        assert_eq!(kind.decode(&resource.to_bytes()).unwrap(), resource);
        assert_eq!(kind.plural().parse::<Kind>().unwrap(), kind);
    }
}

#[test]
fn a_digest_forgets_what_was_taken_out_and_minds_no_order() {
    let version = |byte| Version::of_bytes(&[byte]);
    let (a, b) = (Key::new(Kind::Route, "a"), Key::new(Kind::Route, "b"));
    let mut one = Digest::default();
    one.toggle(&a, &version(1));
    one.toggle(&b, &version(2));
    let mut other = Digest::default();
    other.toggle(&b, &version(2));
    other.toggle(&a, &version(3));
    assert_ne!(one, other);
    other.toggle(&a, &version(3));
    other.toggle(&a, &version(1));
    assert_eq!(one, other);
}

#[test]
fn names_are_bounded_and_plain() {
    assert!(Key::check_name("orders-v2.eu_1").is_ok());
    for name in ["", ".", "..", "a/b", "ü", "a b", &"a".repeat(254)] {
        assert!(Key::check_name(name).is_err(), "{name}");
    }
}

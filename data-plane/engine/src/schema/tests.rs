//! What schemas allow.

use serde_json::{Value, json};

use super::{Bounds, Checker, Compiler, Dialect, Document, Mistake, Outcome};

fn compile(schema: &Value, dialect: Dialect) -> Result<super::Schemas, Vec<Mistake>> {
    let mut compiler = Compiler::new(schema, dialect, true);
    compiler.add(String::new(), schema);
    compiler.finish()
}

/// What is wrong with a value: pointers and reasons.
fn wrong(schema: &Value, value: &Value, dialect: Dialect) -> Vec<String> {
    let schemas = compile(schema, dialect).unwrap_or_else(|it| panic!("{schema} {it:?}"));
    let bounds = Bounds {
        steps: 100_000,
        refuse_read_only: true,
    };
    match Checker::new(&schemas, bounds).run(0, value) {
        Outcome::Good => Vec::new(),
        Outcome::Bad(violations) => violations
            .iter()
            .map(|it| format!("{} {}", it.pointer.as_deref().unwrap_or("-"), it.reason))
            .collect(),
        Outcome::TooMuch => vec!["too much".to_owned()],
    }
}

/// Schemas, with values that fit and values that do not.
fn table() -> Vec<(Value, Vec<Value>, Vec<Value>)> {
    let rows: Vec<Value> = serde_json::from_str(include_str!("cases.json")).unwrap();
    let list = |row: &Value, name: &str| row[name].as_array().unwrap().clone();
    let row = |row: &Value| {
        (
            row["schema"].clone(),
            list(row, "fits"),
            list(row, "does_not"),
        )
    };
    rows.iter().map(row).collect()
}

#[test]
fn values_are_held_against_schemas() {
    for (schema, good, bad) in table() {
        for value in good {
            let found = wrong(&schema, &value, Dialect::Modern);
            assert!(found.is_empty(), "{schema} {value} {found:?}");
        }
        for value in bad {
            let found = wrong(&schema, &value, Dialect::Modern);
            assert!(!found.is_empty(), "{schema} {value}");
            assert_ne!(found[0], "too much", "{schema} {value}");
        }
    }
}

#[test]
fn openapi_3_0_has_null_by_another_name_and_nothing_beside_a_reference() {
    let nullable = json!({"type": "string", "nullable": true});
    assert!(wrong(&nullable, &Value::Null, Dialect::OpenApi30).is_empty());
    assert!(!wrong(&nullable, &Value::Null, Dialect::Modern).is_empty());
    let beside = json!({"$ref": "#/$defs/a", "type": "string", "$defs": {"a": {}}});
    assert!(wrong(&beside, &json!(1), Dialect::OpenApi30).is_empty());
    assert!(!wrong(&beside, &json!(1), Dialect::Modern).is_empty());
}

#[test]
fn what_is_read_only_is_refused_and_not_required() {
    let schema = json!({"required": ["id"], "properties": {"id": {"$ref": "#/$defs/id"}}, "$defs": {"id": {"readOnly": true}}});
    assert!(wrong(&schema, &json!({}), Dialect::OpenApi30).is_empty());
    let found = wrong(&schema, &json!({"id": 1}), Dialect::OpenApi30);
    assert_eq!(found, ["/id is read-only"]);
}

#[test]
fn each_thing_that_is_wrong_is_told_with_its_place_up_to_twenty() {
    let schema = json!({"type": "object", "required": ["a/b"], "properties": {
        "l": {"items": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}]}}}});
    let found = wrong(
        &schema,
        &json!({"l": [null, {"n": "x"}, 3]}),
        Dialect::Modern,
    );
    let expected = [
        "/a~1b is required",
        "/l/1/n must be null or an integer",
        "/l/2 fits none of the 2 forms that are allowed",
    ];
    assert_eq!(found, expected);
    let many: Vec<u8> = vec![1; 100];
    let texts = json!({"items": {"type": "string"}});
    assert_eq!(wrong(&texts, &json!(many), Dialect::Modern).len(), 20);
}

#[test]
fn mistakes_in_schemas_are_found_with_their_places() {
    for (schema, pointer) in [
        (json!({"type": "strng"}), "/type"),
        (json!({"items": {"minimum": "1"}}), "/items/minimum"),
        (json!({"properties": {"a": 1}}), "/properties/a"),
        (json!({"required": true}), "/required"),
        (json!({"allOf": []}), "/allOf"),
        (json!({"pattern": "(?=a)"}), "/pattern"),
        (json!({"pattern": "(a)\\1"}), "/pattern"),
        (json!({"pattern": "(.{1000}){1000}"}), "/pattern"),
        (json!({"$ref": "https://evil.test/s.json"}), "/$ref"),
        (json!({"$ref": "other.yaml#/a"}), "/$ref"),
        (json!({"$ref": "#/$defs/none"}), "/$ref"),
        (json!({"$ref": "#none"}), "/$ref"),
        (json!({"$dynamicRef": "#a"}), "/$dynamicRef"),
        (
            json!({"$defs": {"a": {"$id": "b"}}, "$ref": "#/$defs/a"}),
            "/$defs/a/$id",
        ),
        (json!({"multipleOf": 0}), "/multipleOf"),
        (json!({"minLength": -1}), "/minLength"),
        (json!(7), ""),
    ] {
        let mistakes = compile(&schema, Dialect::Modern).expect_err("it is wrong");
        assert_eq!(mistakes[0].pointer, pointer, "{mistakes:?}");
    }
}

#[test]
fn a_schema_that_only_refers_to_itself_is_refused() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{}, {"not": {"$ref": "#/$defs/a"}}]}}}),
    ] {
        let mistakes = compile(&schema, Dialect::Modern).expect_err("it would never end");
        assert!(
            mistakes[0].reason.contains("refers to itself"),
            "{mistakes:?}"
        );
    }
}

#[test]
fn no_body_and_no_schema_takes_more_than_its_steps() {
    let branch =
        |name: &str| json!({"allOf": [{"properties": {"a": {"$ref": "#"}}}, {"required": [name]}]});
    let doubling = json!({"anyOf": [branch("x"), branch("y"), {"type": "integer"}]});
    let deep = (0..60).fold(json!("end"), |below, _| json!({"a": below}));
    assert_eq!(wrong(&doubling, &deep, Dialect::Modern), ["too much"]);
    let mut names = vec![json!({"type": "string"})];
    for level in 0..40 {
        let below = format!("#/$defs/s{level}");
        names.push(json!({"oneOf": [{"$ref": below}, {"$ref": below}]}));
    }
    let defs: serde_json::Map<String, Value> = names
        .into_iter()
        .enumerate()
        .map(|(level, it)| (format!("s{level}"), it))
        .collect();
    let wide = json!({"$ref": "#/$defs/s40", "$defs": defs});
    assert_eq!(wrong(&wide, &json!("a"), Dialect::Modern), ["too much"]);
    // What `not` is asked is no way around it.
    let negated = json!({"not": {"not": {"$ref": "#/$defs/s40"}}, "$defs": wide["$defs"]});
    assert_eq!(wrong(&negated, &json!("a"), Dialect::Modern), ["too much"]);
}

#[test]
fn a_chain_of_references_is_followed_only_so_deep() {
    let last = json!({"type": "string"});
    let mut defs = serde_json::Map::from_iter([("s0".to_owned(), last)]);
    for level in 0..300 {
        let below = json!({"allOf": [{"$ref": format!("#/$defs/s{level}")}]});
        defs.insert(format!("s{}", level + 1), below);
    }
    let schema = |name: &str| json!({"$ref": format!("#/$defs/{name}"), "$defs": defs});
    assert!(wrong(&schema("s100"), &json!("a"), Dialect::Modern).is_empty());
    assert_eq!(
        wrong(&schema("s300"), &json!("a"), Dialect::Modern),
        ["too much"]
    );
}

#[test]
fn documents_are_read_once_within_bounds() {
    let bounds = Document {
        depth: 3,
        values: 10,
    };
    assert!(bounds.json(br#"{"a": [[1]]}"#).is_ok());
    for bad in [
        r#"{"a": 1, "a": 2}"#,
        "[[[[1]]]]",
        "[1,2,3,4,5,6,7,8,9,10]",
        "[1] 2",
    ] {
        assert!(bounds.json(bad.as_bytes()).is_err(), "{bad}");
    }
    let yaml = bounds.yaml("a:\n  200: yes\n  b: ~\n").unwrap();
    assert_eq!(yaml, json!({"a": {"200": "yes", "b": null}}));
    for bad in [
        "a: 1\na: 2\n",
        "a: &x [1, 2]\nb: [*x, *x, *x, *x]\n",
        "a: [",
    ] {
        assert!(bounds.yaml(bad).is_err(), "{bad}");
    }
}

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

/// Schema, values that fit, and values that do not.
fn table() -> Vec<(Value, Vec<Value>, Vec<Value>)> {
    let row = |schema: Value, good: Value, bad: Value| {
        let list = |it: Value| it.as_array().unwrap().clone();
        (schema, list(good), list(bad))
    };
    vec![
        row(json!(true), json!([1, null]), json!([])),
        row(json!(false), json!([]), json!([1, null])),
        row(
            json!({"type": "integer"}),
            json!([1, 1.0, -3]),
            json!([1.5, "1", null, true]),
        ),
        row(json!({"type": "number"}), json!([1, 1.5]), json!(["1"])),
        row(
            json!({"type": ["string", "null"]}),
            json!(["", null]),
            json!([0, {}]),
        ),
        row(json!({"const": 1}), json!([1, 1.0]), json!([true, "1"])),
        row(
            json!({"enum": ["a", 1, {"b": [2]}]}),
            json!(["a", 1.0, {"b": [2.0]}]),
            json!(["b", 2, {"b": 2}]),
        ),
        row(
            json!({"minimum": 1, "exclusiveMaximum": 3}),
            json!([1, 2.9, "x"]),
            json!([0.9, 3]),
        ),
        row(
            json!({"maximum": 18446744073709551614_u64}),
            json!([18446744073709551614_u64]),
            json!([18446744073709551615_u64]),
        ),
        row(
            json!({"minimum": 1, "exclusiveMinimum": true}),
            json!([1.1]),
            json!([1]),
        ),
        row(json!({"multipleOf": 0.1}), json!([0.3, 7]), json!([0.35])),
        row(
            json!({"multipleOf": 3}),
            json!([9, 9.0, -3, 0]),
            json!([10, 1.5]),
        ),
        row(
            json!({"minLength": 2, "maxLength": 3}),
            json!(["äö", "abc", 5]),
            json!(["ä", "abcd"]),
        ),
        row(
            json!({"pattern": "^\\d{2}[\\w-]+$"}),
            json!(["12a-b"]),
            json!(["1", "٣٣a", "12ä"]),
        ),
        row(
            json!({"pattern": "a[[&]/"}),
            json!(["xa[/", "a&/"]),
            json!(["ab/"]),
        ),
        row(
            json!({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}),
            json!([[], ["a"], ["a", 1]]),
            json!([[1], ["a", "b"]]),
        ),
        row(
            json!({"items": [{"type": "string"}], "additionalItems": false}),
            json!([["a"]]),
            json!([["a", 1]]),
        ),
        row(
            json!({"minItems": 1, "maxItems": 2}),
            json!([[1], [1, 2]]),
            json!([[], [1, 2, 3]]),
        ),
        row(
            json!({"uniqueItems": true}),
            json!([[1, "1", [1], {"a": 1}], []]),
            json!([[1, 2, 1.0], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]]),
        ),
        row(
            json!({"contains": {"type": "integer"}, "maxContains": 2}),
            json!([["a", 1], [1, 2]]),
            json!([["a"], [1, 2, 3], []]),
        ),
        row(
            json!({"contains": {"type": "integer"}, "minContains": 0}),
            json!([[]]),
            json!([]),
        ),
        row(
            json!({"properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}),
            json!([{"a": 1}, 7]),
            json!([{}, {"a": "1"}, {"a": 1, "b": 1}]),
        ),
        row(
            json!({"patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": {"type": "integer"}}),
            json!([{"x-a": "b", "c": 1}]),
            json!([{"x-a": 1}, {"c": "b"}]),
        ),
        row(
            json!({"propertyNames": {"maxLength": 2}, "minProperties": 1, "maxProperties": 2}),
            json!([{"ab": 1}]),
            json!([{}, {"abc": 1}, {"a": 1, "b": 2, "c": 3}]),
        ),
        row(
            json!({"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"required": ["d"]}}}),
            json!([{"b": 1}, {"a": 1, "b": 1}, {"c": 1, "d": 1}]),
            json!([{"a": 1}, {"c": 1}]),
        ),
        row(
            json!({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}}),
            json!([{"a": 1, "b": 1}]),
            json!([{"a": 1}, {"c": 1}]),
        ),
        row(
            json!({"allOf": [{"type": "integer"}, {"minimum": 3}]}),
            json!([3]),
            json!([2, "a"]),
        ),
        row(
            json!({"anyOf": [{"type": "integer"}, {"minimum": 3}]}),
            json!([1, 3.5]),
            json!([2.5]),
        ),
        row(
            json!({"oneOf": [{"type": "integer"}, {"minimum": 3}]}),
            json!([1, 3.5]),
            json!([3, 2.5]),
        ),
        row(json!({"not": {"type": "string"}}), json!([1]), json!(["a"])),
        row(
            json!({"if": {"minimum": 10}, "then": {"multipleOf": 10}, "else": {"type": "integer"}}),
            json!([20, 7]),
            json!([25, 7.5]),
        ),
        row(
            json!({"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "string"}}}),
            json!(["a"]),
            json!([1]),
        ),
        row(
            json!({"$id": "https://a.test/s", "$ref": "https://a.test/s#it", "$defs": {"x": {"$anchor": "it", "type": "string"}}}),
            json!(["a"]),
            json!([1]),
        ),
        row(
            json!({"type": "object", "properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}}}),
            json!([{"child": {"child": {"n": 1}}}]),
            json!([{"child": {"child": {"n": "1"}}}, {"child": 1}]),
        ),
        row(
            json!({"allOf": [{"properties": {"a": true}}], "properties": {"b": true}, "unevaluatedProperties": false}),
            json!([{"a": 1, "b": 2}]),
            json!([{"c": 1}]),
        ),
        row(
            json!({"anyOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": true}}], "unevaluatedProperties": {"type": "string"}}),
            json!([{"a": 1, "b": 2}, {"c": "d", "b": 1}]),
            json!([{"c": 1}, {"a": 1.5}]),
        ),
        row(
            json!({"prefixItems": [true], "contains": {"type": "string"}, "unevaluatedItems": false}),
            json!([[1, "a"]]),
            json!([[1, "a", 2]]),
        ),
        row(
            json!({"format": "date-time"}),
            json!(["2024-02-29T23:59:60Z", "2026-01-01T00:00:00.123+01:00", 7]),
            json!(["2023-02-29T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z"]),
        ),
        row(
            json!({"format": "uuid"}),
            json!(["00000000-0000-4000-8000-00000000000a"]),
            json!(["00000000-0000-4000-8000-00000000000", "g"]),
        ),
        row(
            json!({"format": "email"}),
            json!(["a.b+c@example.com"]),
            json!(["a", "a@", "@b", "a@b@c d"]),
        ),
        row(
            json!({"format": "int32"}),
            json!([2147483647, -2147483648_i64]),
            json!([2147483648_i64, 18446744073709551615_u64]),
        ),
        row(json!({"format": "made-up"}), json!(["x"]), json!([])),
    ]
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

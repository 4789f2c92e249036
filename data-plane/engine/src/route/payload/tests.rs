//! Bodies that are hostile, and those that are not.

use super::{
    Broken,
    json::{Json, JsonRule, Pointer},
    xml::{Xml, XmlPath, XmlRule},
};
use crate::route::TextRule;

fn exact(text: &str) -> TextRule {
    TextRule::Exact(text.into())
}

fn json(body: &str, pointer: &str, value: TextRule) -> Result<bool, Broken> {
    let pointer = Pointer::parse(pointer).unwrap();
    Json::parse(body.as_bytes())?.all_hold(&[JsonRule::new(pointer, value)])
}

fn xml(body: &str, path: &str, value: TextRule) -> Result<bool, Broken> {
    let path = XmlPath::parse(path).unwrap();
    Xml::parse(body.as_bytes())?.all_hold(&[XmlRule { path, value }])
}

#[test]
fn a_pointer_finds_what_rfc_6901_says() {
    let body = r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "m~n": 8, " ": 7, "é": -1.5,
        "t": true, "n": null, "o": {"p": {"q": "x"}}}"#;
    for (pointer, value) in [
        ("/foo/0", "bar"),
        ("/foo/1", "baz"),
        ("/", "0"),
        ("/a~1b", "1"),
        ("/c%d", "2"),
        ("/m~0n", "8"),
        ("/ ", "7"),
        ("/é", "-1.5"),
        ("/t", "true"),
        ("/n", "null"),
        ("/o/p/q", "x"),
    ] {
        assert_eq!(json(body, pointer, exact(value)), Ok(true), "{pointer}");
        assert_eq!(json(body, pointer, exact("other")), Ok(false), "{pointer}");
        assert_eq!(
            json(body, pointer, TextRule::Absent),
            Ok(false),
            "{pointer}"
        );
    }
    for pointer in [
        "/foo/2", "/foo/00", "/foo/-", "/foo/x", "/none", "/t/x", "/o/p/q/r",
    ] {
        assert_eq!(
            json(body, pointer, TextRule::Present),
            Ok(false),
            "{pointer}"
        );
        assert_eq!(json(body, pointer, TextRule::Absent), Ok(true), "{pointer}");
    }
    for pointer in ["", "/foo", "/o", "/o/p"] {
        assert_eq!(
            json(body, pointer, TextRule::Present),
            Ok(true),
            "{pointer}"
        );
        assert_eq!(json(body, pointer, exact("")), Ok(false), "{pointer}");
    }
    for wrong in ["a", "/~", "/~2", "/a~"] {
        assert!(Pointer::parse(wrong).is_err(), "{wrong}");
    }
}

/// Pairs of a value in a body and the exact value that a route asks for.
#[test]
fn json_numbers_are_compared_by_value() {
    for (body, wanted, equal) in [
        ("1", "1", true),
        ("1.0", "1", true),
        ("1", "1.0", true),
        ("100e-2", "1", true),
        ("-0", "0", true),
        ("1", "2", false),
        ("1", "-1", false),
        ("0.1", "0.10", true),
        ("9007199254740993", "9007199254740993", true),
        ("9007199254740993", "9007199254740992", false),
        ("9007199254740993.0", "9007199254740993", true),
        ("18446744073709551617", "18446744073709551617", true),
        ("18446744073709551617", "18446744073709551616", false),
        ("-9223372036854775809", "-9223372036854775808", false),
        ("0.1000000000000000055511151231257827", "0.1", false),
        ("1e-400", "0", false),
        ("1e-400", "10e-401", true),
        // A string is a text, and so is what a route asks for of it.
        ("\"1.0\"", "1", false),
        ("\"1\"", "1", true),
        ("1", "01", false),
        ("true", "1", false),
    ] {
        let held = json(
            &format!("{{\"s\": \"5\", \"n\": {body}}}"),
            "/n",
            exact(wanted),
        );
        assert_eq!(held, Ok(equal), "{body} {wanted}");
    }
    let digits = TextRule::Regex(regex::Regex::new("^[0-9]{4}$").unwrap());
    assert_eq!(json("{\"n\": 1.5e3}", "/n", digits), Ok(true));
}

#[test]
fn json_of_no_one_reading_is_not_answered() {
    let twice = r#"{"a": 1, "b": {"c": 1, "c": 2}, "a": 2}"#;
    assert!(matches!(
        json(twice, "/a", exact("1")),
        Err(Broken::Unclear(_))
    ));
    assert!(matches!(
        json(twice, "/b/c", TextRule::Present),
        Err(Broken::Unclear(_))
    ));
    assert_eq!(json(twice, "/d", TextRule::Absent), Ok(true));
    let escaped = r#"{"a": 1, "\u0061": 2}"#;
    assert!(matches!(
        json(escaped, "/a", exact("1")),
        Err(Broken::Unclear(_))
    ));
}

#[test]
fn hostile_json_costs_little_and_is_not_answered() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert!(matches!(
            Json::parse(deep.as_bytes()),
            Err(Broken::Unclear(_))
        ));
    }
    let many = format!("[{}0]", "0,".repeat(500_000));
    assert!(matches!(
        Json::parse(many.as_bytes()),
        Err(Broken::Unclear(_))
    ));
    for broken in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1}x",
        "nul",
        "\"\u{1}\"",
        "\u{feff}{}",
        "{'a':1}",
        "01",
    ] {
        assert_eq!(
            Json::parse(broken.as_bytes()).err(),
            Some(Broken::Malformed),
            "{broken}"
        );
    }
    assert_eq!(Json::parse(b"\"\xff\"").err(), Some(Broken::Malformed));
}

const SOAP: &str = r#"<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><!-- c --><s:Body>
 <m:GetPrice xmlns:m="urn:m" kind="a&amp;b" m:unit='kg'> Apples &lt;&#65;&gt; <![CDATA[<raw>]]><x/></m:GetPrice>
 <m:GetPrice xmlns:m="urn:m">Pears</m:GetPrice>
</s:Body></s:Envelope>"#;

#[test]
fn an_element_is_found_by_its_path_without_prefixes() {
    let path = "/Envelope/Body/GetPrice";
    for value in ["Apples <A> <raw>", "Pears"] {
        assert_eq!(xml(SOAP, path, exact(value)), Ok(true), "{value}");
    }
    assert_eq!(xml(SOAP, path, exact("Plums")), Ok(false));
    assert_eq!(xml(SOAP, path, TextRule::Absent), Ok(false));
    assert_eq!(
        xml(SOAP, "/Envelope/Body/GetPrice/x", TextRule::Present),
        Ok(true)
    );
    assert_eq!(
        xml(SOAP, "/Envelope/Body/GetPrice/@kind", exact("a&b")),
        Ok(true)
    );
    assert_eq!(
        xml(SOAP, "/Envelope/Body/GetPrice/@unit", exact("kg")),
        Ok(true)
    );
    for path in [
        "/Body/GetPrice",
        "/Envelope/GetPrice",
        "/envelope",
        "/Envelope/Body/GetPrice/@none",
        "/GetPrice",
    ] {
        assert_eq!(xml(SOAP, path, TextRule::Present), Ok(false), "{path}");
        assert_eq!(xml(SOAP, path, TextRule::Absent), Ok(true), "{path}");
    }
    for wrong in ["", "a", "/", "/a//b", "/a:b", "/@a", "/a/@b/c", "/*"] {
        assert!(XmlPath::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn entities_are_never_expanded() {
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><l>&b;</l>";
    let outside = "<!DOCTYPE l SYSTEM \"file:///etc/passwd\"><l>x</l>";
    for body in [laughs, outside, "<l>&a;</l>", "<!DOCTYPE l><l/>"] {
        assert!(
            matches!(Xml::parse(body.as_bytes()), Err(Broken::Unclear(_))),
            "{body}"
        );
    }
    let attribute = xml("<l a=\"&b;\"/>", "/l/@a", TextRule::Present);
    assert!(matches!(attribute, Err(Broken::Unclear(_))));
    let twice = xml("<l a=\"1\" a=\"2\"/>", "/l/@a", exact("1"));
    assert!(matches!(twice, Err(Broken::Unclear(_))));
}

#[test]
fn hostile_xml_costs_little_and_is_not_answered() {
    let deep = format!("{}x{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    assert!(matches!(
        Xml::parse(deep.as_bytes()),
        Err(Broken::Unclear(_))
    ));
    let many = format!("<r>{}</r>", "<a/>".repeat(200_000));
    assert!(matches!(
        Xml::parse(many.as_bytes()),
        Err(Broken::Unclear(_))
    ));
    let attributes: String = (0..10_000).map(|it| format!(" a{it}=''")).collect();
    let wide = xml(&format!("<r{attributes}/>"), "/r/@b", TextRule::Absent);
    assert!(matches!(wide, Err(Broken::Unclear(_))));
    for broken in [
        "",
        "text",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "text<a/>",
        "<a><b></a></b>",
        "{}",
        "<a",
        "<a>&</a>",
        "<![CDATA[x]]>",
    ] {
        assert!(Xml::parse(broken.as_bytes()).is_err(), "{broken}");
    }
    assert!(Xml::parse(b"<a>\xff</a>").is_err());
}

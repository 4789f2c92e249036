//! The mapping as a table, what is refused, and that there and back again changes nothing.

use proptest::prelude::*;

use super::{Mapping, XSI};
use crate::transform::Document;

fn json(xml: &str) -> String {
    told(&Mapping::default(), xml)
}

fn told(mapping: &Mapping, xml: &str) -> String {
    match mapping.read(xml.as_bytes()) {
        Ok(document) => String::from_utf8(document.to_json()).unwrap(),
        Err(error) => error.to_string(),
    }
}

fn xml(mapping: &Mapping, json: &str) -> String {
    let document = Document::from_json(json.as_bytes(), 1000).unwrap();
    match mapping.write(&document) {
        Ok(xml) => String::from_utf8(xml).unwrap(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn xml_is_told_in_json() {
    for (xml, expected) in [
        ("<a>text</a>", r#"{"a":"text"}"#),
        ("<a> b\n</a>", r#"{"a":" b\n"}"#),
        ("<a/>", r#"{"a":""}"#),
        (
            r#"<a b="1">text</a>"#,
            r##"{"a":{"@b":"1","#text":"text"}}"##,
        ),
        (
            "<a>\n <b>1</b>\n <c>2</c>\n</a>",
            r#"{"a":{"b":"1","c":"2"}}"#,
        ),
        (
            "<a><b>1</b><c/><b>2</b></a>",
            r#"{"a":{"b":["1","2"],"c":""}}"#,
        ),
        ("<a>one<b/>two</a>", r##"{"a":{"b":"","#text":"onetwo"}}"##),
        (
            r#"<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>"#,
            r#"{"a":null}"#,
        ),
        (
            r#"<x:a xmlns:x="urn:u" x:b="1"/>"#,
            r#"{"x:a":{"@xmlns:x":"urn:u","@x:b":"1"}}"#,
        ),
        (
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- c --><a><?p i?>1<!-- 2 -->3</a>\n",
            r#"{"a":"13"}"#,
        ),
        (
            "\u{feff}<a>&lt;&amp;&#65;&#x42;<![CDATA[<b>]]></a>",
            r#"{"a":"<&AB<b>"}"#,
        ),
        ("<a b=\"&quot;&#10;\n\"/>", r#"{"a":{"@b":"\"\n "}}"#),
        ("<a>1\r\n2</a>", r#"{"a":"1\n2"}"#),
    ] {
        assert_eq!(json(xml), expected, "{xml}");
    }
}

#[test]
fn settings_change_the_mapping() {
    let mapping = Mapping {
        lists: ["/o/i".into()].into(),
        strip_prefixes: true,
        infer_types: true,
        ..Mapping::default()
    };
    for (xml, expected) in [
        ("<o><i>1</i></o>", r#"{"o":{"i":[1]}}"#),
        (
            "<x:o xmlns:x=\"urn:u\"><x:i>true</x:i></x:o>",
            r#"{"o":{"i":[true]}}"#,
        ),
        (
            "<o><a>01</a><b>1.50</b><c>-1.5</c><d>1e400</d></o>",
            r#"{"o":{"a":"01","b":"1.50","c":-1.5,"d":1e400}}"#,
        ),
        (
            "<o x:a=\"1\" y:a=\"2\"/>",
            "at `/o/@a`: the element has the attribute twice",
        ),
    ] {
        assert_eq!(told(&mapping, xml), expected, "{xml}");
    }
    let rooted = Mapping {
        root: Some("r".into()),
        ..Mapping::default()
    };
    for (json, expected) in [
        ("[1,2]", "<r><item>1</item><item>2</item></r>"),
        ("{\"a\":1,\"b\":2}", "<r><a>1</a><b>2</b></r>"),
        ("true", "<r>true</r>"),
    ] {
        assert_eq!(xml(&rooted, json), expected, "{json}");
    }
}

#[test]
fn json_is_written_as_xml_or_refused_with_its_pointer() {
    let nil = format!("<a xsi:nil=\"true\" xmlns:xsi=\"{XSI}\"/>");
    for (json, expected) in [
        (
            r##"{"a":{"z":1.50,"b":[true,{"@c":"<\"\n","#text":"&\r"}]}}"##,
            "<a><z>1.50</z><b>true</b><b c=\"&lt;&quot;&#10;\">&amp;&#13;</b></a>",
        ),
        (r#"{"a":null}"#, &nil),
        (r#"{"a":{"b":[]}}"#, "<a/>"),
        (
            r#"{"a":1,"b":2}"#,
            "at ``: must have one member, or a root must be named",
        ),
        (
            r#"{"a":[1]}"#,
            "at ``: must have one member, or a root must be named",
        ),
        ("[]", "at ``: must be an object, or a root must be named"),
        (
            r#"{"a":{"b":[[1]]}}"#,
            "at `/a/b/0`: a list in a list has no name",
        ),
        (
            r#"{"a":{"b/c":1}}"#,
            "at `/a/b~1c`: the name cannot be that of an element",
        ),
        (
            r#"{"a":{"b":["\u0001"]}}"#,
            "at `/a/b/0`: has a character that XML has not",
        ),
        (
            r#"{"a":{"@b":{}}}"#,
            "at `/a/b`: must be text, a number, true, false or null",
        ),
    ] {
        assert_eq!(xml(&Mapping::default(), json), expected, "{json}");
    }
}

#[test]
fn hostile_xml_is_refused() {
    let deep = "<a>".repeat(10_000);
    let wide = format!("<a>{}</a>", "<b/>".repeat(100_001));
    let attributes: String = (0..300).map(|index| format!(" a{index}=\"\"")).collect();
    let attributes = format!("<a{attributes}/>");
    for (xml, expected) in [
        (
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            "declares a document type",
        ),
        (
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "declares a document type",
        ),
        (
            "<a>&b;</a>",
            "uses the entity `b`, which is not one of the five of XML",
        ),
        (&*deep, "has more than 126 levels"),
        (&*wide, "has more than 100000 elements"),
        (&*attributes, "has more than 256 attributes"),
        ("<a/><b/>", "is not XML: it has more than one root"),
        ("<a>", "is not XML: it ends within an element, or has none"),
        ("", "is not XML: it ends within an element, or has none"),
        ("<a/>text", "is not XML: it has text outside of the root"),
        ("<1a/>", "is not XML: `1a` is no name"),
        (
            "<a>&#1;</a>",
            "is not XML: `/a` has a character that XML has not",
        ),
        (
            "<a b='1' b='2'/>",
            "at `/a/@b`: the element has the attribute twice",
        ),
        (
            "<?xml version='1.0' encoding='latin1'?><a/>",
            "is not XML: the encoding `latin1` is not read, only UTF-8 is",
        ),
    ] {
        let start = &xml[..xml.len().min(60)];
        assert_eq!(json(xml), expected, "{start}");
    }
    assert!(json("<a></b>").starts_with("is not XML: "));
    let long = Mapping {
        max_bytes: 10,
        ..Mapping::default()
    };
    assert_eq!(
        xml(&long, r#"{"a":"0123456789"}"#),
        "has more than 10 bytes"
    );
}

fn name() -> impl Strategy<Value = Box<str>> {
    "[a-z_é][a-z0-9.é-]{0,6}".prop_map(Into::into)
}

fn text() -> impl Strategy<Value = Document> {
    "[ -~\t\n\ré\u{10000}]{0,12}".prop_map(|text| Document::Text(text.into()))
}

/// What XML can say without loss.
fn value() -> impl Strategy<Value = Document> {
    let leaf = prop_oneof![4 => text(), 1 => Just(Document::Null)];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let many = proptest::collection::vec(inner.clone(), 2..4)
            .prop_filter("lists have no place in lists", |items| {
                !items.iter().any(|it| matches!(it, Document::List(_)))
            })
            .prop_map(Document::List);
        let attributes = proptest::collection::btree_map(name(), text(), 0..3);
        let elements = proptest::collection::btree_map(name(), prop_oneof![inner, many], 1..5);
        (attributes, elements).prop_map(|(attributes, elements)| {
            let attributes = attributes.into_iter();
            let attributes = attributes.map(|(name, value)| (format!("@{name}").into(), value));
            Document::Object(attributes.chain(elements).collect())
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(name in name(), value in value()) {
        prop_assume!(!matches!(value, Document::List(_)));
        let document = Document::Object(vec![(name, value)]);
        let mapping = Mapping::default();
        let xml = mapping.write(&document).unwrap();
        prop_assert_eq!(mapping.read(&xml).unwrap(), document, "{}", String::from_utf8_lossy(&xml));
    }

    #[test]
    fn what_is_read_is_written_so_that_it_reads_the_same(xml in "(<[ab]( c='[&;1x]{0,2}')?/?>|</[ab]>|[ x&;]|&lt;){0,14}") {
        let mapping = Mapping::default();
        if let Ok(document) = mapping.read(xml.as_bytes()) {
            let written = mapping.write(&document).unwrap();
            prop_assert_eq!(mapping.read(&written).unwrap(), document);
        }
    }
}

//! The normalised form, and templates.

use std::borrow::Cow;

use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{InvalidPath, Template, normalize, template::Segment};

#[test]
fn a_path_is_brought_into_one_form() {
    for (path, normal) in [
        ("/", "/"),
        ("/orders/7", "/orders/7"),
        ("/orders/", "/orders/"),
        ("//", "/"),
        ("/a//b///c", "/a/b/c"),
        ("/a/./b/../c", "/a/c"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/a/..", "/"),
        ("/%61%2e%7E", "/a.~"),
        ("/a/%2e%2E/b", "/b"),
        ("/a%2fb%5c", "/a%2Fb%5C"),
        ("/%252e%252e/a", "/%252e%252e/a"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/.well-known/...", "/.well-known/..."),
        ("/a//../b", "/b"),
        ("/a;b=c/d,e", "/a;b=c/d,e"),
    ] {
        assert_eq!(normalize(path).unwrap(), normal, "{path}");
    }
}

#[test]
fn what_must_not_be_guessed_at_is_refused() {
    for path in [
        "",
        "a",
        "*",
        "/..",
        "/a/../..",
        "/%2e%2e/a",
        "/a\\b",
        "/a#b",
        "/a?b",
        "/%",
        "/%4",
        "/%zz",
        "/%00",
        "/a\0",
        "/a\r\n",
        "/é",
        "/a b",
        "/\u{7f}",
        "/%%61",
    ] {
        assert!(normalize(path).is_err(), "{path:?}");
    }
}

#[test]
fn a_normal_path_is_borrowed() {
    for path in ["/", "/a/b.c/..d", "/a%2Fb", "/.a/..."] {
        assert!(matches!(normalize(path), Ok(Cow::Borrowed(_))), "{path}");
    }
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z./%]{1,6}",
        "/\\.{1,3}",
        "%[0-9a-fA-F]{2}",
        "/{1,3}",
        "[ -~]"
    ]
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn the_normal_form_is_stable_and_has_no_second_reading(path in path()) {
        let Ok(normal) = normalize(&path) else { return Ok(()) };
        prop_assert_eq!(normalize(&normal).unwrap(), &*normal);
        prop_assert!(matches!(normalize(&normal), Ok(Cow::Borrowed(_))));
        prop_assert!(normal.starts_with('/') && !normal.contains("//"));
        prop_assert!(normal.split('/').all(|segment| segment != "." && segment != ".."));
        prop_assert!(normal.len() <= path.len() + 1);
        prop_assert_eq!(matches!(normal, Cow::Borrowed(_)), normal == path);
    }
}

#[test]
fn a_template_is_filled_in_with_what_was_matched() {
    let template = Template::parse("/v2/{id}.json/{part}").unwrap();
    let parameters = [("id".into(), 8..9), ("part".into(), 10..13)];
    let text = template.render("/orders/7/abc", &parameters);
    assert_eq!(text, "/v2/7.json/abc");
    assert_eq!(
        template.names().map(|it| &**it).collect::<Vec<_>>(),
        ["id", "part"]
    );
}

#[test]
fn a_matching_template_has_segments() {
    let template = Template::parse_match("/orders/{id}/items/{item}").unwrap();
    let [
        Segment::Literal("orders"),
        Segment::Parameter(id),
        Segment::Literal("items"),
        Segment::Parameter(_),
    ] = template.segments()[..]
    else {
        panic!("{:?}", template.segments());
    };
    assert_eq!(&**id, "id");
    let literals = |text| Template::parse_match(text).unwrap().segments().len();
    assert_eq!(literals("/{a}"), 1);
    assert_eq!(literals("/{a}/"), 2);
    assert_eq!(literals("/{a}/{b}"), 2);
    assert_eq!(literals("/a/b"), 2);
    assert_eq!(literals("/"), 1);
}

#[test]
fn a_broken_template_is_refused() {
    for text in [
        "", "a/{b}", "/{", "/}", "/{}", "/{a b}", "/{a}/{a}", "/a//{b}", "/../{a}", "/{a}/%41",
    ] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
    assert_eq!(
        Template::parse_match("/{a}.json"),
        Err(InvalidPath("a parameter stands for a whole segment"))
    );
    assert!(Template::parse_match("/{a}{b}").is_err());
}

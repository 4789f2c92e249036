use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE};

use super::{Failure, append, basic, read};

#[test]
fn id_and_secret_are_encoded_before_they_are_joined() {
    let value = basic("a b:c", "ä%+");
    // a%20b%3Ac:%C3%A4%25%2B
    assert_eq!(value, "Basic YSUyMGIlM0FjOiVDMyVBNCUyNSUyQg==");
    assert!(value.is_sensitive());
    let mut form = String::new();
    append(&mut form, "token", "a&b=c");
    append(&mut form, "x", "~");
    assert_eq!(form, "token=a%26b%3Dc&x=%7E");
}

#[test]
fn only_what_can_be_an_answer_is_read() {
    let answer = |status: u16, media: &str, body: &'static str| {
        let response = Response::builder()
            .status(status)
            .header(CONTENT_TYPE, media);
        read(&response.body(Bytes::from_static(body.as_bytes())).unwrap())
    };
    let good = answer(200, "application/JSON; charset=utf-8", r#"{"active":true}"#);
    assert_eq!(good.unwrap()["active"], true);
    let cases = [
        (201, "application/json", "{}", Failure::Status),
        (302, "application/json", "{}", Failure::Status),
        (401, "application/json", "{}", Failure::Refused),
        (500, "application/json", "{}", Failure::Status),
        (200, "text/html", "{}", Failure::Nonsense),
        (200, "application/json", "", Failure::Nonsense),
        (200, "application/json", "[]", Failure::Nonsense),
        (200, "application/json", "{} {}", Failure::Nonsense),
        (
            200,
            "application/json",
            r#"{"active":false,"active":true}"#,
            Failure::Nonsense,
        ),
    ];
    for (status, media, body, expected) in cases {
        let found = answer(status, media, body);
        assert_eq!(found, Err(expected), "{status} {media} {body}");
    }
}

use bytes::Bytes;
use gatewright_engine::{Code, Rejection};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use super::{Form, Translation, answer, status};
use crate::body::{Body, BodyError};

fn of(content_type: &str) -> HeaderMap {
    let value = HeaderValue::from_str(content_type).unwrap();
    HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
}

fn stream(frames: Vec<Frame<Bytes>>) -> Body {
    let frames = frames.into_iter().map(Ok::<_, BodyError>);
    Body::Stream(Box::pin(StreamBody::new(futures_util::stream::iter(
        frames,
    ))))
}

async fn text(body: Body) -> Vec<u8> {
    body.collect().await.unwrap().to_bytes().to_vec()
}

#[test]
fn calls_are_told_by_their_content_type() {
    for (content_type, form) in [
        ("application/grpc", Some(Form::Native)),
        ("application/grpc+proto", Some(Form::Native)),
        ("Application/GRPC; x=y", Some(Form::Native)),
        ("application/grpc-web", Some(Form::Web)),
        ("application/grpc-web+json", Some(Form::Web)),
        ("application/grpc-web-text+proto", Some(Form::WebText)),
        ("application/grpcx", None),
        ("application/grpc-webx", None),
        ("application/json", None),
        ("", None),
    ] {
        assert_eq!(Form::of(&of(content_type)), form, "{content_type}");
    }
}

#[test]
fn statuses_of_http_stand_for_those_that_the_grpc_project_says() {
    for (http, grpc) in [
        (400, 13),
        (401, 16),
        (403, 7),
        (404, 12),
        (429, 14),
        (502, 14),
        (503, 14),
        (504, 14),
        (413, 2),
        (500, 2),
    ] {
        let http = StatusCode::from_u16(http).unwrap();
        assert_eq!(status::of_http(http), grpc, "{http}");
    }
}

#[tokio::test]
async fn an_answer_of_the_gateway_has_all_in_its_head_and_its_message_is_encoded() {
    let rejection = Rejection::new(Code::RateLimited, "50 % over, für heute")
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("7"));
    let response = answer(Form::Native, &rejection);
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/grpc");
    assert_eq!(headers["grpc-status"], "14");
    let message = "rate_limited: 50 %25 over, f%C3%BCr heute";
    assert_eq!(headers["grpc-message"], message);
    assert_eq!(headers["retry-after"], "7");
    assert!(text(response.into_body()).await.is_empty());
}

#[tokio::test]
async fn a_browser_finds_it_in_the_body() {
    let rejection = Rejection::new(Code::Unauthorized, "no credential");
    let response = answer(Form::Web, &rejection);
    assert_eq!(response.headers()["content-type"], "application/grpc-web");
    let body = text(response.into_body()).await;
    let expected = b"grpc-status: 16\r\ngrpc-message: unauthorized: no credential\r\n";
    let length = u8::try_from(expected.len()).unwrap();
    assert_eq!(body[..5], [0x80, 0, 0, 0, length]);
    assert_eq!(body[5..], *expected);
}

#[tokio::test]
async fn text_is_decoded_however_it_is_cut_and_padded() {
    // Two pieces, each with padding of its own.
    let text_form = b"AAAAAAJoaQ==AAAAAAEh";
    for size in 1..=text_form.len() {
        let pieces = text_form.chunks(size);
        let mut body = stream(
            pieces
                .map(|it| Frame::data(Bytes::copy_from_slice(it)))
                .collect(),
        );
        let mut headers = of("application/grpc-web-text+proto");
        assert!(Translation::begin(&mut headers, &mut body).is_some());
        assert_eq!(headers["content-type"], "application/grpc+proto");
        assert_eq!(headers["te"], "trailers");
        assert_eq!(text(body).await, b"\0\0\0\0\x02hi\0\0\0\0\x01!", "{size}");
    }
}

#[tokio::test]
async fn what_is_no_base64_breaks_the_request() {
    for broken in ["AAA", "AA==A", "AA=A", "!!!!", "AAAA====", "="] {
        let mut body = Body::Full(Bytes::from_static(broken.as_bytes()));
        let mut headers = of("application/grpc-web-text");
        Translation::begin(&mut headers, &mut body).unwrap();
        assert!(body.collect().await.is_err(), "{broken}");
    }
}

#[tokio::test]
async fn an_answer_ends_with_its_trailers() {
    for (content_type, form) in [
        ("application/grpc-web+proto", Form::Web),
        ("application/grpc-web-text+proto", Form::WebText),
    ] {
        let translation = Translation::begin(&mut of(content_type), &mut Body::Empty).unwrap();
        let trailers = HeaderMap::from_iter([(status::STATUS, HeaderValue::from(0))]);
        let frames = vec![
            Frame::data(Bytes::from_static(b"\0\0\0\0\x01!")),
            Frame::trailers(trailers),
        ];
        let mut response = Response::new(stream(frames));
        *response.headers_mut() = of("application/grpc+proto");
        let response = translation.finish(response);
        assert_eq!(response.headers()["content-type"], content_type);
        let body = text(response.into_body()).await;
        let expected: &[u8] = match form {
            Form::WebText => b"AAAAAAEhgAAAABBncnBjLXN0YXR1czogMA0K",
            _ => b"\0\0\0\0\x01!\x80\0\0\0\x10grpc-status: 0\r\n",
        };
        assert_eq!(body, expected, "{content_type}");
    }
}

#[test]
fn what_is_no_answer_of_grpc_passes_as_it_is() {
    let translation =
        Translation::begin(&mut of("application/grpc-web"), &mut Body::Empty).unwrap();
    let mut response = Response::new(Body::Full("no".into()));
    *response.headers_mut() = of("text/html");
    let response = translation.finish(response);
    assert_eq!(response.headers()["content-type"], "text/html");
    assert!(matches!(response.body(), Body::Full(_)));
}

//! Asks with `grpc.health.v1.Health/Check`: one message each way, written here, because a gRPC client would bring
//! connections of its own.

use bytes::{BufMut as _, Bytes, BytesMut};
use gatewright_engine::health::check::Check;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use prost::Message as _;
use tokio::time::Instant;

use super::{super::checks::Answer, Prober};
use crate::{
    body::Body, connect::Origin, exchange::Interim, http1::client::Outgoing, upstream::Address,
};

const PATH: &str = "/grpc.health.v1.Health/Check";
/// Largest answer; one takes a few bytes.
const MAX_ANSWER_BYTES: usize = 4096;
/// `SERVING` of the answer's status.
const SERVING: i32 = 1;
/// Bytes before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Reply {
    #[prost(int32, tag = "1")]
    status: i32,
}

pub(super) async fn ask(
    prober: &Prober,
    (service, host): (&str, Option<&HeaderValue>),
    (origin, address, check): (&Origin, &Address, &Check),
) -> Answer {
    let host = host.cloned();
    let host = host.unwrap_or_else(|| address.authority(origin.is_secure()));
    let received = prober.send(origin, || Outgoing {
        request: request(service, host.clone()),
        upgrade: None,
        interim: Interim::none(),
        connect_timeout: check.timeout,
        idle_timeout: None,
        given_up_after: None,
        began: Instant::now(),
    });
    match received.await {
        Ok(received) if received.response.status() != StatusCode::OK => {
            let status = received.response.status().as_u16();
            Answer::unfit(format!("status {status}"))
        }
        Ok(received) => {
            let (head, body) = received.response.into_parts();
            match read(head.headers, body).await {
                Ok((message, trailers)) => judge(&message, &trailers),
                Err(reason) => Answer::failure(reason),
            }
        }
        Err(reason) => Answer::failure(reason),
    }
}

fn request(service: &str, host: HeaderValue) -> Request<Body> {
    let question = Question {
        service: service.to_owned(),
    };
    let message = question.encode_to_vec();
    let mut body = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(&message);
    let mut request = Request::new(Body::Full(body.freeze()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(PATH);
    let headers = request.headers_mut();
    let grpc = HeaderValue::from_static("application/grpc");
    headers.insert(header::CONTENT_TYPE, grpc);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static("gatewright-health-check"),
    );
    headers.insert(header::HOST, host);
    request
}

/// The message, and where the gRPC status is: in the trailers, or in the head where it is all there is.
async fn read(head: HeaderMap, mut body: Body) -> Result<(Bytes, HeaderMap), String> {
    let (mut message, mut trailers) = (BytesMut::new(), head);
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| error.to_string())?.into_data() {
            Ok(data) if message.len() + data.len() > MAX_ANSWER_BYTES => {
                return Err("the answer is too large".to_owned());
            }
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((message.freeze(), trailers))
}

fn judge(message: &[u8], trailers: &HeaderMap) -> Answer {
    let status = trailers.get("grpc-status").and_then(|it| it.to_str().ok());
    match status.map(str::parse::<u32>) {
        Some(Ok(0)) => {}
        Some(Ok(status)) => return Answer::unfit(format!("gRPC status {status}")),
        _ => return Answer::unfit("no gRPC status"),
    }
    let reply = message.get(PREFIX_BYTES..).unwrap_or_default();
    match Reply::decode(reply) {
        Ok(reply) if reply.status == SERVING => Answer::PASS,
        Ok(reply) => Answer::unfit(match reply.status {
            2 => "NOT_SERVING",
            3 => "SERVICE_UNKNOWN",
            _ => "an unknown status",
        }),
        Err(_) => Answer::unfit("the answer is not one of a health service"),
    }
}

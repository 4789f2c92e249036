//! Asks with an HTTP request.

use bytes::BytesMut;
use gatewright_engine::health::check::{BodyMatch, Check, HttpProbe};
use http::{HeaderValue, Request, Uri, header};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::{super::checks::Answer, Prober};
use crate::{
    body::Body, connect::Origin, exchange::Interim, http1::client::Outgoing, upstream::Address,
};

/// How much of a body that does not matter is read, so that its connection can be used again.
const DRAIN_BYTES: usize = 64 * 1024;
/// Who asks.
const AGENT: HeaderValue = HeaderValue::from_static("gatewright-health-check");

pub(super) async fn ask(
    prober: &Prober,
    probe: &HttpProbe,
    (origin, address, check): (&Origin, &Address, &Check),
) -> Answer {
    let received = prober.send(origin, || outgoing(probe, (origin, address, check)));
    let response = match received.await {
        Ok(received) => received.response,
        Err(reason) => return Answer::failure(reason),
    };
    let status = response.status();
    if !probe.expected.contain(status) {
        let _ = read(response.into_body(), DRAIN_BYTES).await;
        let reason = format!("status {}", status.as_u16());
        return match probe.retriable.contain(status) {
            true => Answer::failure(reason),
            false => Answer::unfit(reason),
        };
    }
    let Some(wanted) = &probe.body else {
        let _ = read(response.into_body(), DRAIN_BYTES).await;
        return Answer::PASS;
    };
    judge(wanted, response.into_body()).await
}

fn outgoing(probe: &HttpProbe, (origin, address, check): (&Origin, &Address, &Check)) -> Outgoing {
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = probe.method.clone();
    *request.uri_mut() = Uri::from(probe.path.clone());
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, AGENT);
    headers.extend(probe.headers.clone());
    let host = probe.host.clone();
    let host = host.unwrap_or_else(|| address.authority(origin.is_secure()));
    headers.insert(header::HOST, host);
    Outgoing {
        request,
        upgrade: None,
        interim: Interim::none(),
        connect_timeout: check.timeout,
        idle_timeout: None,
        given_up_after: None,
        began: Instant::now(),
    }
}

async fn judge(wanted: &BodyMatch, body: Body) -> Answer {
    match read(body, wanted.most_bytes).await {
        Err(reason) => Answer::failure(reason),
        Ok(body) if wanted.matches(&body) => Answer::PASS,
        Ok(_) => Answer::unfit("the body does not match"),
    }
}

/// Reads a body, but not more than this of it.
///
/// # Errors
/// It ends before its end, for this reason.
pub(super) async fn read(mut body: Body, most_bytes: usize) -> Result<BytesMut, String> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Ok(data) = frame.into_data() {
            let room = most_bytes - all.len();
            all.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                break;
            }
        }
    }
    Ok(all)
}

//! Writing an answer on a stream.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{Response, StatusCode, header, response::Parts};
use http_body::Body as _;
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        length,
        outflow::{Broken, Outflow},
        stream::Stream,
    },
    Ended,
};
use crate::{
    body::{Body, BodyError},
    exchange::{Answer, InterimQueue, Tunnel},
    proxy::{Limits, REQUEST_ID, strip_response},
    telemetry::Record,
    tunnel::{self, Bounds},
};

/// Sends the 1xx answers that wait.
pub(super) fn pass_on(interim: &InterimQueue, respond: &mut SendResponse<Bytes>) {
    for (status, mut headers) in interim.take() {
        strip_response(&mut headers);
        headers.remove(header::CONTENT_LENGTH);
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        // Where it cannot be sent the stream is over, which the final answer meets as well.
        let _ = respond.send_informational(response);
    }
}

/// Writes an answer on a stream.
pub(super) struct Writer<'a> {
    pub(super) respond: SendResponse<Bytes>,
    pub(super) limits: &'a Limits,
    pub(super) drain: &'a CancellationToken,
}

impl Writer<'_> {
    /// Writes it, to the end. That it is to be the connection's last means nothing here: where one stream
    /// ends is never in doubt, whatever was on it.
    pub(super) async fn write(
        mut self,
        answer: Answer,
        head_only: bool,
        client: Option<RecvStream>,
    ) -> Ended {
        let (mut parts, body) = answer.response.into_parts();
        if let Some(id) = answer.request_id {
            parts.headers.insert(REQUEST_ID, id);
        }
        match (answer.tunnel, client) {
            (Some(upstream), Some(client)) => {
                self.switch(parts, client, upstream, answer.record).await
            }
            (Some(_), None) => {
                // An upstream that switched protocols without being asked.
                self.respond.send_reset(Reason::INTERNAL_ERROR);
                answer.record.failed(0, &BodyError::Closed);
                Ended::Answered
            }
            (None, _) => self.respond(parts, body, head_only, answer.record).await,
        }
    }

    async fn respond(
        &mut self,
        mut parts: Parts,
        body: Body,
        head_only: bool,
        record: Record,
    ) -> Ended {
        let exact = body.size_hint().exact();
        let silent = head_only || is_bodiless(parts.status);
        if !silent {
            length::announce(&mut parts.headers, exact);
        } else if parts.status == StatusCode::NO_CONTENT {
            length::announce(&mut parts.headers, None);
        }
        let ends = silent || (exact == Some(0) && body.is_end_stream());
        let sent = self
            .respond
            .send_response(Response::from_parts(parts, ()), ends);
        let stream = match sent {
            Ok(_) if ends => {
                record.sent(0);
                return Ended::Answered;
            }
            Ok(stream) => stream,
            Err(error) => {
                self.respond.send_reset(Reason::INTERNAL_ERROR);
                record.failed(0, &BodyError::Http2(error));
                return Ended::Answered;
            }
        };
        let mut outflow = Outflow::new(stream, body, exact);
        let patience = Some(self.limits.body_timeout);
        let flowed = poll_fn(|context| outflow.poll(patience, context)).await;
        let (reason, error, ended) = match flowed {
            Ok(()) => {
                record.sent(outflow.sent());
                return Ended::Answered;
            }
            Err(Broken::Body(error)) => (Reason::INTERNAL_ERROR, error, Ended::Answered),
            Err(Broken::Stalled) => (Reason::CANCEL, BodyError::Timeout, Ended::Answered),
            Err(Broken::Peer(error)) => (Reason::CANCEL, error.into(), Ended::Reset),
        };
        outflow.reset(reason);
        record.failed(outflow.sent(), &error);
        ended
    }

    /// Lets bytes flow both ways from now on.
    async fn switch(
        &mut self,
        mut parts: Parts,
        client: RecvStream,
        upstream: Box<dyn Tunnel>,
        record: Record,
    ) -> Ended {
        parts.status = StatusCode::OK;
        strip_response(&mut parts.headers);
        length::announce(&mut parts.headers, None);
        let head = Response::from_parts(parts, ());
        match self.respond.send_response(head, false) {
            Ok(sender) => {
                let client = Stream::new(sender, client, ());
                let bounds = Bounds {
                    idle: self.limits.idle_timeout,
                    grace: self.limits.tunnel_grace,
                    drain: self.drain,
                };
                let bytes = tunnel::run(client, upstream, bounds).await;
                record.sent(bytes);
            }
            Err(error) => record.failed(0, &error.into()),
        }
        Ended::Answered
    }
}

/// Whether answers with this status have no body, whatever they say.
fn is_bodiless(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

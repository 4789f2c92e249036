//! A handshake that means the same on both sides of the gateway, whatever versions of HTTP they speak
//! (RFC 6455, RFC 8441): `Upgrade` with a key and its proof in HTTP/1.1, extended CONNECT in HTTP/2.
//!
//! Within the gateway a request to switch protocols is a GET with the protocol beside it. Between two
//! sides that speak the same version any protocol passes; between different ones WebSocket does.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use gatewright_engine::{Code, Rejection};
use gatewright_proto::v1::Protocol as Spoken;
use http::{HeaderMap, HeaderValue, StatusCode, header, response::Parts};

use crate::exchange::Protocol;

const WEBSOCKET: &str = "websocket";
/// What a server appends to the key to prove that it knows the protocol (RFC 6455, 1.3).
const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// How the handshake of one exchange is carried over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// The client does not want to switch.
    None,
    /// Both sides speak HTTP/1.1: as it is.
    Http1,
    /// Both sides speak HTTP/2: as it is.
    Http2,
    /// The client speaks HTTP/2, and the upstream must prove this.
    ToHttp1(HeaderValue),
    /// The client speaks HTTP/1.1, and is given this proof.
    ToHttp2(HeaderValue),
}

impl Handshake {
    /// Makes the request what the upstream understands.
    ///
    /// # Errors
    /// The protocol cannot be carried over, or the client's key is not one.
    pub(crate) fn begin(
        upgrade: Option<&str>,
        client: Protocol,
        upstream: Spoken,
        headers: &mut HeaderMap,
    ) -> Result<Self, Rejection> {
        let Some(protocol) = upgrade else {
            return Ok(Self::None);
        };
        match (client, upstream) {
            (Protocol::Http1, Spoken::Http1) => Ok(Self::Http1),
            (Protocol::Http2, Spoken::Http2) => Ok(Self::Http2),
            _ if protocol != WEBSOCKET => {
                let detail = "only `websocket` is possible between HTTP/1.1 and HTTP/2";
                Err(Rejection::new(Code::NotImplemented, detail))
            }
            (Protocol::Http2, Spoken::Http1) => {
                let key = BASE64.encode(rand::random::<[u8; KEY_BYTES]>());
                let proof = proof(key.as_bytes());
                headers.insert(header::SEC_WEBSOCKET_KEY, value(key));
                Ok(Self::ToHttp1(proof))
            }
            (Protocol::Http1, Spoken::Http2) => {
                let key = headers.remove(header::SEC_WEBSOCKET_KEY);
                let key = key.filter(|key| is_key(key.as_bytes()));
                let wrong = || Rejection::new(Code::BadRequest, "`Sec-WebSocket-Key` is not valid");
                Ok(Self::ToHttp2(proof(key.ok_or_else(wrong)?.as_bytes())))
            }
        }
    }

    /// Makes the response what the client understands. `switched` tells that there is a tunnel behind it.
    /// `Connection` and `Upgrade` must not have been removed yet.
    ///
    /// # Errors
    /// The upstream switched without being asked, says that it did and did not, or has not proved that it
    /// knows the protocol.
    pub(crate) fn finish(&self, parts: &mut Parts, switched: bool) -> Result<(), Rejection> {
        if !switched {
            return self.refused(parts.status);
        }
        match self {
            Self::None => Err(wrong("the upstream switched protocols without being asked")),
            Self::Http1 | Self::Http2 => Ok(()),
            Self::ToHttp1(proof) => {
                let given = parts.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
                let upgrade = parts.headers.remove(header::UPGRADE);
                let upgrade = upgrade.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
                if given.as_ref() != Some(proof)
                    || !upgrade.eq_ignore_ascii_case(WEBSOCKET.as_bytes())
                {
                    return Err(wrong(
                        "the upstream does not prove that it speaks WebSocket",
                    ));
                }
                parts.headers.remove(header::CONNECTION);
                parts.status = StatusCode::OK;
                Ok(())
            }
            Self::ToHttp2(proof) => {
                let headers = &mut parts.headers;
                headers.insert(header::SEC_WEBSOCKET_ACCEPT, proof.clone());
                headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                parts.status = StatusCode::SWITCHING_PROTOCOLS;
                Ok(())
            }
        }
    }

    /// The upstream answers instead of switching: what would tell the client the contrary is an error.
    pub(crate) fn refused(&self, status: StatusCode) -> Result<(), Rejection> {
        let misleading = match self {
            Self::Http2 | Self::ToHttp1(_) => status.is_success(),
            Self::None | Self::Http1 | Self::ToHttp2(_) => false,
        };
        if misleading || status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(wrong("the upstream did not switch protocols"));
        }
        Ok(())
    }
}

fn wrong(detail: &'static str) -> Rejection {
    Rejection::new(Code::BadGateway, detail)
}

/// RFC 6455, 4.2.1: sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    BASE64.decode(key).is_ok_and(|key| key.len() == KEY_BYTES)
}

/// RFC 6455, 4.2.2.
fn proof(key: &[u8]) -> HeaderValue {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(SUFFIX);
    value(BASE64.encode(hash.finish()))
}

fn value(base64: String) -> HeaderValue {
    HeaderValue::try_from(base64).expect("base64 is visible ASCII")
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const PROOF: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn keyed(key: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static(key));
        headers
    }

    fn parts(status: u16) -> Parts {
        let mut parts = Response::new(()).into_parts().0;
        parts.status = StatusCode::from_u16(status).unwrap();
        parts
    }

    fn begin(client: Protocol, upstream: Spoken, headers: &mut HeaderMap) -> Handshake {
        Handshake::begin(Some("websocket"), client, upstream, headers).unwrap()
    }

    #[test]
    fn a_client_of_http1_gets_the_proof_that_an_upstream_of_http2_does_not_give() {
        let mut headers = keyed(KEY);
        let handshake = begin(Protocol::Http1, Spoken::Http2, &mut headers);
        assert!(headers.is_empty());
        let mut parts = parts(200);
        handshake.finish(&mut parts, true).unwrap();
        assert_eq!(parts.status, 101);
        assert_eq!(parts.headers[header::SEC_WEBSOCKET_ACCEPT], PROOF);
        assert_eq!(parts.headers[header::UPGRADE], "websocket");
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        for key in ["", "short", "dGhlIHNhbXBsZSBub25jZQ"] {
            let mut headers = keyed(key);
            let begun = Handshake::begin(
                Some("websocket"),
                Protocol::Http1,
                Spoken::Http2,
                &mut headers,
            );
            assert_eq!(begun.unwrap_err().code, Code::BadRequest, "{key}");
        }
    }

    #[test]
    fn an_upstream_of_http1_must_prove_that_it_speaks_websocket() {
        let mut headers = HeaderMap::new();
        let handshake = begin(Protocol::Http2, Spoken::Http1, &mut headers);
        let key = &headers[header::SEC_WEBSOCKET_KEY];
        assert!(is_key(key.as_bytes()));
        let mut parts = parts(101);
        assert!(handshake.finish(&mut parts, true).is_err());
        let given = proof(key.as_bytes());
        parts.headers.insert(header::SEC_WEBSOCKET_ACCEPT, given);
        let upgrade = HeaderValue::from_static("WebSocket");
        parts.headers.insert(header::UPGRADE, upgrade);
        handshake.finish(&mut parts, true).unwrap();
        assert_eq!(parts.status, 200);
        assert!(parts.headers.is_empty(), "{:?}", parts.headers);
    }

    #[test]
    fn an_answer_that_would_pass_for_a_switch_is_an_error() {
        let mut headers = HeaderMap::new();
        let handshake = begin(Protocol::Http2, Spoken::Http1, &mut headers);
        assert!(handshake.finish(&mut parts(200), false).is_err());
        assert!(handshake.finish(&mut parts(403), false).is_ok());
        assert!(Handshake::None.finish(&mut parts(101), true).is_err());
        assert!(Handshake::None.finish(&mut parts(200), false).is_ok());
        assert!(Handshake::Http1.finish(&mut parts(200), false).is_ok());
    }

    #[test]
    fn other_protocols_pass_only_between_equal_versions() {
        let begin = |client, upstream| {
            Handshake::begin(Some("h2c"), client, upstream, &mut HeaderMap::new())
        };
        assert_eq!(
            begin(Protocol::Http1, Spoken::Http1).unwrap(),
            Handshake::Http1
        );
        let refused = begin(Protocol::Http1, Spoken::Http2).unwrap_err();
        assert_eq!(refused.code, Code::NotImplemented);
    }
}

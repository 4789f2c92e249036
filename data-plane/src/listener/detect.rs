//! Which version of HTTP a client speaks in plain text.

use std::time::Duration;

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{exchange::Protocol, proxy::Limits};

/// What a client that speaks HTTP/2 with prior knowledge begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Room for the first read: most requests are whole in it.
const FIRST_READ_BYTES: usize = 4096;
/// Time for the first bytes of a connection that was made just before draining began.
const DRAIN_GRACE: Duration = Duration::from_millis(100);

/// Reads as much as it takes to tell. None where the client goes, or says nothing in time.
pub(super) async fn detect(
    io: &mut (impl AsyncRead + Unpin),
    limits: &Limits,
    drain: &CancellationToken,
) -> Option<(Protocol, BytesMut)> {
    let mut read = BytesMut::with_capacity(FIRST_READ_BYTES);
    let first = tokio::select! {
        biased;
        first = timeout(limits.idle_timeout, io.read_buf(&mut read)) => first,
        () = late(drain) => return None,
    };
    first.ok()?.ok().filter(|bytes| *bytes > 0)?;
    let rest = async {
        while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
            if io.read_buf(&mut read).await? == 0 {
                // Part of a preface, and no more: HTTP/1.1 says what is wrong with it.
                break;
            }
        }
        std::io::Result::Ok(())
    };
    timeout(limits.head_timeout, rest).await.ok()?.ok()?;
    let protocol = if read.starts_with(PREFACE) {
        Protocol::Http2
    } else {
        Protocol::Http1
    };
    Some((protocol, read))
}

/// Draining has begun, and whoever was about to say something has had the time.
pub(super) async fn late(drain: &CancellationToken) {
    drain.cancelled().await;
    tokio::time::sleep(DRAIN_GRACE).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;
    use crate::proxy::HalfClose;

    const LIMITS: Limits = Limits {
        head_bytes: 4096,
        header_count: 20,
        head_timeout: Duration::from_millis(50),
        body_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(10),
        body_bytes: 0,
        concurrent_streams: 1,
        half_close: HalfClose::Abort,
        tunnel_grace: Duration::from_secs(10),
    };

    async fn detected(parts: &[&[u8]]) -> Option<(Protocol, Vec<u8>)> {
        let (mut client, mut server) = duplex(1);
        let sent = async {
            for part in parts {
                let _ = client.write_all(part).await;
            }
            client
        };
        let drain = CancellationToken::new();
        let (_client, found) = tokio::join!(sent, detect(&mut server, &LIMITS, &drain));
        found.map(|(protocol, read)| (protocol, read.to_vec()))
    }

    #[tokio::test]
    async fn the_preface_means_http2_however_it_is_cut() {
        let (protocol, read) = detected(&[PREFACE]).await.unwrap();
        assert_eq!((protocol, &read[..]), (Protocol::Http2, PREFACE));
    }

    #[tokio::test]
    async fn anything_else_is_left_to_http1_as_soon_as_it_differs() {
        let (protocol, read) = detected(&[b"PRX"]).await.unwrap();
        assert_eq!((protocol, &read[..]), (Protocol::Http1, &b"PRX"[..]));
    }

    #[tokio::test]
    async fn a_client_that_stops_within_the_preface_is_given_up() {
        assert!(detected(&[b"PRI * HT"]).await.is_none());
    }

    #[tokio::test]
    async fn a_silent_client_does_not_hold_up_a_drain() {
        let (_client, mut server) = duplex(1);
        let drain = CancellationToken::new();
        drain.cancel();
        assert!(detect(&mut server, &LIMITS, &drain).await.is_none());
    }
}

use super::peer::{Peer, echo, limits};

/// What the codec refuses by itself, beside the requests that the node's own tests send.
const REFUSED: &[(&str, &[u8])] = &[
    ("400", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n"),
    ("400", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x0bb\r\n\r\n"),
    ("400", b"GET / HTTP/1.1\r\nHost: a\r\n\tX: a\r\n\r\n"),
    ("400", b"GET / HTTP/1.1\r\nX: a\r\n\tHost: a\r\n\r\n"),
    ("400", b"GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n"),
    ("400", b"GET / HTTP/1.1\r\nHost: a\r\n\xc3\xa9: a\r\n\r\n"),
    ("400", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    ("400", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    ("400", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
    ("400", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    ("400", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    ("400", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET ?q HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    ("400", b"POST * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("501", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("505", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
    ("505", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1,2\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1.0\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa1\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked, chunked\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ("501", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("400", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
    ("400", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: x\r\n\r\n"),
    ("400", b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("400", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a TLS greeting"),
];

async fn refused(expected: &str, request: &[u8], pieces: usize) {
    let mut peer = Peer::of(limits(), echo);
    for piece in request.chunks(pieces) {
        // The server may have refused already what came before.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.io, piece).await;
        tokio::task::yield_now().await;
    }
    tokio::io::AsyncWriteExt::shutdown(&mut peer.io)
        .await
        .unwrap();
    let answer = peer.rest().await;
    let shown = String::from_utf8_lossy(request);
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {expected} ")),
        "{shown:?} in pieces of {pieces}: {answer}"
    );
    assert!(answer.contains("\r\nconnection: close\r\n"), "{shown:?}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shown:?}");
    peer.gone().await;
}

#[tokio::test]
async fn what_is_ambiguous_is_refused_however_it_arrives() {
    for (expected, request) in REFUSED {
        refused(expected, request, request.len()).await;
        refused(expected, request, 1).await;
    }
}

#[tokio::test]
async fn a_request_behind_a_refused_one_is_never_read() {
    let requests =
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
                     GET /behind HTTP/1.1\r\nHost: a\r\n\r\n";
    refused("400", requests, requests.len()).await;
}

//! Upstreams under test: a scripted one, and one that echoes the request's head.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

/// Answers each connection with what the script makes of it.
pub(crate) fn scripted(script: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    serve(listener, script);
    address
}

/// Answers each connection that comes there.
pub(crate) fn serve(
    listener: TcpListener,
    script: impl Fn(TcpStream) + Send + Sync + Clone + 'static,
) {
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let script = script.clone();
            thread::spawn(move || script(socket));
        }
    });
}

/// Echoes each request, head and body, as a text. Keeps connections.
pub(crate) fn echo() -> SocketAddr {
    scripted(|mut socket| {
        while let Some(request) = read_request(&mut socket) {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                request.len()
            );
            let silent = request.starts_with(b"HEAD");
            let body: &[u8] = if silent { b"" } else { &request };
            if socket.write_all(&[head.as_bytes(), body].concat()).is_err() {
                return;
            }
        }
    })
}

/// Answers each request with this status and name. Keeps connections.
pub(crate) fn named(status: u16, name: &'static str) -> SocketAddr {
    scripted(move |mut socket| {
        let length = name.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{name}");
        while read_request(&mut socket).is_some() {
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// Reads a request: the head, and a body by its length or in chunks.
pub(crate) fn read_request(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut byte = [0];
    let complete = |request: &[u8]| -> bool {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        if head.contains("transfer-encoding: chunked") {
            return body.ends_with("0\r\n\r\n")
                || body.contains("\r\n0\r\n") && body.ends_with("\r\n\r\n");
        }
        let length = head.split("content-length: ").nth(1);
        let length = length.and_then(|it| it.split("\r\n").next()?.parse::<usize>().ok());
        body.len() >= length.unwrap_or(0)
    };
    while !complete(&request) {
        if socket.read(&mut byte).ok()? == 0 {
            return None;
        }
        request.push(byte[0]);
    }
    Some(request)
}

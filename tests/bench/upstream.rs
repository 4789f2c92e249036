//! A single-threaded origin that costs as little CPU as it can: any request gets 1 KiB of JSON.

use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use crate::http::message_len;

const LISTENER: Token = Token(0);
/// What a connection may have in flight before the origin gives up on it.
const MAX_BUFFER_BYTES: usize = 1 << 20;

struct Connection {
    socket: TcpStream,
    input: Vec<u8>,
}

/// Serves until the process is ended.
pub(crate) fn run(address: SocketAddr) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    let mut listener = TcpListener::bind(address)?;
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections = HashMap::new();
    let mut next = 1;
    let answer = response();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    socket.set_nodelay(true)?;
                    registry.register(&mut socket, Token(next), Interest::READABLE)?;
                    let input = Vec::new();
                    connections.insert(Token(next), Connection { socket, input });
                    next += 1;
                }
            } else if let Some(connection) = connections.get_mut(&event.token())
                && !serve(connection, &mut buffer, &answer)
            {
                connections.remove(&event.token());
            }
        }
    }
}

/// Answers what has arrived; false when the connection is over.
fn serve(connection: &mut Connection, buffer: &mut [u8], answer: &[u8]) -> bool {
    loop {
        match connection.socket.read(buffer) {
            Ok(0) => return false,
            Ok(read) => {
                connection.input.extend_from_slice(&buffer[..read]);
                let mut requests = 0;
                while let Some(len) = message_len(&connection.input) {
                    connection.input.drain(..len);
                    requests += 1;
                }
                for _ in 0..requests {
                    if connection.socket.write_all(answer).is_err() {
                        return false;
                    }
                }
                if connection.input.len() > MAX_BUFFER_BYTES {
                    return false;
                }
                if read < buffer.len() {
                    return true;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
    }
}

/// What every request is answered with.
pub(crate) fn response() -> Vec<u8> {
    let mut body = b"{\"items\":[".to_vec();
    while body.len() < 1024 {
        body.extend_from_slice(b"{\"id\":12345,\"name\":\"item\"},");
    }
    body.truncate(1024);
    let mut message =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\
        Server: upstream\r\nCache-Control: public, max-age=86400\r\n\
        X-Request-Id: 7f1c9a52-1d7e-4a5e-9a53-0a0a3c0f5b11\r\n\
        Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
            .to_vec();
    message.extend_from_slice(&body);
    message
}

//! A single-threaded load generator: keep-alive connections, each with one request in flight, for a
//! given time.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::http::{is_success, message_len};

/// What is asked, how often.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// The gateway.
    pub(crate) address: SocketAddr,
    /// Connections, each with one request in flight.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) duration: Duration,
    /// Requests to send, in turn.
    pub(crate) requests: Vec<Vec<u8>>,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Answers with a 2xx status.
    pub(crate) good: u64,
    /// Other answers.
    pub(crate) bad: u64,
    /// Connections that the gateway closed.
    pub(crate) closed: u64,
}

struct Connection {
    socket: TcpStream,
    input: Vec<u8>,
    started: bool,
}

impl Load {
    /// Runs it.
    pub(crate) fn run(&self) -> io::Result<Outcome> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(256);
        let mut connections = Vec::with_capacity(self.connections);
        for number in 0..self.connections {
            let mut socket = TcpStream::connect(self.address)?;
            poll.registry().register(
                &mut socket,
                Token(number),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            connections.push(Some(Connection {
                socket,
                input: Vec::new(),
                started: false,
            }));
        }
        let mut outcome = Outcome::default();
        let mut turn = 0;
        let mut buffer = vec![0; 64 * 1024];
        let end = Instant::now() + self.duration;
        while Instant::now() < end && connections.iter().any(Option::is_some) {
            poll.poll(&mut events, Some(Duration::from_millis(50)))?;
            for event in &events {
                let place = &mut connections[event.token().0];
                let Some(connection) = place else { continue };
                if self
                    .step(connection, &mut turn, &mut buffer, &mut outcome)
                    .is_err()
                {
                    outcome.closed += 1;
                    *place = None;
                }
            }
        }
        Ok(outcome)
    }

    /// Takes what has arrived and sends the next request.
    fn step(
        &self,
        connection: &mut Connection,
        turn: &mut usize,
        buffer: &mut [u8],
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        if !connection.started {
            connection.socket.set_nodelay(true)?;
            connection.started = true;
            return self.send(connection, turn);
        }
        loop {
            let read = match connection.socket.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            connection.input.extend_from_slice(&buffer[..read]);
            if let Some(len) = message_len(&connection.input) {
                if is_success(&connection.input) {
                    outcome.good += 1;
                } else {
                    outcome.bad += 1;
                }
                connection.input.drain(..len);
                self.send(connection, turn)?;
            }
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    fn send(&self, connection: &mut Connection, turn: &mut usize) -> io::Result<()> {
        *turn = (*turn + 1) % self.requests.len();
        connection.socket.write_all(&self.requests[*turn])
    }
}

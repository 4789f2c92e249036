//! A proxy in front of a target that makes it fail, as targets fail: for tests of what the gateway makes
//! of it. It speaks HTTP/1.1, one request after the other on a connection.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::net::TcpSocket;

use crate::upstream::read_request;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Nobody listens.
    Refuse,
    /// The connection is reset at once, before a request is read.
    ResetAtOnce,
    /// The request is read, and the connection reset in the middle of the answer's head.
    ResetMidHead,
    /// The connection is reset in the middle of the answer's body.
    ResetMidBody,
    /// The answer comes this much later.
    Slow(Duration),
    /// The request is read, and no answer comes.
    Hang,
    /// This status instead of the target's answer.
    Status(u16),
    /// Every other answer is 503, the first one included.
    HalfStatus,
    /// What comes is not HTTP.
    Garbage,
    /// Each connection is closed, without an answer, when its second request has come.
    OneEach,
}

/// The proxy. Dropped, it refuses connections.
pub(crate) struct FaultProxy {
    /// Where clients connect to.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// The port while nobody listens on it: bound, so that no other test can be given it.
    held: Mutex<Option<TcpSocket>>,
}

struct Shared {
    target: SocketAddr,
    fault: Mutex<Fault>,
    connections: AtomicU64,
    requests: AtomicU64,
    /// Connections, for when nobody listens any more: who has stopped has closed them.
    open: Mutex<Vec<Weak<TcpStream>>>,
}

impl FaultProxy {
    /// In front of this target, which it does not make fail yet.
    pub(crate) fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target,
            fault: Mutex::new(Fault::None),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            open: Mutex::default(),
        });
        accept(listener, &shared);
        Self {
            address,
            shared,
            held: Mutex::default(),
        }
    }

    /// Likewise, with a fault from the beginning.
    pub(crate) fn with(target: SocketAddr, fault: Fault) -> Self {
        let proxy = Self::before(target);
        proxy.set(fault);
        proxy
    }

    /// From the next request on, or the next connection, it fails like this.
    pub(crate) fn set(&self, fault: Fault) {
        let before = {
            let mut present = self.shared.fault.lock().unwrap();
            std::mem::replace(&mut *present, fault)
        };
        match (before, fault) {
            (Fault::Refuse, Fault::Refuse) => {}
            (Fault::Refuse, _) => {
                self.held.lock().unwrap().take();
                let listener = TcpListener::bind(self.address).unwrap();
                accept(listener, &self.shared);
            }
            (_, Fault::Refuse) => {
                // Wakes the accepting thread, which closes the listener: when nobody answers any more, it has.
                while TcpStream::connect(self.address).is_ok() {
                    thread::yield_now();
                }
                for socket in self.shared.open().drain(..).filter_map(|it| it.upgrade()) {
                    let _ = socket.shutdown(Shutdown::Both);
                }
                let socket = TcpSocket::new_v4().unwrap();
                // Connections of before may not be forgotten yet.
                socket.set_reuseaddr(true).unwrap();
                socket.bind(self.address).unwrap();
                *self.held.lock().unwrap() = Some(socket);
            }
            _ => {}
        }
    }

    /// Connections that were accepted.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Requests that were read.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.set(Fault::Refuse);
    }
}

fn accept(listener: TcpListener, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            match shared.fault() {
                Fault::Refuse => return,
                Fault::ResetAtOnce => reset(&socket),
                _ => {
                    shared.connections.fetch_add(1, Ordering::Relaxed);
                    let socket = Arc::new(socket);
                    let mut open = shared.open();
                    open.retain(|it| it.strong_count() > 0);
                    open.push(Arc::downgrade(&socket));
                    drop(open);
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        let mut served = 0;
                        while serve(&socket, &shared, served).is_ok() {
                            served += 1;
                        }
                    });
                }
            }
        }
    });
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    fn open(&self) -> MutexGuard<'_, Vec<Weak<TcpStream>>> {
        self.open.lock().unwrap()
    }
}

/// One request and what comes of it, after so many others. An error ends the connection.
fn serve(mut socket: &TcpStream, shared: &Shared, served: u64) -> io::Result<()> {
    let over = || io::Error::from(io::ErrorKind::ConnectionAborted);
    let request = read_request(&mut socket.try_clone()?).ok_or_else(over)?;
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    match shared.fault() {
        Fault::Refuse | Fault::ResetAtOnce => {
            reset(socket);
            return Err(over());
        }
        Fault::ResetMidHead => {
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-")?;
            reset(socket);
            return Err(over());
        }
        Fault::ResetMidBody => {
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
            reset(socket);
            return Err(over());
        }
        Fault::Garbage => {
            socket.write_all(b"\x16\x03\x01\x02 what is this\r\n\r\n")?;
            return Err(over());
        }
        Fault::Hang => {
            // Until the client gives up.
            while socket.read(&mut [0; 64])? > 0 {}
            return Err(over());
        }
        Fault::Status(status) => return answer(socket, status),
        Fault::HalfStatus if number.is_multiple_of(2) => return answer(socket, 503),
        Fault::Slow(by) => thread::sleep(by),
        Fault::OneEach if served > 0 => return Err(over()),
        Fault::HalfStatus | Fault::OneEach | Fault::None => {}
    }
    let mut target = TcpStream::connect(shared.target)?;
    target.write_all(&request)?;
    pass_on(&mut target, socket)
}

fn answer(mut socket: &TcpStream, status: u16) -> io::Result<()> {
    let body = format!("status {status}");
    let head = format!(
        "HTTP/1.1 {status} Made\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(&[head.as_bytes(), body.as_bytes()].concat())
}

/// One answer, whose length is announced.
fn pass_on(target: &mut TcpStream, mut socket: &TcpStream) -> io::Result<()> {
    let mut answer = Vec::new();
    let mut part = [0; 16 * 1024];
    loop {
        let read = target.read(&mut part)?;
        answer.extend_from_slice(&part[..read]);
        if read == 0 || is_whole(&answer) {
            return socket.write_all(&answer);
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.split("content-length: ").nth(1);
    let length = length.and_then(|it| it.split("\r\n").next()?.parse::<usize>().ok());
    answer.len() >= head.len() + 4 + length.unwrap_or(usize::MAX / 2)
}

/// Closes with RST instead of FIN, once the last handle is gone.
fn reset(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// What a client gets of one request on a connection of its own.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = vec![0; 50];
    socket.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[9..12]).into_owned())
}

#[test]
fn a_proxy_fails_in_each_of_its_ways_and_comes_back() {
    let proxy = FaultProxy::with(crate::upstream::echo(), Fault::HalfStatus);
    let answers = [ask(proxy.address).unwrap(), ask(proxy.address).unwrap()];
    assert_eq!(answers, ["503", "200"]);
    proxy.set(Fault::Status(500));
    assert_eq!(ask(proxy.address).unwrap(), "500");
    for (fault, kind) in [
        (Fault::Refuse, io::ErrorKind::ConnectionRefused),
        (Fault::ResetAtOnce, io::ErrorKind::ConnectionReset),
        (Fault::ResetMidHead, io::ErrorKind::ConnectionReset),
        (Fault::Hang, io::ErrorKind::WouldBlock),
        (Fault::Garbage, io::ErrorKind::UnexpectedEof),
    ] {
        proxy.set(fault);
        assert_eq!(ask(proxy.address).unwrap_err().kind(), kind, "{fault:?}");
    }
    proxy.set(Fault::ResetMidBody);
    assert_eq!(
        ask(proxy.address).unwrap_err().kind(),
        io::ErrorKind::ConnectionReset
    );
    proxy.set(Fault::Slow(Duration::from_millis(1)));
    assert_eq!(ask(proxy.address).unwrap(), "200");
    assert_eq!((proxy.connections(), proxy.requests()), (8, 8));
}

//! A target that is asked.

use std::{
    io::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::upstream::{read_request, scripted};

/// A target that says at `/healthz` what it is told to say, and its name elsewhere.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    says: Arc<Mutex<Vec<String>>>,
    checks: Arc<AtomicU64>,
    pub(crate) connections: Arc<AtomicU64>,
    pub(crate) last: Arc<Mutex<String>>,
}

impl Target {
    /// One that says these in turn, as `200 body`; nothing is no answer.
    pub(crate) fn start(name: &'static str, says: &[&str]) -> Self {
        let mut target = Self {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            says: Arc::default(),
            checks: Arc::default(),
            connections: Arc::default(),
            last: Arc::default(),
        };
        target.say(says);
        let its = target.clone();
        target.address = scripted(move |mut socket| {
            its.connections.fetch_add(1, Ordering::Relaxed);
            while let Some(request) = read_request(&mut socket) {
                let request = String::from_utf8_lossy(&request).into_owned();
                let answer = match request.contains("/healthz") {
                    true => its.check(request),
                    false => format!("200 {name}"),
                };
                let Some((status, body)) = answer.split_once(' ') else {
                    continue;
                };
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status} S\r\nContent-Length: {length}\r\n\r\n{body}");
                if socket.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
        target
    }

    pub(crate) fn say(&self, says: &[&str]) {
        *self.says.lock().unwrap() = says.iter().map(ToString::to_string).collect();
    }

    fn check(&self, request: String) -> String {
        *self.last.lock().unwrap() = request;
        let says = self.says.lock().unwrap();
        let number = self.checks.fetch_add(1, Ordering::Relaxed);
        let place = usize::try_from(number).unwrap() % says.len();
        says[place].clone()
    }

    pub(crate) fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }
}

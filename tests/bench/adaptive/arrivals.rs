//! Requests that arrive at a fixed rate.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench.local\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections that are kept.
const MAX_IDLE: usize = 1024;

/// Where they arrive.
pub(super) struct Arrivals {
    gateway: SocketAddr,
    idle: Arc<Mutex<Vec<TcpStream>>>,
}

/// What became of them.
#[derive(Default)]
pub(super) struct Counted {
    /// How long those took that were answered with 200, in order.
    took: Vec<Duration>,
}

impl Counted {
    pub(super) fn passed(&self) -> usize {
        self.took.len()
    }

    /// In milliseconds; 0 without any.
    pub(super) fn percentile(&self, percent: usize) -> f64 {
        let place = (self.took.len() * percent / 100).min(self.took.len().saturating_sub(1));
        self.took
            .get(place)
            .map_or(0.0, |it| it.as_secs_f64() * 1e3)
    }
}

impl Arrivals {
    pub(super) fn to(gateway: SocketAddr) -> Self {
        Self {
            gateway,
            idle: Arc::default(),
        }
    }

    /// Lets so many arrive in each second, for so long.
    pub(super) async fn send(&self, per_second: u32, time: Duration) -> Counted {
        let mut ticks = interval(Duration::from_secs(1) / per_second);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        let count = (f64::from(per_second) * time.as_secs_f64()) as u32;
        for _ in 0..count {
            ticks.tick().await;
            requests.spawn(ask(self.gateway, Arc::clone(&self.idle)));
        }
        let mut counted = Counted::default();
        while let Some(ended) = requests.join_next().await {
            if let Ok(Some(took)) = ended {
                counted.took.push(took);
            }
        }
        counted.took.sort_unstable();
        counted
    }
}

/// How long the answer took, if it was 200.
async fn ask(gateway: SocketAddr, idle: Arc<Mutex<Vec<TcpStream>>>) -> Option<Duration> {
    let began = Instant::now();
    let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut socket = match kept {
        Some(socket) => socket,
        None => TcpStream::connect(gateway).await.ok()?,
    };
    let answer = timeout(PATIENCE, exchange(&mut socket)).await.ok()?.ok()?;
    let took = began.elapsed();
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() < MAX_IDLE && !answer.contains("connection: close") {
        idle.push(socket);
    }
    answer.starts_with("http/1.1 200").then_some(took)
}

/// The head of the answer, in lower case.
async fn exchange(socket: &mut TcpStream) -> std::io::Result<String> {
    socket.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    loop {
        if socket.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.split("content-length: ").nth(1);
        let length = length.and_then(|it| it.split("\r\n").next()?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            return Ok(head.to_owned());
        }
    }
}

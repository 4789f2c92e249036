//! An upstream that takes 50 ms for an answer, and three times as long while more arrives than it is made for.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const LATENCY: Duration = Duration::from_millis(50);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The upstream.
pub(super) struct Knee {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    per_second: AtomicUsize,
    /// When each request of the last second came.
    recent: Mutex<VecDeque<Instant>>,
}

impl Knee {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            per_second: AtomicUsize::new(200),
            recent: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, state })
    }

    /// What it is made for, in requests a second.
    pub(super) fn set(&self, per_second: usize) {
        self.state.per_second.store(per_second, Ordering::Relaxed);
    }
}

impl State {
    /// Takes in a request that comes now.
    fn latency(&self) -> Duration {
        let now = Instant::now();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_back(now);
        while recent
            .front()
            .is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1))
        {
            recent.pop_front();
        }
        match recent.len() > self.per_second.load(Ordering::Relaxed) {
            true => 3 * LATENCY,
            false => LATENCY,
        }
    }
}

async fn serve(mut socket: TcpStream, state: Arc<State>) -> std::io::Result<()> {
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            if socket.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        head.clear();
        tokio::time::sleep(state.latency()).await;
        socket.write_all(ANSWER).await?;
    }
}

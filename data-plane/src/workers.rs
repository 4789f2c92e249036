//! One thread a core, each with a single-threaded runtime, its own listening sockets (the kernel
//! shares connections out, `SO_REUSEPORT`) and its own connections to upstreams: nothing is shared between
//! cores that a request touches, but connections of HTTP/2 to an upstream that limits their number.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{runtime, task::JoinSet, time::timeout};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{
    listener::{self, Shared},
    proxy::Proxy,
};

/// Connections that may wait to be accepted, a socket.
const BACKLOG: i32 = 4096;

/// The threads that serve traffic.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Vec<JoinHandle<()>>,
    /// Where plain HTTP is taken.
    pub(crate) http: SocketAddr,
    /// Where TLS is taken.
    pub(crate) https: SocketAddr,
}

/// How workers are to be.
pub(crate) struct Plan {
    pub(crate) count: usize,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) drain_timeout: Duration,
}

impl Workers {
    /// Starts them. With port 0, all share the port that the first one gets.
    ///
    /// # Errors
    /// An address is taken.
    pub(crate) fn start(
        plan: &Plan,
        shared: &Arc<Shared>,
        drain: &CancellationToken,
        proxy: impl Fn(usize) -> Proxy,
    ) -> io::Result<Self> {
        let (mut http, mut https) = (plan.http, plan.https);
        let mut sockets = Vec::new();
        for _ in 0..plan.count {
            let pair = (bind(http)?, bind(https)?);
            (http, https) = (pair.0.local_addr()?, pair.1.local_addr()?);
            sockets.push(pair);
        }
        let mut threads = Vec::new();
        let working = TaskTracker::new();
        working.close();
        for (number, (plain, tls)) in sockets.into_iter().enumerate() {
            let (proxy, shared) = (Arc::new(proxy(number)), Arc::clone(shared));
            let (drain, patience) = (drain.clone(), plan.drain_timeout);
            let (token, working) = (working.token(), working.clone());
            let run = move || {
                let ends = Ends {
                    drain,
                    patience,
                    token,
                    working,
                };
                work((plain, tls), &proxy, &shared, ends);
            };
            threads.push(
                thread::Builder::new()
                    .name(format!("worker-{number}"))
                    .spawn(run)?,
            );
        }
        Ok(Self {
            threads,
            http,
            https,
        })
    }

    /// Waits for the threads to end, after `drain` was cancelled.
    pub(crate) async fn join(self) {
        let joined = tokio::task::spawn_blocking(move || {
            for thread in self.threads {
                if thread.join().is_err() {
                    tracing::error!("a worker panicked");
                }
            }
        });
        let _ = joined.await;
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    let bound = socket
        .bind(&address.into())
        .and_then(|()| socket.listen(BACKLOG));
    bound.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })?;
    Ok(socket.into())
}

/// When a worker ends.
struct Ends {
    drain: CancellationToken,
    /// Time for connections to end.
    patience: Duration,
    /// Held as long as it has connections.
    token: TaskTrackerToken,
    /// The others: requests of theirs may be on connections that this one has opened.
    working: TaskTracker,
}

fn work(
    (plain, tls): (TcpListener, TcpListener),
    proxy: &Arc<Proxy>,
    shared: &Arc<Shared>,
    ends: Ends,
) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start a worker");
            return;
        }
    };
    runtime.block_on(async move {
        let mut connections = JoinSet::new();
        if let Err(error) =
            listener::accept((plain, tls), proxy, shared, &ends.drain, &mut connections).await
        {
            tracing::error!(%error, "a worker cannot accept");
        }
        let ended = async {
            while let Some(ended) = connections.join_next().await {
                shared.ended(&ended);
            }
        };
        if timeout(ends.patience, ended).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "closed connections that did not end in time"
            );
        }
        drop(connections);
        drop(ends.token);
        ends.working.wait().await;
    });
}

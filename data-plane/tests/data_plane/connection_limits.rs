//! Limits on connections of HTTP/2 to an upstream: requests wait for a stream, or for a connection, and not too many do.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use gatewright_proto::Kind;
use h2::server::SendResponse;
use http::Response;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::gateway::{Gateway, eventually, status};

/// A target that takes so many streams on a connection, and answers when it may.
struct Target {
    address: SocketAddr,
    figures: Arc<Figures>,
    may_answer: watch::Sender<bool>,
}

#[derive(Default)]
struct Figures {
    opened: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
    asked: AtomicUsize,
}

impl Target {
    async fn start(streams: u32, answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Self {
            address: listener.local_addr().unwrap(),
            figures: Arc::default(),
            may_answer: watch::Sender::new(answers),
        };
        let (figures, may_answer) = (Arc::clone(&target.figures), target.may_answer.subscribe());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (figures, may_answer) = (Arc::clone(&figures), may_answer.clone());
                tokio::spawn(async move {
                    figures.opened.fetch_add(1, Ordering::SeqCst);
                    let open = figures.open.fetch_add(1, Ordering::SeqCst) + 1;
                    figures.most.fetch_max(open, Ordering::SeqCst);
                    serve(socket, streams, (&figures, may_answer)).await;
                    figures.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        target
    }

    fn opened(&self) -> usize {
        self.figures.opened.load(Ordering::SeqCst)
    }

    fn open(&self) -> usize {
        self.figures.open.load(Ordering::SeqCst)
    }

    fn asked(&self) -> usize {
        self.figures.asked.load(Ordering::SeqCst)
    }
}

async fn serve(
    socket: TcpStream,
    streams: u32,
    (figures, may_answer): (&Figures, watch::Receiver<bool>),
) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(streams);
    let Ok(mut frames) = builder.handshake(socket).await else {
        return;
    };
    while let Some(Ok((_, respond))) = frames.accept().await {
        figures.asked.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(answer(respond, may_answer.clone()));
    }
}

async fn answer(mut respond: SendResponse<Bytes>, mut may_answer: watch::Receiver<bool>) {
    if may_answer.wait_for(|may| *may).await.is_ok() {
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        let _ = stream.send_data(Bytes::from_static(b"ok"), true);
    }
}

async fn to(targets: &[SocketAddr], limits: Value, flags: &[&str]) -> Gateway {
    let mut gateway = Gateway::start_with(flags).await;
    let service =
        json!({"name": "s", "upstream": "u", "protocol": "http2", "retry": {"attempts": 0}});
    let mut resources = vec![
        (
            Kind::Upstream,
            json!({"name": "u", "limits": limits, "balancer": "round_robin"}),
        ),
        (Kind::Service, service),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ];
    for (number, address) in targets.iter().enumerate() {
        let name = format!("t{number}");
        let target = json!({"name": name, "upstream": "u", "address": address.to_string()});
        resources.push((Kind::Target, target));
    }
    gateway.apply(&resources);
    gateway
}

/// How many there are: a whole number that is written with a fraction.
async fn at_work(gateway: &Gateway, what: &str) -> u64 {
    let line = format!("gatewright_upstream_at_work{{upstream=\"u\",what=\"{what}\"}} ");
    let metrics = gateway.status("/metrics").await;
    let value = metrics.lines().find_map(|it| it.strip_prefix(&line));
    let value = value.map_or("0", |it| it.trim().trim_end_matches(".0"));
    value.parse().unwrap()
}

#[tokio::test]
async fn requests_beyond_the_streams_of_all_connections_wait_and_not_too_many_do() {
    let target = Target::start(1, false).await;
    let limits = json!({"max_connections": 2, "max_pending": 1});
    let gateway = to(&[target.address], limits, &[]).await;
    // One after the other: those that wait while a connection is opened are among those that may wait.
    let asked = async |many: usize| {
        eventually("it is on its way", async || target.asked() == many).await;
        gateway.get("/").await
    };
    let (first, second, third, refused) = tokio::join!(asked(0), asked(1), asked(2), async {
        eventually("two are on their way and one waits", async || {
            target.asked() == 2 && at_work(&gateway, "pending").await == 1
        })
        .await;
        let refused = gateway.get("/").await;
        target.may_answer.send_replace(true);
        refused
    });
    let statuses = [&first, &second, &third].map(|answer| status(answer));
    assert_eq!(statuses, [200; 3]);
    assert_eq!(status(&refused), 503);
    assert!(refused.contains("upstream_overloaded"), "{refused}");
    assert_eq!((target.opened(), target.asked()), (2, 3));
    assert_eq!(at_work(&gateway, "connections").await, 2);
    assert_eq!(at_work(&gateway, "pending").await, 0);
}

#[tokio::test]
async fn the_streams_of_one_connection_are_used_before_there_is_another() {
    let target = Target::start(2, false).await;
    let gateway = to(&[target.address], json!({"max_connections": 3}), &[]).await;
    let (_, ()) = tokio::join!(
        async { tokio::join!(gateway.get("/"), gateway.get("/"), gateway.get("/")) },
        async {
            eventually("all are on their way", async || target.asked() == 3).await;
            assert_eq!(target.opened(), 2);
            target.may_answer.send_replace(true);
        }
    );
}

#[tokio::test]
async fn all_threads_of_a_node_share_the_connections_that_there_may_be() {
    let target = Target::start(100, true).await;
    let flags = ["--workers", "4"];
    let gateway = to(&[target.address], json!({"max_connections": 1}), &flags).await;
    for _ in 0..5 {
        let asked = (0..16).map(|_| gateway.get("/"));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(status(&answer), 200, "{answer}");
        }
    }
    assert_eq!(target.opened(), 1);
    gateway.node.drain().await;
    eventually("it is closed", async || target.open() == 0).await;
}

#[tokio::test]
async fn an_idle_connection_makes_place_for_one_to_another_target() {
    let targets = [Target::start(10, true).await, Target::start(10, true).await];
    let addresses = [targets[0].address, targets[1].address];
    let gateway = to(&addresses, json!({"max_connections": 1}), &[]).await;
    for _ in 0..6 {
        let answer = gateway.get("/").await;
        assert_eq!(status(&answer), 200, "{answer}");
    }
    for target in &targets {
        assert_eq!(target.asked(), 3);
        assert!(target.opened() > 1, "it was closed in between");
    }
    eventually("only one is left", async || {
        targets[0].open() + targets[1].open() == 1
    })
    .await;
    assert_eq!(at_work(&gateway, "connections").await, 1);
}

#[tokio::test]
async fn each_target_has_so_many_connections_whoever_waits_for_another() {
    let targets = [Target::start(1, false).await, Target::start(1, true).await];
    let addresses = [targets[0].address, targets[1].address];
    let limits = json!({"max_connections_per_target": 1});
    let gateway = to(&addresses, limits, &[]).await;
    let held = async {
        tokio::join!(
            gateway.get("/"),
            gateway.get("/"),
            gateway.get("/"),
            gateway.get("/")
        )
    };
    let (answers, ()) = tokio::join!(held, async {
        eventually("those to the other target are answered", async || {
            targets[1].asked() == 2
        })
        .await;
        eventually("one waits for the slow one", async || {
            targets[0].asked() == 1 && at_work(&gateway, "pending").await == 1
        })
        .await;
        targets[0].may_answer.send_replace(true);
    });
    let answers = [&answers.0, &answers.1, &answers.2, &answers.3];
    assert_eq!(answers.map(|answer| status(answer)), [200; 4]);
    assert_eq!(targets.each_ref().map(Target::opened), [1, 1]);
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_or_breaks_gives_its_place_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gateway = to(
        &[address],
        json!({"max_connections": 1, "max_pending": 0}),
        &[],
    )
    .await;
    // Accepted and closed at once, again and again.
    let closing = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    for _ in 0..3 {
        let answer = gateway.get("/").await;
        assert!(matches!(status(&answer), 502 | 503), "{answer}");
        assert!(!answer.contains("upstream_overloaded"), "{answer}");
        eventually("its place is free", async || {
            at_work(&gateway, "connections").await == 0
        })
        .await;
    }
    closing.abort();
}

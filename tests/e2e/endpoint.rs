//! An endpoint that keys are fetched from.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Answers each path as it is told to; nothing it says goes through an HTTP library.
#[derive(Clone)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    answers: Arc<Mutex<Vec<(String, Says)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
pub(crate) enum Says {
    /// This, as it is.
    Raw(String),
    /// A document.
    Json(Value),
    /// Nothing, for as long as it is waited for.
    Nothing,
    /// A body without end.
    Endless,
    /// A document by this `ETag`, and 304 to whoever has it.
    Tagged(Value, &'static str),
}

impl Endpoint {
    /// Starts one on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::default(),
            asked: Arc::default(),
        };
        let serving = endpoint.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        endpoint
    }

    /// Has it say this at a path from now on.
    pub(crate) fn says(&self, path: &str, says: Says) {
        let mut answers = self.answers.lock().unwrap();
        answers.retain(|(known, _)| known != path);
        answers.push((path.to_owned(), says));
    }

    /// Where a path of it is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests, in lower case.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let (mut head, mut part) = (Vec::new(), [0; 4096]);
        while !head.windows(4).any(|it| it == b"\r\n\r\n") {
            match stream.read(&mut part).await {
                Ok(read @ 1..) => head.extend_from_slice(&part[..read]),
                _ => return,
            }
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        self.asked.lock().unwrap().push(head.clone());
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let known = self.answers.lock().unwrap().clone();
        let says = known.into_iter().find(|(known, _)| *known == path);
        let text = match says.map(|(_, says)| says) {
            Some(Says::Raw(text)) => text,
            Some(Says::Json(document)) => answer("200 OK", &document.to_string()),
            Some(Says::Nothing) => std::future::pending().await,
            Some(Says::Endless) => {
                let chunk = [b' '; 4096];
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&chunk).await.is_ok() {}
                return;
            }
            Some(Says::Tagged(_, tag)) if head.contains(&format!("if-none-match: {tag}")) => {
                "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned()
            }
            Some(Says::Tagged(document, tag)) => {
                let fields = format!("200 OK\r\netag: {tag}");
                answer(&fields, &document.to_string())
            }
            None => answer("404 Not Found", ""),
        };
        let _ = stream.write_all(text.as_bytes()).await;
    }
}

/// An answer with this status, or with fields after it, and this body.
pub(crate) fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

//! The HTTP client of tests.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::Value;

/// A client of its own connections.
///
/// # Panics
/// It cannot be built.
pub fn client() -> Client {
    // The first test of a process installs it; the others find it there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30));
    client.build().expect("a client")
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `Content-Type`; empty without one.
    pub content_type: String,
    /// `ETag`; empty without one.
    pub etag: String,
    /// `Gatewright-Revision`; 0 without one.
    pub revision: u64,
    /// The body.
    pub text: String,
}

impl Answer {
    /// Sends a request and reads all of the answer.
    ///
    /// # Errors
    /// No complete answer came.
    pub async fn to(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let header = |name: &str| {
            let value = response.headers().get(name);
            let text = value.and_then(|it| it.to_str().ok()).unwrap_or_default();
            text.to_owned()
        };
        Ok(Self {
            status: response.status().as_u16(),
            content_type: header("content-type"),
            etag: header("etag"),
            revision: header("gatewright-revision").parse().unwrap_or(0),
            text: response.text().await?,
        })
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is something else.
    pub fn json(&self) -> Value {
        let read = serde_json::from_str(&self.text);
        read.unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that it is a problem of this status and code, and returns it.
    ///
    /// # Panics
    /// It is something else.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        problem
    }
}

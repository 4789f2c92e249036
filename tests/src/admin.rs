//! A client of the admin API.

use std::net::SocketAddr;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::http::{self, Answer};

/// The token of every control plane under test.
pub const TOKEN: &str = "a-token-for-tests";

/// Talks to one control plane.
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
    address: SocketAddr,
}

impl Admin {
    /// Talks to the one that listens there.
    pub fn new(address: SocketAddr) -> Self {
        let client = http::client();
        Self { client, address }
    }

    /// A request without a token.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(method, url)
    }

    /// A request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(TOKEN)
    }

    /// Sends a body and returns whatever comes back.
    ///
    /// # Panics
    /// Nothing came back.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(method, path).json(body);
        Answer::to(request).await.unwrap()
    }

    /// Reads something that is there.
    ///
    /// # Panics
    /// It is not.
    pub async fn get(&self, path: &str) -> Answer {
        let answer = Answer::to(self.request(Method::GET, path)).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer
    }

    /// Creates or replaces a resource; returns the revision.
    ///
    /// # Panics
    /// That was refused.
    pub async fn put(&self, path: &str, body: &Value) -> u64 {
        let answer = self.send(Method::PUT, path, body).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
        answer.revision
    }

    /// Deletes a resource; returns the revision.
    ///
    /// # Panics
    /// That was refused.
    pub async fn delete(&self, path: &str) -> u64 {
        let request = self.request(Method::DELETE, path);
        let answer = Answer::to(request).await.unwrap();
        assert_eq!(answer.status, 204, "{path}: {answer:?}");
        answer.revision
    }

    /// Applies a document, waits for the nodes, and returns the revision.
    ///
    /// # Panics
    /// That was refused, or the nodes did not follow.
    pub async fn apply(&self, document: &Value) -> u64 {
        let answer = self.send(Method::POST, "/v1/apply?wait=5s", document).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.revision
    }
}

//! Calls of the admin API.

use std::{fmt, time::Duration};

use clap::Args;
use reqwest::{Method, Response, header};
use serde::Deserialize;
use serde_json::Value;

/// Longest a call may take, above what `wait` may be.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Which control plane to call.
#[derive(Args, Clone, Debug)]
pub struct Server {
    /// URL of the admin API.
    #[arg(
        long,
        global = true,
        env = "GATEWRIGHT_SERVER",
        default_value = "http://127.0.0.1:9080"
    )]
    pub server: String,
    /// Bearer token.
    #[arg(
        long,
        global = true,
        env = "GATEWRIGHT_ADMIN_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
}

/// Calls one admin API.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// What the API said went wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// Stable code.
    pub code: String,
    /// For people.
    pub message: String,
    /// Every mistake.
    pub errors: Vec<Mistake>,
    /// The HTTP status.
    pub status: u16,
}

/// One mistake.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Mistake {
    /// The resource, as `route/orders`.
    pub resource: String,
    /// Path within it.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        for mistake in &self.errors {
            write!(
                out,
                "\n  {}: {}: {}",
                mistake.resource, mistake.field, mistake.reason
            )?;
        }
        Ok(())
    }
}

impl Client {
    /// For this server.
    ///
    /// # Errors
    /// No token was given.
    pub fn new(server: &Server) -> anyhow::Result<Self> {
        let token = server.token.clone();
        let token = token
            .ok_or_else(|| anyhow::anyhow!("no token; give --token or GATEWRIGHT_ADMIN_TOKEN"))?;
        Ok(Self {
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            base: server.server.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Gets JSON.
    ///
    /// # Errors
    /// The server cannot be reached, or says no ([`Failure`]).
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.call(Method::GET, path, None).await?.json().await?)
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self
            .call(Method::POST, path, Some(body))
            .await?
            .json()
            .await?)
    }

    /// Deletes.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.call(Method::DELETE, path, None).await.map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Response> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, &url).bearer_auth(&self.token);
        request = request.header(header::ACCEPT, "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let failure = serde_json::from_str::<Failure>(&text).unwrap_or_else(|_| Failure {
            message: format!("{status}: {text}"),
            status: status.as_u16(),
            ..Failure::default()
        });
        Err(failure.into())
    }
}

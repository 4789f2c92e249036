//! Calls of the admin API.

use std::{fmt, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use gatewright_control_plane::api::shown_token;
use reqwest::{Method, Response, StatusCode, Url, header};
use serde::Deserialize;
use serde_json::Value;

/// Longest a call may take; above what `wait` may be.
const TIMEOUT: Duration = Duration::from_secs(90);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most items that are asked for at a time.
const PAGE: &str = "1000";

/// Which control plane to call.
#[derive(Clone)]
pub struct Server {
    /// URL of the admin API.
    pub server: String,
    /// Bearer token.
    pub token: Option<String>,
}

/// Calls one admin API.
pub struct Client {
    http: reqwest::Client,
    server: Url,
    token: String,
}

/// What the API said went wrong (RFC 9457, with our fields).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// For people.
    pub message: String,
    /// Every mistake.
    pub errors: Vec<Mistake>,
    /// The nodes that have not applied a revision.
    pub nodes: Vec<Lagging>,
}

/// One mistake.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Mistake {
    /// The resource, as `route/orders`; as `routes[3]` where it has no name.
    pub resource: String,
    /// Path within it.
    pub field: String,
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub reason: String,
}

/// A node that has not applied a revision.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Lagging {
    /// Its name.
    pub node_id: String,
    /// What it has applied.
    pub applied_revision: u64,
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        for mistake in &self.errors {
            write!(out, "\n  {}: ", mistake.resource)?;
            if !mistake.field.is_empty() {
                write!(out, "{}: ", mistake.field)?;
            }
            out.write_str(&mistake.reason)?;
        }
        for node in &self.nodes {
            let (id, revision) = (&node.node_id, node.applied_revision);
            write!(out, "\n  node `{id}` is at revision {revision}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Server({})", self.server)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Client({})", self.server)
    }
}

impl Client {
    /// For this server.
    ///
    /// # Errors
    /// No token was given, or the URL is none.
    pub fn new(server: &Server) -> anyhow::Result<Self> {
        let token = server
            .token
            .clone()
            .context("no token: give --token, GATEWRIGHT_ADMIN_TOKEN or a context that has one")?;
        let url = Url::parse(&server.server).ok().filter(Url::has_host);
        let url = url.with_context(|| {
            let given = &server.server;
            format!("`{given}` is not a URL of a server, such as http://127.0.0.1:9080")
        })?;
        Ok(Self {
            http: http(&url)?,
            server: url,
            token: shown_token(&token).to_owned(),
        })
    }

    /// Gets JSON.
    ///
    /// # Errors
    /// The server cannot be reached, or says no ([`Failure`]).
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.query(path, &[]).await
    }

    /// Gets JSON, with parameters; those without a value are left out.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn query(
        &self,
        path: &str,
        parameters: &[(&str, Option<&str>)],
    ) -> anyhow::Result<Value> {
        let url = self.url(path, parameters)?;
        json(self.call(Method::GET, url, None).await?).await
    }

    /// All items of a list, page by page.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn all(
        &self,
        path: &str,
        parameters: &[(&str, Option<&str>)],
    ) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut parameters = parameters.to_vec();
            parameters.extend([("limit", Some(PAGE)), ("after", after.as_deref())]);
            let mut page = self.query(path, &parameters).await?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            match page["next"].take() {
                Value::String(next) => after = Some(next),
                _ => return Ok(items),
            }
        }
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(path, &[], body).await
    }

    /// Posts JSON, with parameters.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn send(
        &self,
        path: &str,
        parameters: &[(&str, Option<&str>)],
        body: &Value,
    ) -> anyhow::Result<Value> {
        let url = self.url(path, parameters)?;
        json(self.call(Method::POST, url, Some(body)).await?).await
    }

    /// Puts JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = self.url(path, &[])?;
        json(self.call(Method::PUT, url, Some(body)).await?).await
    }

    /// Changes by a JSON merge patch.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = self.url(path, &[])?;
        json(self.call(Method::PATCH, url, Some(body)).await?).await
    }

    /// Deletes.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(
        &self,
        path: &str,
        parameters: &[(&str, Option<&str>)],
    ) -> anyhow::Result<()> {
        let url = self.url(path, parameters)?;
        self.call(Method::DELETE, url, None).await.map(drop)
    }

    /// The innermost cause says what a person needs to know.
    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        anyhow!("cannot reach {}: {cause}", self.server)
    }

    fn url(&self, path: &str, parameters: &[(&str, Option<&str>)]) -> anyhow::Result<Url> {
        let base = self.server.as_str().trim_end_matches('/');
        let mut url = Url::parse(&format!("{base}{path}"))?;
        for (name, value) in parameters {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Ok(url)
    }

    async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> anyhow::Result<Response> {
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let mut request = request.header(header::ACCEPT, "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        if status == StatusCode::UNAUTHORIZED {
            bail!("{} does not accept the token", self.server);
        }
        let text = answer.text().await.unwrap_or_default();
        Err(failure(status, &text).into())
    }
}

/// What calls servers like this one. Authorities are looked for only where they are needed.
fn http(server: &Url) -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION")));
    if server.scheme() != "https" {
        return Ok(builder.tls_certs_only([]).build()?);
    }
    builder.build().with_context(|| {
        format!(
            "cannot check the certificate of {server}: this system has no authorities to check it with; install \
             its CA certificates, or name a file of them in SSL_CERT_FILE"
        )
    })
}

async fn json(answer: Response) -> anyhow::Result<Value> {
    let answer = answer.json().await;
    answer.context("the server does not answer as an admin API does")
}

fn failure(status: StatusCode, text: &str) -> Failure {
    match serde_json::from_str::<Failure>(text) {
        Ok(failure) if !failure.message.is_empty() => failure,
        _ => Failure {
            status: status.as_u16(),
            message: format!("the server answered {status}: {}", text.trim()),
            ..Failure::default()
        },
    }
}

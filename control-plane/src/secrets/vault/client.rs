//! Calls of Vault.

use std::{fs, time::Duration};

use reqwest::{StatusCode, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Time for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// What stands before the path of a file with the token.
const FILE: &str = "file:";

/// Where Vault is, and who this control plane is there.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// URL, as `https://vault.internal:8200`.
    pub address: String,
    /// Token, or `file:PATH`, which is read for each call, since what renews tokens writes them there.
    pub token: SecretString,
    /// Namespace, where there are any.
    pub namespace: Option<String>,
}

/// A Vault.
#[derive(Debug)]
pub struct Vault {
    http: reqwest::Client,
    address: Url,
    settings: VaultSettings,
}

/// Why Vault did not tell a secret. Says nothing of what it told.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The settings cannot be used.
    #[error("the settings of Vault cannot be used: {0}")]
    Settings(String),
    /// The file of the token.
    #[error("the token of Vault cannot be read from its file")]
    Token(#[source] std::io::Error),
    /// It was not reached, or broke off.
    #[error("Vault did not answer")]
    Unreachable(#[source] reqwest::Error),
    /// It has none there.
    #[error("Vault has no secret there")]
    Missing,
    /// It does not give it to this control plane.
    #[error("Vault does not let this control plane read it")]
    Denied,
    /// It answered with another status.
    #[error("Vault answered {0}")]
    Status(StatusCode),
    /// It answered with what is no secret of KV version 2.
    #[error("Vault answered with something that is no secret of KV version 2")]
    Malformed,
}

impl Vault {
    /// Calls this Vault.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(settings: VaultSettings) -> Result<Self, VaultError> {
        let address = Url::parse(&settings.address).ok();
        let usable = |it: &Url| it.has_host() && matches!(it.scheme(), "http" | "https");
        let address = address.filter(usable).ok_or_else(|| {
            let reason = format!(
                "`{}` is not a URL such as https://vault:8200",
                settings.address
            );
            VaultError::Settings(reason)
        })?;
        // A redirect would carry the token elsewhere.
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none());
        let http = match address.scheme() {
            "http" => http.tls_certs_only([]),
            _ => http,
        };
        Ok(Self {
            http: http.build().map_err(VaultError::Unreachable)?,
            address,
            settings,
        })
    }

    /// The fields of a secret, `MOUNT/PATH`. Checked when it was referred to: nothing of it leads elsewhere.
    ///
    /// # Errors
    /// It is not there, or Vault does not tell.
    pub async fn read(&self, path: &str) -> Result<Map<String, Value>, VaultError> {
        let (mount, path) = path.split_once('/').ok_or(VaultError::Missing)?;
        let base = self.address.as_str().trim_end_matches('/');
        let token = self.token()?;
        let mut request = self
            .http
            .get(format!("{base}/v1/{mount}/data/{path}"))
            .header("x-vault-token", &**token);
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        let answer = request.send().await.map_err(VaultError::Unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(VaultError::Missing),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => return Err(VaultError::Denied),
            status => return Err(VaultError::Status(status)),
        }
        let body = bounded(answer).await?;
        let mut json: Value = serde_json::from_slice(&body).map_err(|_| VaultError::Malformed)?;
        match json["data"]["data"].take() {
            Value::Object(fields) => Ok(fields),
            _ => Err(VaultError::Malformed),
        }
    }

    fn token(&self) -> Result<Zeroizing<String>, VaultError> {
        let token = self.settings.token.expose_secret();
        match token.strip_prefix(FILE) {
            None => Ok(Zeroizing::new(token.to_owned())),
            Some(path) => {
                let text = Zeroizing::new(fs::read_to_string(path).map_err(VaultError::Token)?);
                Ok(Zeroizing::new(text.trim().to_owned()))
            }
        }
    }
}

async fn bounded(mut answer: reqwest::Response) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(part) = answer.chunk().await.map_err(VaultError::Unreachable)? {
        if body.len() + part.len() > MAX_ANSWER_BYTES {
            return Err(VaultError::Malformed);
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

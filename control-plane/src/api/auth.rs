//! Who may call: bearer tokens, compared in constant time.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use subtle::ConstantTimeEq as _;

use super::{Api, error::ApiError};

/// Shortest token, in bytes.
const MIN_BYTES: usize = 16;

/// Tokens, as digests, and the names of those who hold them.
#[derive(Clone, Default)]
pub struct Tokens(Vec<(String, [u8; 32])>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// A setting that holds no usable token.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidToken(&'static str);

impl Tokens {
    /// Reads `token` or `name=token`, several separated by commas.
    ///
    /// # Errors
    /// No token, or one of less than 16 bytes.
    pub fn parse(setting: &str) -> Result<Self, InvalidToken> {
        let mut tokens = Vec::new();
        for part in setting
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (name, token) = part.split_once('=').unwrap_or(("admin", part));
            if token.len() < MIN_BYTES {
                return Err(InvalidToken("an admin token has at least 16 characters"));
            }
            tokens.push((name.to_owned(), sha256(token.as_bytes())));
        }
        if tokens.is_empty() {
            return Err(InvalidToken(
                "an admin token is required (GATEWRIGHT_ADMIN_TOKEN)",
            ));
        }
        Ok(Self(tokens))
    }

    /// Whose token this is. Takes as long for a wrong one as for a right one.
    fn holder(&self, token: &[u8]) -> Option<&str> {
        let given = sha256(token);
        let mut holder = None;
        for (name, known) in &self.0 {
            if bool::from(known.ct_eq(&given)) {
                holder = Some(name.as_str());
            }
        }
        holder
    }
}

/// Who calls, for the history.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) String);

pub(super) async fn require(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    let token = given.and_then(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    });
    let holder = token
        .and_then(|token| api.tokens.holder(token))
        .map(str::to_owned);
    match holder {
        Some(name) => {
            request.extensions_mut().insert(Caller(name));
            next.run(request).await
        }
        None => ApiError::Unauthorized.into_response(),
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(digest(&SHA256, bytes).as_ref());
    array
}

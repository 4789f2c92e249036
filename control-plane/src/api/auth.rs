//! Who may use the admin API: whoever shows one of the configured tokens.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{self, SHA256};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::Next,
    response::Response,
};
use gatewright_proto::Key;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::{Api, ApiError};

/// Shortest token, in characters.
const MIN_TOKEN_LENGTH: usize = 16;

/// Most tokens at a time.
const MAX_TOKENS: usize = 100;

/// Name in the history of a token without one.
const UNNAMED: &str = "admin";

/// The name of the token that a request came with: the author of what it changes.
#[derive(Clone, Debug)]
pub(super) struct Author(pub Arc<str>);

/// The accepted tokens. Only their SHA-256 is kept.
pub struct Tokens(Vec<Token>);

struct Token {
    name: Arc<str>,
    digest: [u8; 32],
}

/// A token that cannot be used. It is not shown.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTokens {
    /// There is none.
    #[error("an admin token is needed: set GATEWRIGHT_ADMIN_TOKEN")]
    None,
    /// One is too short, or has characters that cannot be sent.
    #[error("admin token {0}: must be at least {MIN_TOKEN_LENGTH} visible ASCII characters")]
    Weak(usize),
    /// There are too many.
    #[error("there may be at most {MAX_TOKENS} admin tokens")]
    TooMany,
}

impl Tokens {
    /// Reads tokens separated by commas, each `TOKEN` or `NAME=TOKEN`.
    ///
    /// # Errors
    /// No token, or one that is too weak to protect anything.
    pub fn parse(setting: &SecretString) -> Result<Self, InvalidTokens> {
        let setting = setting.expose_secret().split(',').map(str::trim);
        let mut tokens = Vec::new();
        for token in setting.filter(|token| !token.is_empty()) {
            let (name, token) = split_name(token);
            let visible = |byte: u8| byte.is_ascii_graphic();
            if token.len() < MIN_TOKEN_LENGTH || !token.bytes().all(visible) {
                return Err(InvalidTokens::Weak(tokens.len() + 1));
            }
            tokens.push(Token {
                name: name.into(),
                digest: sha256(token.as_bytes()),
            });
        }
        match tokens.len() {
            0 => Err(InvalidTokens::None),
            1..=MAX_TOKENS => Ok(Self(tokens)),
            _ => Err(InvalidTokens::TooMany),
        }
    }

    /// The name of this token. Takes equally long whichever it is, and whether it is one.
    fn find(&self, shown: &[u8]) -> Option<&Arc<str>> {
        let shown = sha256(shown);
        let mut found = Choice::from(0);
        let mut place = 0_u64;
        for (index, token) in (0_u64..).zip(&self.0) {
            let same = token.digest.ct_eq(&shown);
            place.conditional_assign(&index, same);
            found |= same;
        }
        let token = self.0.get(usize::try_from(place).ok()?)?;
        bool::from(found).then_some(&token.name)
    }
}

/// What a client shows of the setting that the control plane takes: the first token, without its name.
pub fn shown_token(setting: &str) -> &str {
    let first = setting.split(',').map(str::trim).find(|it| !it.is_empty());
    split_name(first.unwrap_or_default()).1
}

/// A name is one only where a token follows it, since a token may contain `=` as well.
fn split_name(token: &str) -> (&str, &str) {
    match token.split_once('=') {
        Some((name, rest)) if Key::check_name(name).is_ok() && rest.len() >= MIN_TOKEN_LENGTH => {
            (name, rest)
        }
        _ => (UNNAMED, token),
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&SHA256, bytes).as_ref());
    sum
}

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|token| &token.name);
        out.debug_list().entries(names).finish()
    }
}

/// Lets a request through that shows a token.
pub(super) async fn require(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let shown = bearer(request.headers()).ok_or(ApiError::Unauthorized)?;
    let name = api.tokens.find(shown).ok_or(ApiError::Unauthorized)?;
    let author = Author(Arc::clone(name));
    request.extensions_mut().insert(author.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(author);
    Ok(response)
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::{Tokens, shown_token};

    fn tokens(setting: &str) -> Option<Tokens> {
        Tokens::parse(&setting.into()).ok()
    }

    #[test]
    fn a_token_is_found_by_its_value_and_has_a_name() {
        let tokens = tokens("0123456789abcdef, ci=fedcba9876543210,bWFkZSBvZiBiYXNlNjQ=").unwrap();
        let name = |token: &str| tokens.find(token.as_bytes()).map(|name| name.to_string());
        assert_eq!(name("0123456789abcdef").as_deref(), Some("admin"));
        assert_eq!(name("fedcba9876543210").as_deref(), Some("ci"));
        assert_eq!(name("bWFkZSBvZiBiYXNlNjQ=").as_deref(), Some("admin"));
        assert_eq!(name("ci=fedcba9876543210"), None);
        assert_eq!(name("0123456789abcde"), None);
        assert_eq!(name(""), None);
        assert!(!format!("{tokens:?}").contains("0123"));
    }

    #[test]
    fn a_client_shows_the_first_token_without_its_name() {
        for (setting, shown) in [
            ("0123456789abcdef", "0123456789abcdef"),
            ("ci=0123456789abcdef", "0123456789abcdef"),
            (
                " ci=0123456789abcdef, b=fedcba9876543210",
                "0123456789abcdef",
            ),
            ("MDEyMzQ1Njc4OWFiY2RlZg==", "MDEyMzQ1Njc4OWFiY2RlZg=="),
            ("ci=MDEyMzQ1Njc4OWFiY2RlZg==", "MDEyMzQ1Njc4OWFiY2RlZg=="),
            ("short=0123", "short=0123"),
            ("", ""),
        ] {
            assert_eq!(shown_token(setting), shown);
        }
    }

    #[test]
    fn there_is_no_control_plane_without_a_strong_token() {
        for setting in [
            "",
            " , ",
            "short",
            "0123456789abcdef,short",
            "0123456789 abcdef",
        ] {
            assert!(tokens(setting).is_none(), "{setting}");
        }
    }
}

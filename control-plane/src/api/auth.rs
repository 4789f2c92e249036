//! Who may use the admin API: whoever shows one of the configured tokens.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{self, SHA256};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::Next,
    response::Response,
};
use gatewright_proto::Key;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::{Api, ApiError, registration, serve::Known};

/// Shortest token, in characters.
const MIN_TOKEN_LENGTH: usize = 16;

/// Most tokens at a time.
const MAX_TOKENS: usize = 100;

/// Name in the history of a token without one.
const UNNAMED: &str = "admin";

/// The name of the token that a request came with: the author of what it changes.
#[derive(Clone, Debug)]
pub(super) struct Author(pub Arc<str>);

/// What a token may be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything.
    All,
    /// To register targets: of any upstream, or of this one only.
    Register(Option<Arc<str>>),
}

impl Scope {
    /// Whether it reaches a path, known by its template.
    fn reaches(&self, template: &str, path: &str) -> bool {
        let Self::Register(upstream) = self else {
            return true;
        };
        // The name is compared as it is written: one that is written in another way is not reached.
        let named = path.split('/').nth(3);
        registration::PATHS.contains(&template)
            && upstream.as_deref().is_none_or(|only| named == Some(only))
    }
}

/// The accepted tokens. Only their SHA-256 is kept.
pub struct Tokens(Vec<Token>);

/// One of them.
pub(super) struct Token {
    name: Arc<str>,
    scope: Scope,
    digest: [u8; 32],
}

impl Token {
    /// Whether it may be used for a path, known by its template.
    pub(super) fn may(&self, template: &str, path: &str) -> bool {
        self.scope.reaches(template, path)
    }
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
    /// One is for something that there is not.
    #[error(
        "admin token {0}: `{1}` is not something that a token can be for; `register` is, and `register:UPSTREAM`"
    )]
    Scope(usize, String),
    /// There are too many.
    #[error("there may be at most {MAX_TOKENS} admin tokens")]
    TooMany,
}

impl Tokens {
    /// Reads tokens separated by commas, each `TOKEN`, `NAME=TOKEN`, or `NAME:register=TOKEN` and
    /// `NAME:register:UPSTREAM=TOKEN` for one that may only register targets.
    ///
    /// # Errors
    /// No token, one that is too weak to protect anything, or one for something that there is not.
    pub fn parse(setting: &SecretString) -> Result<Self, InvalidTokens> {
        let setting = setting.expose_secret().split(',').map(str::trim);
        let mut tokens = Vec::new();
        for token in setting.filter(|token| !token.is_empty()) {
            let (name, scope, token) = split_name(token);
            let visible = |byte: u8| byte.is_ascii_graphic();
            if token.len() < MIN_TOKEN_LENGTH || !token.bytes().all(visible) {
                return Err(InvalidTokens::Weak(tokens.len() + 1));
            }
            tokens.push(Token {
                name: name.into(),
                scope: read_scope(scope).ok_or_else(|| {
                    InvalidTokens::Scope(tokens.len() + 1, scope.unwrap_or_default().to_owned())
                })?,
                digest: sha256(token.as_bytes()),
            });
        }
        match tokens.len() {
            0 => Err(InvalidTokens::None),
            1..=MAX_TOKENS => Ok(Self(tokens)),
            _ => Err(InvalidTokens::TooMany),
        }
    }

    /// The token that is shown. Takes equally long whichever it is, and whether it is one.
    pub(super) fn find(&self, shown: &[u8]) -> Option<&Token> {
        let shown = sha256(shown);
        let mut found = Choice::from(0);
        let mut place = 0_u64;
        for (index, token) in (0_u64..).zip(&self.0) {
            let same = token.digest.ct_eq(&shown);
            place.conditional_assign(&index, same);
            found |= same;
        }
        let token = self.0.get(usize::try_from(place).ok()?)?;
        bool::from(found).then_some(token)
    }
}

/// What a client shows of the setting that the control plane takes: the first token, without its name.
pub fn shown_token(setting: &str) -> &str {
    let first = setting.split(',').map(str::trim).find(|it| !it.is_empty());
    split_name(first.unwrap_or_default()).2
}

/// Name, what it is for, token. A name is one only where a token follows it, since a token may contain `=` as well.
fn split_name(token: &str) -> (&str, Option<&str>, &str) {
    if let Some((name, rest)) = token.split_once('=')
        && rest.len() >= MIN_TOKEN_LENGTH
    {
        let (name, scope) = match name.split_once(':') {
            Some((name, scope)) => (name, Some(scope)),
            None => (name, None),
        };
        if Key::check_name(name).is_ok() {
            return (name, scope, rest);
        }
    }
    (UNNAMED, None, token)
}

fn read_scope(scope: Option<&str>) -> Option<Scope> {
    let Some(scope) = scope else {
        return Some(Scope::All);
    };
    match scope.split_once(':') {
        None => (scope == "register").then_some(Scope::Register(None)),
        Some(("register", upstream)) if Key::check_name(upstream).is_ok() => {
            Some(Scope::Register(Some(upstream.into())))
        }
        Some(_) => None,
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
    let token = api.tokens.find(shown).ok_or(ApiError::Unauthorized)?;
    let template = request.extensions().get::<MatchedPath>();
    let template = template.map_or("", MatchedPath::as_str);
    if !token.scope.reaches(template, request.uri().path()) {
        return Err(ApiError::Forbidden);
    }
    let author = Author(Arc::clone(&token.name));
    let hold = match token.scope {
        Scope::All => api.bodies.of_operator(),
        Scope::Register(_) => api.bodies.of_agent(),
    };
    let extensions = request.extensions_mut();
    if let Some(known) = extensions.get::<Known>() {
        known.set();
    }
    extensions.insert(author.clone());
    // Kept until the request is answered.
    extensions.insert(hold.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(author);
    drop(hold);
    Ok(response)
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750 section 2.1); none where there are several.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return None;
    };
    let (scheme, token) = field.as_bytes().split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::{Tokens, registration, shown_token};

    fn tokens(setting: &str) -> Option<Tokens> {
        Tokens::parse(&setting.into()).ok()
    }

    #[test]
    fn a_token_is_found_by_its_value_and_has_a_name() {
        let tokens = tokens("0123456789abcdef, ci=fedcba9876543210,bWFkZSBvZiBiYXNlNjQ=").unwrap();
        let name = |token: &str| {
            tokens
                .find(token.as_bytes())
                .map(|token| token.name.to_string())
        };
        assert_eq!(name("0123456789abcdef").as_deref(), Some("admin"));
        assert_eq!(name("fedcba9876543210").as_deref(), Some("ci"));
        assert_eq!(name("bWFkZSBvZiBiYXNlNjQ=").as_deref(), Some("admin"));
        assert_eq!(name("ci=fedcba9876543210"), None);
        assert_eq!(name("0123456789abcde"), None);
        assert_eq!(name(""), None);
        assert!(!format!("{tokens:?}").contains("0123"));
    }

    #[test]
    fn a_token_may_be_for_registering_only() {
        let tokens = tokens(
            "ci=0123456789abcdef,agents:register=fedcba9876543210,orders:register:orders=0123012301230123",
        )
        .unwrap();
        let reaches = |token: &str, template: &str, path: &str| {
            let token = tokens.find(token.as_bytes()).unwrap();
            token.scope.reaches(template, path)
        };
        let (one, other) = (
            "/v1/upstreams/orders/registrations/a",
            "/v1/upstreams/users/registrations/a",
        );
        for path in [one, other] {
            assert!(reaches("0123456789abcdef", registration::ONE, path));
            assert!(reaches("fedcba9876543210", registration::ONE, path));
        }
        assert!(reaches("0123012301230123", registration::ONE, one));
        assert!(!reaches("0123012301230123", registration::ONE, other));
        assert!(reaches("0123456789abcdef", "/v1/{kinds}", "/v1/routes"));
        assert!(!reaches("fedcba9876543210", "/v1/{kinds}", "/v1/routes"));
        assert!(!reaches("fedcba9876543210", "", "/v1/none"));
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
            "a:registr=0123456789abcdef",
            "a:register:b c=0123456789abcdef",
        ] {
            assert!(tokens(setting).is_none(), "{setting}");
        }
    }
}

//! What a token allows: OAuth scopes (RFC 6749 section 3.3, RFC 9068 section 2.2.3).

use super::{Claims, Refusal, claims::texts};

/// The claims that scopes are read from.
const NAMES: [&str; 2] = ["scope", "scp"];

/// What a token allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Box<str>>);

impl Scopes {
    /// Those of a token: of `scope` and `scp`, each one text with spaces between or a list of texts.
    ///
    /// # Errors
    /// One of them is something else.
    pub fn of(claims: &Claims) -> Result<Self, Refusal> {
        let mut scopes: Vec<Box<str>> = Vec::new();
        for name in NAMES {
            let Some(value) = claims.get(name) else {
                continue;
            };
            let texts = texts(value).ok_or(Refusal::ClaimType)?;
            let words = texts.into_iter().flat_map(|text| text.split(' '));
            scopes.extend(words.filter(|word| !word.is_empty()).map(Into::into));
        }
        scopes.sort();
        scopes.dedup();
        Ok(Self(scopes))
    }

    /// Those of a text with spaces between, as in answers of a token endpoint.
    pub fn from_text(text: &str) -> Self {
        let words = text.split(' ').filter(|word| !word.is_empty());
        let mut scopes: Vec<Box<str>> = words.map(Into::into).collect();
        scopes.sort();
        scopes.dedup();
        Self(scopes)
    }

    /// Whether it allows this.
    pub fn has(&self, scope: &str) -> bool {
        self.0.binary_search_by(|it| (**it).cmp(scope)).is_ok()
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|it| &**it)
    }
}

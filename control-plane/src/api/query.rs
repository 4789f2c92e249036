//! Parameters in the query. Unknown ones are refused: a misspelt `label` would select everything.

use std::time::Duration;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use gatewright_proto::json::parse_milliseconds;

use super::ApiError;
use crate::{document::instead, label::Selector};

/// Items in an answer where the client does not say.
const DEFAULT_LIMIT: usize = 100;

/// Most items in an answer.
const MAX_LIMIT: usize = 1000;

/// Longest wait for nodes, in milliseconds.
const MAX_WAIT_MS: u64 = 60_000;

/// Parameters in the query, in order; some may be repeated.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(error) => Err(ApiError::InvalidQuery(error.body_text())),
        }
    }
}

/// Which part of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Most items.
    pub limit: usize,
    /// The last item of the page before.
    pub after: Option<String>,
}

impl Parameters {
    /// Refuses all parameters but these.
    pub(super) fn allow(&self, known: &[&str]) -> Result<(), ApiError> {
        let unknown = self
            .0
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::InvalidQuery(format!(
                "unknown parameter `{name}`{}",
                instead(name, known)
            ))),
        }
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |(key, value): &'a (String, String)| (key == name).then_some(&**value);
        self.0.iter().filter_map(named)
    }

    /// The value of a parameter that may not.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(ApiError::InvalidQuery(format!("`{name}` is there twice"))),
            (value, None) => Ok(value.map(|(_, value)| value.as_str())),
        }
    }

    /// A number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let number = |text: &str| {
            let error = || ApiError::InvalidQuery(format!("`{name}`: `{text}` is not a number"));
            text.parse().map_err(|_| error())
        };
        self.one(name)?.map(number).transpose()
    }

    /// A switch: `true`, or the name alone.
    pub(super) fn switch(&self, name: &str) -> Result<bool, ApiError> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(_) => Err(ApiError::InvalidQuery(format!(
                "`{name}` is `true` or `false`"
            ))),
        }
    }

    /// `label`, repeated or separated by commas: which resources.
    pub(super) fn selector(&self) -> Result<Selector, ApiError> {
        Selector::parse(self.all("label").flat_map(|list| list.split(',')))
            .map_err(|error| ApiError::InvalidQuery(error.to_string()))
    }

    /// `limit` and `after`.
    pub(super) fn page(&self) -> Result<Page, ApiError> {
        let limit = self.number("limit")?.map(usize::try_from);
        let limit = limit.map_or(DEFAULT_LIMIT, |limit| limit.unwrap_or(usize::MAX));
        if !(1..=MAX_LIMIT).contains(&limit) {
            let message = format!("`limit` is 1 to {MAX_LIMIT}");
            return Err(ApiError::InvalidQuery(message));
        }
        let after = self.one("after")?.map(ToOwned::to_owned);
        Ok(Page { limit, after })
    }

    /// `wait`: how long to wait for nodes, as `5s`.
    pub(super) fn wait(&self) -> Result<Option<Duration>, ApiError> {
        let Some(text) = self.one("wait")? else {
            return Ok(None);
        };
        match parse_milliseconds(text) {
            Some(wait @ 1..=MAX_WAIT_MS) => Ok(Some(Duration::from_millis(wait))),
            _ => Err(ApiError::InvalidQuery(format!(
                "`wait`: `{text}` is not a time up to {}s, such as `5s` or `500ms`",
                MAX_WAIT_MS / 1000
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Page, Parameters};

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Parameters(pairs.iter().map(owned).collect())
    }

    #[test]
    fn parameters_have_bounds_and_defaults() {
        let default = Page {
            limit: 100,
            after: None,
        };
        assert_eq!(parameters(&[]).page().unwrap(), default);
        for limit in ["0", "1001", "-1", "x", "99999999999999999999"] {
            assert!(parameters(&[("limit", limit)]).page().is_err(), "{limit}");
        }
        let wait = parameters(&[("wait", "5s")]).wait().unwrap();
        assert_eq!(wait, Some(Duration::from_secs(5)));
        for wait in ["5", "0s", "2h", "", "-1s"] {
            assert!(parameters(&[("wait", wait)]).wait().is_err(), "{wait}");
        }
        assert!(parameters(&[("dry_run", "")]).switch("dry_run").unwrap());
        assert!(parameters(&[("dry_run", "yes")]).switch("dry_run").is_err());
        assert!(
            parameters(&[("after", "a"), ("after", "b")])
                .page()
                .is_err()
        );
        assert!(
            parameters(&[("lable", "a")])
                .allow(&["label", "limit"])
                .is_err()
        );
    }
}

//! Settings of `cors`, and what is wrong with them.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Cors, origin::Origins};
use crate::plugin::InvalidSetting;

/// A day: no browser keeps the answer to a preflight for longer.
const MAX_AGE_SECONDS: u32 = 86_400;

/// Settings of `cors`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Origins that are allowed: exact (`https://app.example.com`), with a wildcard for one or more
    /// leading labels (`https://*.example.com`), or `*` for all. Up to 1,000 with `origin_regexes`.
    origins: Vec<String>,
    /// Regular expressions over the whole origin (anchored at both ends); what one matches is allowed.
    origin_regexes: Vec<String>,
    /// Methods that pages may use.
    methods: Vec<String>,
    /// Request header fields that pages may send. `*`: those they ask for.
    headers: Vec<String>,
    /// Response header fields that pages may read besides the safe ones.
    expose: Vec<String>,
    /// Whether pages may send cookies and the like. Not with `*` or `null` in `origins`.
    credentials: bool,
    /// How long a browser may remember the answer to a preflight, in seconds. 0 to 86,400.
    max_age_seconds: u32,
    /// Whether pages from the public network may reach this API in a private one.
    private_network: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let methods = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"];
        Self {
            origins: Vec::new(),
            origin_regexes: Vec::new(),
            methods: methods.map(str::to_owned).into(),
            headers: vec!["*".to_owned()],
            expose: Vec::new(),
            credentials: false,
            max_age_seconds: 600,
            private_network: false,
        }
    }
}

impl Settings {
    pub(super) fn compile(&self, name: &Arc<str>) -> Result<Cors, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let origins = Origins::compile(&self.origins, &self.origin_regexes, &mut mistakes);
        self.check(&mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let any_header = self.headers.iter().any(|it| it == "*");
        Ok(Cors {
            name: Arc::clone(name),
            origins,
            methods: joined(&self.methods),
            headers: (!any_header).then(|| joined(&self.headers)),
            expose: (!self.expose.is_empty()).then(|| joined(&self.expose)),
            credentials: self.credentials,
            max_age: HeaderValue::from(self.max_age_seconds),
            private_network: self.private_network,
        })
    }

    fn check(&self, mistakes: &mut Vec<InvalidSetting>) {
        let mut wrong =
            |field: String, reason: String| mistakes.push(InvalidSetting { field, reason });
        for (index, method) in self.methods.iter().enumerate() {
            if Method::from_bytes(method.as_bytes()).is_err() {
                wrong(
                    format!("methods[{index}]"),
                    format!("`{method}` is not a method"),
                );
            }
        }
        for (list, names) in [("headers", &self.headers), ("expose", &self.expose)] {
            for (index, name) in names.iter().enumerate() {
                if name != "*" && HeaderName::from_bytes(name.as_bytes()).is_err() {
                    wrong(
                        format!("{list}[{index}]"),
                        format!("`{name}` is not a field name"),
                    );
                }
            }
        }
        if self.credentials {
            for (index, origin) in self.origins.iter().enumerate() {
                if origin == "*" || origin == "null" {
                    let reason = format!(
                        "`{origin}` cannot be combined with `credentials`: any page could act as its visitor"
                    );
                    wrong(format!("origins[{index}]"), reason);
                }
            }
            for (index, name) in self.expose.iter().enumerate() {
                if name == "*" {
                    let reason = "`*` means nothing to browsers together with `credentials`; name the fields";
                    wrong(format!("expose[{index}]"), reason.to_owned());
                }
            }
        }
        if self.max_age_seconds > MAX_AGE_SECONDS {
            let reason = format!("`{}` is over {MAX_AGE_SECONDS}", self.max_age_seconds);
            wrong("max_age_seconds".to_owned(), reason);
        }
    }
}

fn joined(names: &[String]) -> HeaderValue {
    HeaderValue::from_str(&names.join(", ")).expect("methods and field names are tokens")
}

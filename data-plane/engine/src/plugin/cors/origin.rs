//! Which origins are allowed.

use http::HeaderValue;
use regex::Regex;

use crate::plugin::InvalidSetting;

/// Most origins or patterns.
const MAX_ORIGINS: usize = 1000;

/// Allowed origins.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// Whether all are.
    pub(super) any: bool,
    exact: Vec<Box<str>>,
    wildcards: Vec<Wildcard>,
    patterns: Vec<Regex>,
}

/// What is around the one `*`, as in `https://*.example.com`.
#[derive(Debug)]
struct Wildcard {
    before: Box<str>,
    after: Box<str>,
}

impl Origins {
    pub(super) fn compile(
        origins: &[String],
        patterns: &[String],
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Self {
        let mut compiled = Self::default();
        for (index, origin) in origins.iter().enumerate() {
            if let Err(reason) = compiled.add(origin) {
                let field = format!("origins[{index}]");
                mistakes.push(InvalidSetting::new(field, format!("`{origin}` {reason}")));
            }
        }
        for (index, pattern) in patterns.iter().enumerate() {
            match Regex::new(&format!("^(?:{pattern})$")) {
                Ok(regex) => compiled.patterns.push(regex),
                Err(error) => {
                    let field = format!("origin_regexes[{index}]");
                    mistakes.push(InvalidSetting::new(field, error.to_string()));
                }
            }
        }
        match origins.len() + patterns.len() {
            0 => mistakes.push(InvalidSetting::new("origins", "name at least one")),
            count if count > MAX_ORIGINS => {
                let reason = format!("more than {MAX_ORIGINS} with `origin_regexes`");
                mistakes.push(InvalidSetting::new("origins", reason));
            }
            _ => {}
        }
        compiled
    }

    fn add(&mut self, origin: &str) -> Result<(), &'static str> {
        if origin == "*" {
            self.any = true;
            return Ok(());
        }
        if origin == "null" {
            self.exact.push("null".into());
            return Ok(());
        }
        let lower = origin.to_ascii_lowercase();
        let Some((_, authority)) = lower
            .split_once("://")
            .filter(|(scheme, _)| !scheme.is_empty())
        else {
            return Err("is not an origin: write it as `https://app.example.com`");
        };
        if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
            return Err("is more than an origin: leave out what follows the host and port");
        }
        let Some((before, after)) = lower.split_once('*') else {
            self.exact.push(lower.into());
            return Ok(());
        };
        if !before.ends_with("://") || !after.starts_with('.') || after.contains('*') {
            return Err("may have `*` only as the whole first label, as `https://*.example.com`");
        }
        self.wildcards.push(Wildcard {
            before: before.into(),
            after: after.into(),
        });
        Ok(())
    }

    /// Whether this origin, as a browser sends it, is allowed.
    pub(super) fn allow(&self, origin: &HeaderValue) -> bool {
        if self.any {
            return true;
        }
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        self.exact.iter().any(|it| **it == *origin)
            || self.wildcards.iter().any(|it| it.matches(origin))
            || self.patterns.iter().any(|it| it.is_match(origin))
    }
}

impl Wildcard {
    /// One or more labels, and nothing else, in place of the `*`.
    fn matches(&self, origin: &str) -> bool {
        let label_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        origin
            .strip_prefix(&*self.before)
            .and_then(|rest| rest.strip_suffix(&*self.after))
            .is_some_and(|labels| !labels.is_empty() && labels.bytes().all(label_byte))
    }
}

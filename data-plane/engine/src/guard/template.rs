//! Bodies of fixed answers: text in which a few names are replaced.
//!
//! No language: what stands in `{{...}}` is one of the names of [`Variable`], and the value is escaped as the content type
//! asks, so that a path cannot become markup. A template engine would bring loops and with them a cost that a
//! client's request decides.

use std::borrow::Cow;

use bytes::Bytes;

/// Longest value, in bytes; what is longer is cut.
const MAX_VALUE_BYTES: usize = 1024;

/// What can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Code of what went wrong; empty where the service answered.
    Code,
    /// Status of the service's answer; 0 where it did not answer.
    Status,
    /// The request's id.
    RequestId,
    /// Name of the route.
    Route,
    /// Name of the service.
    Service,
    /// The request's method.
    Method,
    /// The request's host.
    Host,
    /// The request's path.
    Path,
}

const VARIABLES: [(&str, Variable); 8] = [
    ("code", Variable::Code),
    ("status", Variable::Status),
    ("request_id", Variable::RequestId),
    ("route", Variable::Route),
    ("service", Variable::Service),
    ("method", Variable::Method),
    ("host", Variable::Host),
    ("path", Variable::Path),
];

/// How values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As in a string of JSON.
    Json,
    /// As in the text or an attribute of HTML or XML.
    Markup,
    /// Control characters are left out.
    Plain,
}

impl Escape {
    /// What a content type asks for.
    pub fn of(content_type: &str) -> Self {
        let content_type = content_type.to_ascii_lowercase();
        if content_type.contains("json") {
            Self::Json
        } else if content_type.contains("html") || content_type.contains("xml") {
            Self::Markup
        } else {
            Self::Plain
        }
    }

    fn push(self, value: &str, text: &mut String) {
        let mut end = value.len().min(MAX_VALUE_BYTES);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        for character in value[..end].chars() {
            match (self, character) {
                (Self::Json, '"' | '\\') => text.extend(['\\', character]),
                (Self::Markup, '<') => text.push_str("&lt;"),
                (Self::Markup, '>') => text.push_str("&gt;"),
                (Self::Markup, '&') => text.push_str("&amp;"),
                (Self::Markup, '"') => text.push_str("&quot;"),
                (Self::Markup, '\'') => text.push_str("&#39;"),
                _ if character.is_control() => {}
                _ => text.push(character),
            }
        }
    }
}

/// A text with names to replace.
#[derive(Debug)]
pub struct BodyTemplate {
    parts: Vec<Part>,
    escape: Escape,
}

#[derive(Debug)]
enum Part {
    Text(Bytes),
    Value(Variable),
}

impl BodyTemplate {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn parse(text: &str, escape: Escape) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(Bytes::copy_from_slice(before.as_bytes())));
            }
            let at = text.len() - after.len();
            let (name, after) = after
                .split_once("}}")
                .ok_or_else(|| format!("`{{{{` at byte {} is not closed", at - 2))?;
            let name = name.trim();
            let known = VARIABLES.iter().find(|(known, _)| *known == name);
            let (_, variable) = known.ok_or_else(|| {
                let names: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
                format!("`{name}` is not one of {}", names.join(", "))
            })?;
            parts.push(Part::Value(*variable));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(Bytes::copy_from_slice(rest.as_bytes())));
        }
        Ok(Self { parts, escape })
    }

    /// The text with these values. Without names in it, nothing is copied.
    pub fn render<'v>(&self, value: impl Fn(Variable) -> Cow<'v, str>) -> Bytes {
        match self.parts.as_slice() {
            [] => return Bytes::new(),
            [Part::Text(text)] => return text.clone(),
            _ => {}
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
                Part::Value(variable) => self.escape.push(&value(*variable), &mut text),
            }
        }
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyTemplate, Escape, MAX_VALUE_BYTES};

    fn render(text: &str, content_type: &str, value: &'static str) -> String {
        let template = BodyTemplate::parse(text, Escape::of(content_type)).unwrap();
        let body = template.render(|_| value.into());
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn names_are_replaced_and_values_escaped() {
        let body = r#"{"code": "{{code}}", "path": "{{ path }}"}"#;
        let json = render(body, "application/problem+json", "a\"\\\n<b>");
        assert_eq!(json, r#"{"code": "a\"\\<b>", "path": "a\"\\<b>"}"#);
        assert_eq!(
            render("<b>{{path}}</b>", "text/html", "<i>&"),
            "<b>&lt;i&gt;&amp;</b>"
        );
        assert_eq!(render("{{path}}!", "text/plain", "a\r\nb<"), "ab<!");
        assert_eq!(render("{} }} {", "text/plain", "x"), "{} }} {");
    }

    #[test]
    fn a_value_is_no_longer_than_its_bound() {
        let long: &'static str = "ä".repeat(2000).leak();
        assert_eq!(
            render("{{path}}", "text/plain", long).len(),
            MAX_VALUE_BYTES
        );
    }

    #[test]
    fn what_cannot_be_replaced_is_refused() {
        let refused = |text| BodyTemplate::parse(text, Escape::Plain).unwrap_err();
        assert_eq!(refused("a {{code"), "`{{` at byte 2 is not closed");
        assert!(refused("{{cookie}}").starts_with("`cookie` is not one of code, status"));
    }
}

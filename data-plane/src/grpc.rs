//! What the gateway knows of gRPC: which requests are calls, what its own answers to them look like, and calls of
//! browsers (gRPC-Web), which it translates.

mod status;
mod web;

use http::{HeaderMap, header};

pub(crate) use status::answer;
pub(crate) use web::Translation;

/// What kind of call a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `application/grpc`.
    Native,
    /// `application/grpc-web`: the same, with the trailers at the end of the body.
    Web,
    /// `application/grpc-web-text`: that in base64.
    WebText,
}

impl Form {
    const ALL: [Self; 3] = [Self::WebText, Self::Web, Self::Native];

    /// That of a request; none where it is no call.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::split(headers).map(|(form, _)| form)
    }

    /// Likewise, with what follows in the content type, as `+proto`.
    fn split(headers: &HeaderMap) -> Option<(Self, &str)> {
        // Every request is asked, and most have few fields: to pass over them costs less than to look one up.
        let mut fields = headers.iter();
        let (_, value) = fields.find(|(name, _)| **name == header::CONTENT_TYPE)?;
        let value = value.to_str().ok()?;
        Self::ALL.into_iter().find_map(|form| {
            let name = form.content_type();
            let (begin, rest) = value.split_at_checked(name.len())?;
            let whole = rest.is_empty() || rest.starts_with(['+', ';', ' ']);
            (whole && begin.eq_ignore_ascii_case(name)).then_some((form, rest))
        })
    }

    /// Its content type, without a suffix.
    const fn content_type(self) -> &'static str {
        match self {
            Self::Native => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        }
    }
}

#[cfg(test)]
mod tests;

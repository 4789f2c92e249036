//! What a route asks of a request's body.
//!
//! The body is asked for last, when all else of the route holds and the content type fits. What can then not
//! be told (it is too large, broken, compressed, or has two readings) ends the search: if it merely
//! did not match, anybody could lead a request past the route that protects it.

pub(super) mod json;
#[cfg(test)]
mod tests;
pub(super) mod xml;

use http::{HeaderMap, header};

use self::{json::JsonRule, xml::XmlRule};
use super::{Miss, NeedsBody, ParameterRule, Payload, Query, facts::Facts, further::all_hold};

/// What a body must be.
#[derive(Debug)]
pub(crate) struct PayloadRule {
    pub(crate) content: Option<Content>,
    pub(crate) grpc: Option<GrpcRule>,
    /// How it is read.
    pub(crate) bounds: NeedsBody,
}

/// What must be in it. All must hold; none is empty.
#[derive(Debug)]
pub(crate) enum Content {
    Json(Box<[JsonRule]>),
    Form(Box<[ParameterRule]>),
    Xml(Box<[XmlRule]>),
}

/// Which gRPC method is called.
#[derive(Debug)]
pub(crate) struct GrpcRule {
    pub(crate) service: Box<str>,
    /// None is any.
    pub(crate) method: Option<Box<str>>,
}

/// Why a body cannot be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is not of the kind.
    Malformed,
    /// It is, and yet there is no one way to read it.
    Unclear(&'static str),
}

/// Whether a content type is of the kind that is asked for.
enum Fit {
    Declared,
    /// There is none.
    Open,
    Other,
}

impl PayloadRule {
    pub(super) fn count(&self) -> usize {
        let content = self.content.as_ref().map_or(0, Content::count);
        content + usize::from(self.grpc.is_some())
    }

    /// Adds each condition in a form that is equal where the conditions are. Bounds are none.
    pub(super) fn canonical(&self, conditions: &mut Vec<String>) {
        if let Some(grpc) = &self.grpc {
            conditions.push(format!("{grpc:?}"));
        }
        match &self.content {
            Some(Content::Json(rules)) => {
                conditions.extend(rules.iter().map(|it| format!("{it:?}")));
            }
            Some(Content::Form(rules)) => {
                conditions.extend(rules.iter().map(|it| format!("form {it:?}")));
            }
            Some(Content::Xml(rules)) => {
                conditions.extend(rules.iter().map(|it| format!("{it:?}")));
            }
            None => {}
        }
    }

    /// Whether what the head tells of the body can be right.
    pub(super) fn head_holds(&self, query: &Query<'_>) -> bool {
        let of_kind = |content: &Content| {
            !matches!(query.body, Payload::None)
                && !matches!(content.fit(query.headers), Fit::Other)
        };
        self.grpc.as_ref().is_none_or(|it| it.holds(query))
            && self.content.as_ref().is_none_or(of_kind)
    }

    /// Whether the body holds, where all else does.
    ///
    /// # Errors
    /// It must be read first, or it cannot be told.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Result<bool, Miss> {
        let (query, Some(content)) = (facts.query, &self.content) else {
            return Ok(true);
        };
        if is_coded(query.headers) {
            return Err(Miss::Undecided(
                "a route asks of the body, which is compressed",
            ));
        }
        match query.body {
            Payload::None => return Ok(false),
            Payload::Unread => return Err(Miss::NeedsBody(self.bounds)),
            // Bytes that another route, with a wider bound, has had read.
            Payload::Whole(body) if body.len() > self.bounds.max_bytes as usize => {
                return Err(Miss::BodyTooLarge(self.bounds.max_bytes));
            }
            Payload::Whole(_) => {}
        }
        match (content.holds(facts), content.fit(query.headers)) {
            (Ok(holds), _) => Ok(holds),
            (Err(Broken::Unclear(reason)), _) => Err(Miss::Undecided(reason)),
            (Err(Broken::Malformed), Fit::Declared) => Err(Miss::Undecided(
                "the body is not what its content type says",
            )),
            (Err(Broken::Malformed), _) => Ok(false),
        }
    }
}

impl Content {
    fn count(&self) -> usize {
        match self {
            Self::Json(rules) => rules.len(),
            Self::Form(rules) => rules.len(),
            Self::Xml(rules) => rules.len(),
        }
    }

    fn holds(&self, facts: &Facts<'_>) -> Result<bool, Broken> {
        match self {
            Self::Json(rules) => facts.json()?.all_hold(rules),
            Self::Form(rules) => Ok(all_hold(rules, facts.form())),
            Self::Xml(rules) => facts.xml()?.all_hold(rules),
        }
    }

    fn fit(&self, headers: &HeaderMap) -> Fit {
        let mut fields = headers.get_all(header::CONTENT_TYPE).iter().peekable();
        if fields.peek().is_none() {
            return Fit::Open;
        }
        // There is to be one. Of several, nobody knows which one the upstream goes by.
        let mut all = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
        if all.any(|field| self.is_named(field)) {
            Fit::Declared
        } else {
            Fit::Other
        }
    }

    /// Whether a content type, with its parameters, is of the kind.
    fn is_named(&self, field: &[u8]) -> bool {
        let essence = field.split(|byte| *byte == b';').next();
        let essence = essence
            .unwrap_or_default()
            .trim_ascii()
            .to_ascii_lowercase();
        match self {
            Self::Json(_) => essence == b"application/json" || essence.ends_with(b"+json"),
            Self::Form(_) => essence == b"application/x-www-form-urlencoded",
            Self::Xml(_) => {
                essence == b"application/xml"
                    || essence == b"text/xml"
                    || essence.ends_with(b"+xml")
            }
        }
    }
}

impl GrpcRule {
    /// The path is `/service/method` (gRPC over HTTP/2, Requests).
    fn holds(&self, query: &Query<'_>) -> bool {
        let content_type = query.headers.get(header::CONTENT_TYPE);
        let of_grpc = content_type.is_some_and(|it| {
            let kind = it.as_bytes().get(..16);
            kind.is_some_and(|it| it.eq_ignore_ascii_case(b"application/grpc"))
        });
        let mut segments = query.path.split('/').skip(1);
        let (service, method) = (segments.next(), segments.next());
        let wanted = self.method.as_deref();
        of_grpc
            && segments.next().is_none()
            && service == Some(&*self.service)
            && method.is_some_and(|it| wanted.is_none_or(|wanted| it == wanted))
    }
}

fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.any(|it| !it.as_bytes().eq_ignore_ascii_case(b"identity"))
}

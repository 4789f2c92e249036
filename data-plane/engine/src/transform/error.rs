//! Why a body is not transformed.

/// Why a body is not transformed, for people: it names the place where there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untransformable {
    /// It is not what it should be; where and why.
    #[error("is not {format}: {reason}")]
    Malformed {
        /// `JSON` or `XML`.
        format: &'static str,
        /// Place and reason.
        reason: String,
    },
    /// It is over a bound, whose name this is: `values`, `levels`, `elements`, `attributes` or `bytes`.
    #[error("has more than {most} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        most: usize,
    },
    /// It has what a mapping has no place for.
    #[error("at `{at}`: {reason}")]
    Inexpressible {
        /// JSON Pointer (RFC 6901) of the value, or path of the element.
        at: String,
        /// Why there is no place.
        reason: &'static str,
    },
    /// It declares a document type, which may name other documents and grow without bound.
    #[error("declares a document type")]
    DocumentType,
    /// It uses an entity that XML does not have by itself.
    #[error("uses the entity `{0}`, which is not one of the five of XML")]
    Entity(String),
}

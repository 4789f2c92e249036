//! Host, then path, then method and headers, to a route.

use std::sync::Arc;

use http::{HeaderMap, Method};
use smallvec::SmallVec;

use crate::Route;

/// What a request is matched by.
#[derive(Debug)]
pub struct Query<'a> {
    /// In lower case, without port or trailing dot.
    pub host: &'a str,
    /// Normalised.
    pub path: &'a str,
    /// The method.
    pub method: &'a Method,
    /// All header fields.
    pub headers: &'a HeaderMap,
}

/// The route that a request takes.
#[derive(Debug)]
pub struct Matched<'s> {
    /// The route.
    pub route: &'s Arc<Route>,
    /// Bytes of the path that `prefix` matched; 0 for other forms.
    pub prefix_bytes: usize,
    /// Parameters of the template: name and byte range in the path.
    pub parameters: SmallVec<[(Arc<str>, std::ops::Range<usize>); 4]>,
}

/// Why no route was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Miss {
    /// None matches host, path and headers.
    NoRoute,
    /// Some match but for the method; theirs, sorted.
    MethodNotAllowed(Vec<Method>),
}

/// The index over all routes.
#[derive(Debug, Default)]
pub(crate) struct Router;

impl Router {
    pub(crate) fn find<'s>(&'s self, _query: &Query<'_>) -> Result<Matched<'s>, Miss> {
        Err(Miss::NoRoute)
    }
}

//! What an authorizer says, whichever way it was asked.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::query;
use crate::RequestContext;

/// What it says.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The request goes on, changed like this.
    Allowed(Box<Allowed>),
    /// The client gets this instead.
    Denied {
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    },
}

/// What is changed of an allowed request.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    pub(super) headers: Vec<Change>,
    pub(super) removed: Vec<HeaderName>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) removed_parameters: Vec<String>,
    pub(super) for_client: Vec<Change>,
}

/// A field, and what is done with it.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) how: How,
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

/// What is done with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Append,
    AddIfAbsent,
    Set,
    SetIfPresent,
}

impl Change {
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        let (name, value) = (self.name.clone(), self.value.clone());
        let present = headers.contains_key(&name);
        match self.how {
            How::Append => {
                headers.append(name, value);
            }
            How::AddIfAbsent if present => {}
            How::SetIfPresent if !present => {}
            How::Set | How::AddIfAbsent | How::SetIfPresent => {
                headers.insert(name, value);
            }
        }
    }
}

impl Allowed {
    pub(super) fn apply(&self, request: &mut RequestContext) {
        for name in &self.removed {
            request.headers.remove(name);
        }
        for change in &self.headers {
            change.apply(&mut request.headers);
        }
        if !self.parameters.is_empty() || !self.removed_parameters.is_empty() {
            let changed = query::change(
                request.query.as_deref().unwrap_or_default(),
                &self.parameters,
                &self.removed_parameters,
            );
            request.query = (!changed.is_empty()).then_some(changed);
        }
    }

    pub(super) const fn has_words_for_client(&self) -> bool {
        !self.for_client.is_empty()
    }

    pub(super) fn tell_client(&self, headers: &mut HeaderMap) {
        for change in &self.for_client {
            change.apply(headers);
        }
    }
}

//! Parts of the path, so that one that cannot be read is answered like any unknown one.

use axum::{
    extract::{self, FromRequestParts},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use super::ApiError;

/// The parts of the path that stand for something.
#[derive(Debug)]
pub(super) struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = extract::Path::from_request_parts(parts, state).await;
        match path {
            Ok(extract::Path(path)) => Ok(Self(path)),
            Err(_) => Err(ApiError::UnknownPath(parts.uri.path().to_owned())),
        }
    }
}

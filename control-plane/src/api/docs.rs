//! Swagger UI, from files within the binary: it works without a network.

use std::sync::{Arc, LazyLock};

use axum::{
    http::{
        HeaderValue, Uri,
        header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{IntoResponse, Redirect, Response},
};
use utoipa_swagger_ui::Config;

use super::{ApiError, path::Path};

/// Nothing but this server is asked for anything, whatever the page says.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; frame-ancestors 'none'";

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // The relative URL also works behind a proxy that adds a prefix.
    let config = Config::new(["../openapi.json"]);
    Arc::new(config.validator_url("none").persist_authorization(false))
});

/// `GET /docs`
pub(super) async fn redirect() -> Redirect {
    Redirect::permanent("docs/")
}

/// `GET /docs/`
pub(super) async fn index(uri: Uri) -> Response {
    serve("", &uri)
}

/// `GET /docs/{file}`
pub(super) async fn file(Path(file): Path<String>, uri: Uri) -> Response {
    serve(&file, &uri)
}

fn serve(name: &str, uri: &Uri) -> Response {
    let file = match utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)) {
        Ok(Some(file)) => file,
        Ok(None) => return ApiError::UnknownPath(uri.path().to_owned()).into_response(),
        Err(error) => {
            tracing::error!(%error, "Swagger UI cannot be served");
            return ApiError::Internal.into_response();
        }
    };
    let policy = (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    let mut response = ([policy], file.bytes.into_owned()).into_response();
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::try_from(file.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if file.gzpipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

//! The sample upstream: answers every request with what it was asked, as JSON.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path},
    http::{HeaderMap, Method, StatusCode, Uri, Version},
    routing::any,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Largest request body that is read.
const MAX_BODY_BYTES: usize = 16 << 20;
/// Longest delay that `/delay/{ms}` grants.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Serves until `shutdown`. `/status/{code}` answers with that status, `/delay/{ms}` after that time.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    instance: String,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/status/{code}", any(status))
        .route("/delay/{milliseconds}", any(delay))
        .fallback(
            move |method: Method, uri: Uri, version: Version, headers: HeaderMap, body: Bytes| {
                let request = (method, uri, version);
                std::future::ready(Json(describe(&instance, &request, &headers, &body)))
            },
        )
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn status(Path(code): Path<u16>) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST)
}

async fn delay(Path(milliseconds): Path<u64>) -> Json<Value> {
    let time = Duration::from_millis(milliseconds).min(MAX_DELAY);
    tokio::time::sleep(time).await;
    Json(json!({"delayed_ms": time.as_millis()}))
}

fn describe(
    instance: &str,
    (method, uri, version): &(Method, Uri, Version),
    headers: &HeaderMap,
    body: &Bytes,
) -> Value {
    let mut fields = serde_json::Map::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match fields.get_mut(name.as_str()) {
            Some(Value::String(earlier)) => *earlier = format!("{earlier}, {text}"),
            _ => {
                fields.insert(name.to_string(), Value::String(text));
            }
        }
    }
    json!({
        "instance": instance,
        "method": method.as_str(),
        "path": uri.path(),
        "query": uri.query(),
        "version": format!("{version:?}"),
        "headers": fields,
        "body_bytes": body.len(),
        "body": std::str::from_utf8(body).ok().filter(|text| text.len() <= 4096),
    })
}

//! One request, its answer within bounds, and for how long that holds.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use reqwest::{Certificate, Client, redirect};

/// Largest answer, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Why nothing usable came back. Never has anything of the answer in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct FetchError(pub(super) String);

/// What came back.
pub(super) struct Answer {
    /// The body; none where it is still what it was.
    pub(super) body: Option<Vec<u8>>,
    pub(super) etag: String,
    pub(super) last_modified: String,
    /// For how long it holds; none where it does not say.
    pub(super) max_age: Option<Duration>,
}

/// What calls: no redirects, and only these authorities, where they are given as PEM.
pub(super) fn client(authorities: &str, timeout: Duration) -> Result<Client, FetchError> {
    let wrong = |error: reqwest::Error| FetchError(format!("no TLS: {}", causes(&error)));
    let mut builder = Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout)
        .redirect(redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION")));
    if !authorities.is_empty() {
        let certificates = Certificate::from_pem_bundle(authorities.as_bytes()).map_err(wrong)?;
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(wrong)
}

/// Asks. With what is known of the last answer, where that is still there, so that it need not be sent again.
pub(super) async fn ask(
    client: &Client,
    url: &str,
    (etag, last_modified): (&str, &str),
) -> Result<Answer, FetchError> {
    let mut request = client.get(url).header(header::ACCEPT, "application/json");
    if !etag.is_empty() {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if !last_modified.is_empty() {
        request = request.header(header::IF_MODIFIED_SINCE, last_modified);
    }
    let failed = |error: reqwest::Error| FetchError(format!("{url}: {}", causes(&error)));
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let conditional = !etag.is_empty() || !last_modified.is_empty();
    let unchanged = status == StatusCode::NOT_MODIFIED && conditional;
    if status.is_redirection() && !unchanged {
        let reason = format!("{url}: status {status}; redirects are not followed");
        return Err(FetchError(reason));
    }
    if status != StatusCode::OK && !unchanged {
        return Err(FetchError(format!("{url}: status {status}")));
    }
    let headers = response.headers();
    let mut answer = Answer {
        body: None,
        etag: text(headers, header::ETAG),
        last_modified: text(headers, header::LAST_MODIFIED),
        max_age: max_age(headers),
    };
    if unchanged {
        return Ok(answer);
    }
    let too_large = || FetchError(format!("{url}: an answer of more than 256 KiB"));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    answer.body = Some(body);
    Ok(answer)
}

/// All that it says, of its causes too; reqwest itself says little.
fn causes(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        cause = error.source();
    }
    if text.is_empty() {
        "cannot be fetched".to_owned()
    } else {
        text
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value
        .filter(|it| it.len() <= 256)
        .unwrap_or_default()
        .to_owned()
}

/// For how long an answer is fresh (RFC 9111 section 5.2.2), less its age already.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let mut found = None;
    for value in headers.get_all(header::CACHE_CONTROL) {
        for directive in value.to_str().ok()?.split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" {
                return Some(Duration::ZERO);
            }
            if let Some(seconds) = directive.strip_prefix("max-age=") {
                found = seconds.trim_matches('"').parse().ok();
            }
        }
    }
    let age = headers.get(header::AGE).and_then(|it| it.to_str().ok());
    let age: u64 = age.and_then(|it| it.trim().parse().ok()).unwrap_or(0);
    found.map(|seconds: u64| Duration::from_secs(seconds.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::max_age;

    #[test]
    fn an_answer_holds_for_as_long_as_it_says_less_its_age() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: [(Fields, Option<u64>); 7] = [
            (&[], None),
            (&[("cache-control", "public, max-age=300")], Some(300)),
            (
                &[("cache-control", "max-age=300"), ("age", "100")],
                Some(200),
            ),
            (&[("cache-control", "max-age=300"), ("age", "900")], Some(0)),
            (&[("cache-control", "max-age=300, no-cache")], Some(0)),
            (&[("cache-control", "No-Store")], Some(0)),
            (&[("cache-control", "max-age=soon")], None),
        ];
        for (fields, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(
                max_age(&headers),
                expected.map(Duration::from_secs),
                "{fields:?}"
            );
        }
    }
}

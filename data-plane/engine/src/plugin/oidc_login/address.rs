//! Where the gateway is for browsers, where they may be sent back to, and which pages may log them out.

use http::{HeaderName, Uri, header, uri::PathAndQuery};

use crate::{RequestContext, plugin::csrf::one};

/// Longest path and query that a browser is sent back to, in bytes.
const MAX_RETURN_BYTES: usize = 2048;
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Scheme, host and port, as browsers write an origin; none where the request does not name a host.
pub(super) fn origin(given: Option<&str>, request: &RequestContext) -> Option<String> {
    if let Some(given) = given {
        return Some(given.to_owned());
    }
    let host = one(&request.headers, &header::HOST).ok().flatten()?;
    let host = host.to_ascii_lowercase();
    let default = if request.client.secure { ":443" } else { ":80" };
    let host = host.strip_suffix(default).unwrap_or(&host);
    Some(format!("{}://{host}", request.scheme()))
}

/// Path and query of a request, to come back to; only its path, or `/`, where that is too long.
pub(super) fn asked_for(request: &RequestContext) -> String {
    let whole = match &request.query {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.clone(),
    };
    let forms = [whole, request.path.clone()];
    let good = forms.into_iter().find(|it| is_local(it));
    good.unwrap_or_else(|| "/".to_owned())
}

/// Whether it is a path, with or without a query, that leads nowhere else: browsers take `//` and `/\` for another host,
/// and leave out tabs and ends of lines.
pub(super) fn is_local(target: &str) -> bool {
    let leads_away = target.starts_with("//") || target.contains('\\');
    let plain = target.bytes().all(|byte| byte.is_ascii_graphic());
    target.starts_with('/')
        && !leads_away
        && plain
        && target.len() <= MAX_RETURN_BYTES
        && target.parse::<PathAndQuery>().is_ok()
}

/// Whether a page of this origin, or a person, made the browser send a request. What does not say so is taken for
/// another's.
pub(super) fn is_from(origin: &str, request: &RequestContext) -> bool {
    let headers = &request.headers;
    let (Ok(site), Ok(from), Ok(referer)) = (
        one(headers, &FETCH_SITE),
        one(headers, &header::ORIGIN),
        one(headers, &header::REFERER),
    ) else {
        return false;
    };
    match (site, from) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(from)) => from == origin,
        (None, None) => referer.is_some_and(|page| origin_of(page).as_deref() == Some(origin)),
    }
}

fn origin_of(page: &str) -> Option<String> {
    let page: Uri = page.parse().ok()?;
    let authority = page.authority()?.as_str().to_ascii_lowercase();
    Some(format!("{}://{authority}", page.scheme_str()?))
}

#[cfg(test)]
mod tests {
    use super::{is_from, is_local, origin};
    use crate::plugin::tests::Request;

    #[test]
    fn browsers_are_sent_back_to_paths_of_the_same_origin_only() {
        for good in [
            "/",
            "/a/b?c=d&e=//f",
            "/a//b",
            "/?x=https://evil.example",
            "/a:b@c",
        ] {
            assert!(is_local(good), "{good}");
        }
        let long = format!("/{}", "a".repeat(2048));
        for bad in [
            "",
            "a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "/a\\b",
            "https://evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "/a\r\nset-cookie: a=b",
            "/é",
            " /a",
            &long,
        ] {
            assert!(!is_local(bad), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_the_hosts_as_browsers_write_it() {
        let asked = |host: &str| {
            let request = Request::get("/").header("host", host).to(&[]);
            origin(None, &request)
        };
        assert_eq!(
            asked("App.example:80").as_deref(),
            Some("http://app.example")
        );
        assert_eq!(
            asked("app.example:8080").as_deref(),
            Some("http://app.example:8080")
        );
        assert_eq!(origin(None, &Request::get("/").to(&[])), None);
        let given = origin(Some("https://a"), &Request::get("/").to(&[]));
        assert_eq!(given.as_deref(), Some("https://a"));
    }

    #[test]
    fn only_pages_of_the_same_origin_count_as_such() {
        let own = "http://app.example";
        let cases: [(&[(&str, &str)], bool); 13] = [
            (&[], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", own)], false),
            (
                &[("sec-fetch-site", "none"), ("sec-fetch-site", "none")],
                false,
            ),
            (&[("origin", own)], true),
            (&[("origin", "null")], false),
            (&[("origin", "http://app.example.evil")], false),
            (&[("referer", "http://app.example/a?b")], true),
            (&[("referer", "http://app.example.evil/a")], false),
            (&[("referer", "https://app.example/a")], false),
        ];
        for (fields, expected) in cases {
            let mut request = Request::get("/").header("host", "app.example");
            for (name, value) in fields {
                request = request.header(name, value);
            }
            assert_eq!(is_from(own, &request.to(&[])), expected, "{fields:?}");
        }
    }
}

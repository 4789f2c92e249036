//! Which route a request takes, and why the others do not: asked of the engine with a request that is
//! described, not sent.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr, sync::Arc};

use gatewright_engine::{
    Action, Code, Considered, Explainer, Explanation, Miss, Payload, Query, Route, path,
    split::Backend,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most routes of other hosts and paths that are listed.
const MAX_FAR: usize = 20;
/// Most routes of the host and path that are listed.
const MAX_NEAR: usize = 200;

/// A request, described.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// Its method. Default `GET`.
    pub method: String,
    /// As `https://host/path?query`.
    pub url: String,
    /// Its fields. `Host` takes the place of the URL's.
    pub headers: BTreeMap<String, String>,
    /// The client's address, as it is trusted. Default 192.0.2.1, which belongs to nobody.
    pub client: Option<IpAddr>,
    /// The address at the other end of the connection. Default: the client's.
    pub peer: Option<IpAddr>,
    /// The name sent in TLS. Default: the URL's host, where it is `https`.
    pub server_name: Option<String>,
    /// Its body. Default: none.
    pub body: Option<String>,
}

/// Explains what a configuration does with a request. Looks at every route: not for async threads.
///
/// # Errors
/// What is wrong with the description.
pub fn explain(asked: &Asked, explainer: &Explainer) -> Result<Value, String> {
    let request = Request::read(asked)?;
    let explanation = explainer.explain(&request.query(asked));
    Ok(described(&explanation))
}

/// The request in the form that is matched.
struct Request<'a> {
    method: Method,
    headers: HeaderMap,
    host: String,
    path: Cow<'a, str>,
    query: Option<&'a str>,
    secure: bool,
    server_name: Option<String>,
}

impl<'a> Request<'a> {
    fn read(asked: &'a Asked) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a URL, as `https://host/path`", asked.url);
        let uri: Uri = asked.url.parse().map_err(|_| wrong())?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let headers = headers(&asked.headers)?;
        let of_url = uri.host().unwrap_or_default().to_ascii_lowercase();
        let given = headers.get(header::HOST).and_then(|it| it.to_str().ok());
        let host = given.map_or_else(|| of_url.clone(), bare);
        // Slices of the text, which outlives the parsed URL.
        let rest = asked.url.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split('#').next().unwrap_or_default();
        let (before, query) = match rest.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (rest, None),
        };
        let path = before.find('/').map_or("/", |place| &before[place..]);
        let method = match asked.method.as_str() {
            "" => Method::GET,
            text => text
                .parse()
                .map_err(|_| format!("`{text}` is not a method"))?,
        };
        Ok(Self {
            method,
            headers,
            host: host.strip_suffix('.').unwrap_or(&host).to_owned(),
            path: path::normalize(path).map_err(|invalid| format!("`{path}`: {invalid}"))?,
            query,
            secure,
            server_name: asked.server_name.clone().or(secure.then_some(of_url)),
        })
    }

    fn query<'q>(&'q self, asked: &'q Asked) -> Query<'q> {
        let client = asked.client.unwrap_or_else(|| [192, 0, 2, 1].into());
        Query {
            host: &self.host,
            path: &self.path,
            query: self.query,
            method: &self.method,
            headers: &self.headers,
            client,
            peer: asked.peer.unwrap_or(client),
            secure: self.secure,
            server_name: self.server_name.as_deref(),
            body: match asked.body.as_deref() {
                None | Some("") => Payload::None,
                Some(body) => Payload::Whole(body.as_bytes()),
            },
        }
    }
}

fn headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let read = |(name, value): (&String, &String)| {
        let field: HeaderName = name.parse().ok()?;
        Some((field, HeaderValue::from_str(value.trim()).ok()?))
    };
    let wrong = |name: &String| format!("`{name}` and its value are not a header field");
    given
        .iter()
        .map(|pair| read(pair).ok_or_else(|| wrong(pair.0)))
        .collect()
}

/// A host in lower case, without port.
fn bare(host: &str) -> String {
    let end = match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => colon,
        _ => host.len(),
    };
    host[..end].to_ascii_lowercase()
}

fn described(explanation: &Explanation) -> Value {
    let taken = explanation.found.as_ref().ok();
    let (near, far): (Vec<_>, Vec<_>) = explanation.considered.iter().partition(|it| it.near);
    let listed = near.iter().take(MAX_NEAR);
    let listed = listed.chain(far.iter().take(MAX_FAR));
    let routes: Vec<Value> = listed.map(|it| considered(it, taken)).collect();
    let more = explanation.considered.len() - routes.len();
    let mut body = json!({"route": null, "routes": routes, "more_routes": more});
    match &explanation.found {
        Ok(route) => {
            body["route"] = json!(*route.name);
            body["action"] = json!(action(&route.action));
            body["plugins"] = json!(route.chain.describe());
        }
        Err(miss) => {
            let (code, why) = refusal(miss);
            body["status"] = json!(code.status().as_u16());
            body["code"] = json!(code.as_str());
            body["reason"] = json!(why);
        }
    }
    body
}

fn considered(considered: &Considered, taken: Option<&Arc<Route>>) -> Value {
    let is_taken = taken.is_some_and(|taken| taken.name == considered.route.name);
    let (result, reason) = match &considered.reason {
        None if is_taken => ("taken", ""),
        None => ("matches", "comes after the one that is taken"),
        Some(reason) => ("no", reason.as_str()),
    };
    json!({"route": *considered.route.name, "result": result, "reason": reason})
}

fn action(action: &Action) -> String {
    match action {
        Action::Forward(service) => format!("forward to service `{}`", service.name),
        Action::Split(split) => {
            let backend = |it: &Backend| format!("`{}` ({})", it.service, it.weight);
            let backends: Vec<String> = split.backends.iter().map(backend).collect();
            format!("forward to one of the services {}", backends.join(", "))
        }
        Action::Strangler(strangler) => {
            let [new, legacy] = &strangler.backends;
            let (new, legacy) = (&new.service, &legacy.service);
            format!("forward to service `{new}`, and what it has not got to `{legacy}`")
        }
        Action::Redirect(redirect) => format!("redirect with {}", redirect.status.as_u16()),
        Action::Respond(fixed) => format!("answer with {}", fixed.status.as_u16()),
        Action::Closed(reason) => format!("answer with 500: {reason}"),
        Action::Disabled => "answer with 503: the service is disabled".to_owned(),
    }
}

fn refusal(miss: &Miss) -> (Code, String) {
    match miss {
        Miss::NoRoute => (Code::NoRoute, "no route matches the request".to_owned()),
        Miss::MethodNotAllowed(methods) => {
            let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
            let why = format!(
                "no route for this method; there are for {}",
                methods.join(", ")
            );
            (Code::MethodNotAllowed, why)
        }
        Miss::Undecided(why) => (Code::MatchUndecided, (*why).to_owned()),
        Miss::NeedsBody(_) => (Code::MatchUndecided, "the body is needed".to_owned()),
        Miss::BodyTooLarge(most) => (Code::BodyTooLarge, format!("the body is over {most} bytes")),
    }
}

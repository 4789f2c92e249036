//! Services.

use std::{collections::HashMap, sync::Arc};

use gatewright_proto::{
    Key, Kind, Resource,
    v1::{self, Protocol, ProxyProtocol},
};
use http::Uri;

use super::{
    Compiler, Mistake, dns, fallback, field, guard, health, retry,
    upstream::{Upstreams, WEIGHT},
};
use crate::{Service, Target, Upstream, path::normalize};

const CONNECT_TIMEOUT_MS: u32 = 5_000;
const REQUEST_TIMEOUT_MS: u32 = 15_000;
const IDLE_TIMEOUT_MS: u32 = 300_000;

/// Compiled services.
pub(super) struct Services {
    /// In force, in order of name.
    pub(super) list: Vec<Arc<Service>>,
    /// All that are known, by name.
    pub(super) by_name: HashMap<String, State>,
}

/// What a route finds when it looks for its service.
#[derive(Clone)]
pub(super) enum State {
    Ready(Arc<Service>),
    Disabled,
    Closed,
}

/// What a `url` says.
struct Url {
    secure: bool,
    host: Box<str>,
    port: u16,
    base_path: Box<str>,
}

impl Compiler<'_> {
    pub(super) fn services(&mut self, upstreams: &Upstreams) -> Services {
        let mut services = Services {
            list: Vec::new(),
            by_name: HashMap::new(),
        };
        for (key, held) in self.held(Kind::Service) {
            let Resource::Service(service) = &*held.resource else {
                continue;
            };
            let state = match self.service(key, service, upstreams, services.list.len()) {
                None => State::Closed,
                Some(_) if !held.resource.enabled() => State::Disabled,
                Some(compiled) => {
                    let compiled = Arc::new(compiled);
                    services.list.push(Arc::clone(&compiled));
                    State::Ready(compiled)
                }
            };
            services.by_name.insert(key.name.clone(), state);
        }
        services
    }

    /// None where it, or the upstream it needs, has mistakes.
    fn service(
        &mut self,
        key: &Key,
        service: &v1::Service,
        upstreams: &Upstreams,
        index: usize,
    ) -> Option<Service> {
        let mut mistakes = Vec::new();
        let connect = service.connect_timeout_ms;
        field::within("connect_timeout_ms", connect, 1..=60_000, &mut mistakes);
        let protocol = Protocol::try_from(service.protocol);
        if protocol.is_err() {
            let reason = format!("`{}` is not a protocol known here", service.protocol);
            mistakes.push(Mistake::value("protocol", reason));
        }
        let url = destination(service, &mut mistakes);
        let secure = url.as_ref().map_or(service.tls.is_some(), |url| url.secure);
        let tls = self.upstream_tls(key, service.tls.as_ref(), secure, &mut mistakes);
        let per_target = connections_per_target(service, &mut mistakes);
        let proxy_protocol = proxy_protocol(service, &mut mistakes);
        guard::check(service, &mut mistakes);
        let fallback = service.fallback.as_ref();
        let fallback = fallback.and_then(|it| fallback::fallback(it, &key.name, &mut mistakes));
        let policy = service.retry.as_ref();
        let policy = policy.map(|it| retry::retry(it, &mut self.patterns, &mut mistakes));
        let hedge = service.hedge.as_ref();
        let hedge = hedge.map(|it| retry::hedge(it, service.retry.as_ref(), &mut mistakes));
        let deadline = service.deadline.as_ref();
        let deadline = deadline.map(|it| retry::deadline(it, &mut mistakes));
        self.add_all(key, mistakes);
        if self.is_bad(key) {
            return None;
        }
        let (upstream, base_path) = match url {
            Some(url) => (of_url(&key.name, &url), url.base_path),
            None => {
                let upstream = upstreams.get(&service.upstream)?.clone()?;
                (upstream, service.path.trim_end_matches('/').into())
            }
        };
        Some(Service {
            name: key.name.as_str().into(),
            index,
            upstream,
            base_path,
            protocol: protocol.unwrap_or_default(),
            tls: tls?,
            connections_per_target: per_target,
            proxy_protocol,
            connect_timeout_ms: connect.unwrap_or(CONNECT_TIMEOUT_MS),
            request_timeout_ms: service.request_timeout_ms.unwrap_or(REQUEST_TIMEOUT_MS),
            idle_timeout_ms: service.idle_timeout_ms.unwrap_or(IDLE_TIMEOUT_MS),
            guard: Arc::new(self.guard(&key.name, service)),
            fallback: fallback.map(Arc::new),
            max_stream_duration_ms: service.max_stream_duration_ms.unwrap_or(0),
            retry: policy.unwrap_or_default(),
            hedge,
            deadline,
        })
    }
}

/// How targets are told of the client.
fn proxy_protocol(service: &v1::Service, mistakes: &mut Vec<Mistake>) -> ProxyProtocol {
    let Ok(version) = ProxyProtocol::try_from(service.proxy_protocol) else {
        let reason = format!("`{}` is not a version known here", service.proxy_protocol);
        mistakes.push(Mistake::value("proxy_protocol", reason));
        return ProxyProtocol::Off;
    };
    if version != ProxyProtocol::Off && service.protocol == i32::from(Protocol::Http2) {
        let reason = "is for `protocol: http1`; over HTTP/2 a connection is for many clients";
        mistakes.push(Mistake::value("proxy_protocol", reason));
    }
    version
}

/// How many HTTP/2 connections requests are spread over.
fn connections_per_target(service: &v1::Service, mistakes: &mut Vec<Mistake>) -> u32 {
    let Some(connections) = service.connections_per_target else {
        return 1;
    };
    let at = "connections_per_target";
    field::within(at, Some(connections), 1..=64, mistakes);
    if service.protocol == i32::from(Protocol::Http1) {
        let reason = "is for `protocol: http2`; over HTTP/1.1 there are as many as it takes";
        mistakes.push(Mistake::value(at, reason));
    }
    connections
}

/// Checks that there is exactly one of `url` and `upstream`, and reads the URL.
fn destination(service: &v1::Service, mistakes: &mut Vec<Mistake>) -> Option<Url> {
    match (service.url.is_empty(), service.upstream.is_empty()) {
        (true, true) => {
            mistakes.push(Mistake::new(
                "url",
                "required",
                "either `url` or `upstream` is required",
            ));
        }
        (false, false) => {
            let reason = "`url` and `upstream` exclude each other";
            mistakes.push(Mistake::value("upstream", reason));
        }
        _ => {}
    }
    if !service.path.is_empty() {
        if !service.url.is_empty() {
            let reason = "belongs to `upstream`; with `url` it is the URL's path";
            mistakes.push(Mistake::value("path", reason));
        }
        let normal = normalize(&service.path).is_ok_and(|normal| normal == service.path);
        if !normal {
            let reason = format!("`{}` is not a path in its normalised form", service.path);
            mistakes.push(Mistake::value("path", reason));
        }
    }
    if service.url.is_empty() {
        return None;
    }
    match url(&service.url) {
        Ok(url) => Some(url),
        Err(reason) => {
            mistakes.push(Mistake::value("url", reason));
            None
        }
    }
}

fn url(text: &str) -> Result<Url, String> {
    let wrong = |what: &str| format!("`{text}` {what}; as `http://host:port/base/path`");
    let uri: Uri = text.parse().map_err(|_| wrong("is not a URL"))?;
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(wrong("has a scheme other than http and https")),
    };
    let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("has user information, which is not sent"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(wrong("has a query or fragment"));
    }
    if !field::is_host(authority.host()) {
        return Err(wrong("has a host that is not one"));
    }
    let port = match (authority.port_u16(), secure) {
        (Some(0), _) => return Err(wrong("has port 0")),
        (Some(port), _) => port,
        (None, _) if authority.as_str().len() != authority.host().len() => {
            return Err(wrong("has a port that is not one"));
        }
        (None, true) => 443,
        (None, false) => 80,
    };
    let path =
        normalize(uri.path()).map_err(|invalid| wrong(&format!("has a bad path ({invalid})")))?;
    Ok(Url {
        secure,
        host: field::bare(authority.host()),
        port,
        base_path: path.trim_end_matches('/').into(),
    })
}

/// The upstream of a service with a `url`.
fn of_url(service: &str, url: &Url) -> Arc<Upstream> {
    Arc::new(Upstream {
        name: format!("url:{service}").into(),
        balance: Arc::default(),
        dns: dns::standard(),
        health: health::standard(),
        targets: vec![Target {
            name: "url".into(),
            host: url.host.clone(),
            port: url.port,
            weight: WEIGHT,
            priority: 0,
            srv: false,
        }],
    })
}

//! The compiled configuration of one revision: immutable, indexed for lookup, shared by all requests
//! that began under it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::SystemTime,
};

use aws_lc_rs::digest::{SHA256, digest};
use foldhash::fast::RandomState;
use gatewright_proto::{Version, v1};
use http::{HeaderValue, StatusCode};

use crate::{
    AskingHosts, LastUse, Matched, Miss, Query, Tls,
    balance::BalanceSpec,
    compile::pattern::ByText,
    dns::DnsSpec,
    guard::{Fallback, Guard, RouteGuard},
    health::HealthSpec,
    key_set::KeySet,
    mirror::Mirror,
    password::PasswordHash,
    plugin::{Chain, Instance},
    retry::{DeadlineRule, Hedge, RetryPolicy},
    route::Router,
    secret::MissingSecret,
    split::{Backend, Split},
    strangler::{FallThrough, Strangler},
};

/// Everything a node needs to serve.
#[derive(Debug)]
pub struct Snapshot {
    /// The revision it was compiled from.
    pub revision: u64,
    /// Routes, in order of name; [`Route::index`] points here.
    pub routes: Vec<Arc<Route>>,
    /// Services, in order of name; [`Service::index`] points here.
    pub services: Vec<Arc<Service>>,
    /// Callers and what proves them.
    pub consumers: Consumers,
    /// Certificates towards clients, in order of name.
    pub certificates: Vec<Arc<Certificate>>,
    /// Whose clients are asked for a certificate.
    pub asking: AskingHosts,
    /// Names of services that a rollout compares.
    pub compared: HashSet<String>,
    /// Enabled key sets, by name.
    pub key_sets: HashMap<Box<str>, Arc<KeySet>>,
    /// Secrets that certificates and services need and that are not there. Those of plugins are known to these.
    pub missing_secrets: Vec<MissingSecret>,
    /// Enabled plugins that compiled, by name: what the next compilation takes over.
    pub plugins: HashMap<Arc<str>, Arc<Instance>>,
    /// Regular expressions of routes, for the same reason.
    pub(crate) patterns: ByText,
    pub(crate) router: Router,
}

impl Snapshot {
    /// The configuration of a node that has none: every request gets 404.
    pub fn empty() -> Self {
        Self {
            revision: 0,
            routes: Vec::new(),
            services: Vec::new(),
            consumers: Consumers::default(),
            certificates: Vec::new(),
            asking: AskingHosts::default(),
            compared: HashSet::new(),
            key_sets: HashMap::new(),
            missing_secrets: Vec::new(),
            plugins: HashMap::new(),
            patterns: ByText::new(),
            router: Router::default(),
        }
    }

    /// Which route this request takes.
    ///
    /// # Errors
    /// No route matches, or only ones for other methods.
    pub fn find<'s>(&'s self, query: &Query<'_>) -> Result<Matched<'s>, Miss> {
        self.router.find(query)
    }
}

/// A compiled route.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// Its place in [`Snapshot::routes`].
    pub index: usize,
    /// What is done with a request that matches.
    pub action: Action,
    /// The plugins that run, of all scopes but consumer and group.
    pub chain: Chain,
    /// Whether the matched prefix is removed.
    pub strip_prefix: bool,
    /// The path to forward instead.
    pub rewrite: Option<crate::path::Template>,
    /// Whether the client's Host is passed on.
    pub preserve_host: bool,
    /// Whether calls of gRPC-Web are translated.
    pub grpc_web: bool,
    /// Protocols the client may switch to, in lower case.
    pub upgrades: Vec<Box<str>>,
    /// Overrides the service's request timeout; zero is none.
    pub request_timeout_ms: Option<u32>,
    /// Largest request body; zero is unlimited; none is the node's default.
    pub max_request_body_bytes: Option<u64>,
    /// What it says differently from its service of breaker and fallback.
    pub guard: Option<Arc<RouteGuard>>,
    /// When it is refused where the node is overloaded.
    pub criticality: v1::Criticality,
    /// What else it has instead of its service's; none for most routes.
    pub overrides: Option<Arc<Overrides>>,
    /// Its place among the backends of the route that it is a variant of; none for routes of their own.
    pub backend: Option<usize>,
    /// Who gets copies of its requests.
    pub mirrors: Option<Arc<[Mirror]>>,
    /// Where requests go that its service has not got.
    pub fall_through: Option<Arc<FallThrough>>,
}

impl Route {
    /// The same route with another action and chain.
    pub(crate) fn variant(&self, action: Action, chain: Chain, backend: Option<usize>) -> Self {
        Self {
            name: Arc::clone(&self.name),
            index: self.index,
            action,
            chain,
            strip_prefix: self.strip_prefix,
            rewrite: self.rewrite.clone(),
            preserve_host: self.preserve_host,
            grpc_web: self.grpc_web,
            upgrades: self.upgrades.clone(),
            request_timeout_ms: self.request_timeout_ms,
            max_request_body_bytes: self.max_request_body_bytes,
            guard: self.guard.clone(),
            criticality: self.criticality,
            overrides: self.overrides.clone(),
            backend,
            mirrors: self.mirrors.clone(),
            fall_through: None,
        }
    }

    /// The services of which one is chosen for each request; none for most routes.
    pub fn backends(&self) -> &[Backend] {
        match &self.action {
            Action::Split(split) => &split.backends,
            Action::Strangler(strangler) => &strangler.backends,
            _ => &[],
        }
    }
}

/// What a route has instead of its service's.
#[derive(Debug)]
pub struct Overrides {
    /// When a request is sent again.
    pub retry: Option<RetryPolicy>,
    /// When another attempt begins beside the first.
    pub hedge: Option<Hedge>,
    /// How clients say how long they wait.
    pub deadline: Option<DeadlineRule>,
    /// 0 is none.
    pub idle_timeout_ms: Option<u32>,
    /// 0 is none.
    pub max_stream_duration_ms: Option<u32>,
}

/// What is done with a request. The rarer ones are boxed: there may be 100,000 routes.
#[derive(Debug)]
pub enum Action {
    /// It is forwarded to a service.
    Forward(Arc<Service>),
    /// One of several variants of the route is chosen, each of which has an action and a chain of its own.
    Split(Box<Split>),
    /// Likewise, of a new service and a legacy one.
    Strangler(Box<Strangler>),
    /// The client is sent elsewhere.
    Redirect(Box<Redirect>),
    /// It is answered at once.
    Respond(Box<Fixed>),
    /// Something that the route needs was refused or is missing: it answers 500, for this reason.
    Closed(Arc<str>),
    /// Its service is disabled: it answers 503.
    Disabled,
}

/// A compiled redirect.
#[derive(Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// `http` or `https`; none keeps the request's.
    pub scheme: Option<&'static str>,
    /// None keeps the request's.
    pub host: Option<Box<str>>,
    /// None: the scheme's own where `scheme` is given, else the request's.
    pub port: Option<u16>,
    /// None keeps the request's.
    pub path: Option<crate::path::Template>,
}

/// A compiled fixed answer.
#[derive(Debug)]
pub struct Fixed {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: bytes::Bytes,
    /// Its content type.
    pub content_type: HeaderValue,
}

/// A compiled service.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: Arc<str>,
    /// Its place in [`Snapshot::services`].
    pub index: usize,
    /// Its targets.
    pub upstream: Arc<Upstream>,
    /// Path put before the request's own; empty or `/base` without a trailing slash.
    pub base_path: Box<str>,
    /// Version of HTTP to speak.
    pub protocol: v1::Protocol,
    /// TLS to speak; none is plain text.
    pub tls: Option<Arc<Tls>>,
    /// 1 to 60,000.
    pub connect_timeout_ms: u32,
    /// 0 is none.
    pub request_timeout_ms: u32,
    /// 0 is none.
    pub idle_timeout_ms: u32,
    /// What protects it.
    pub guard: Arc<Guard>,
    /// What is answered where it cannot, or fails.
    pub fallback: Option<Arc<Fallback>>,
    /// 0 is none.
    pub max_stream_duration_ms: u32,
    /// When a request is sent again.
    pub retry: RetryPolicy,
    /// When another attempt begins beside the first.
    pub hedge: Option<Hedge>,
    /// How clients say how long they wait.
    pub deadline: Option<DeadlineRule>,
    /// How targets are told of the client.
    pub proxy_protocol: v1::ProxyProtocol,
    /// HTTP/2 connections that requests are spread over, a worker and address.
    pub connections_per_target: u32,
}

/// Compiled targets and how to balance over them. A service with a `url` has one of its own, named
/// `url:SERVICE`.
#[derive(Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// How a target is picked.
    pub balance: Arc<BalanceSpec>,
    /// How names are looked up.
    pub dns: DnsSpec,
    /// How its targets are known to be fit for requests.
    pub health: HealthSpec,
    /// Enabled targets, in order of name. One with weight 0 gets nothing new.
    pub targets: Vec<Target>,
}

/// A compiled target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: Arc<str>,
    /// Host name, or address without brackets.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
    /// 0 to 65,535.
    pub weight: u32,
    /// 0 is preferred.
    pub priority: u32,
    /// Whether the host is the name of a service, which tells ports; its own is 0 then.
    pub srv: bool,
}

/// Callers and what proves them.
#[derive(Debug, Default)]
pub struct Consumers {
    /// By name.
    pub by_name: HashMap<Arc<str>, Arc<Consumer>>,
    /// By the SHA-256 of the key.
    pub by_key: HashMap<[u8; 32], Arc<Credential>, RandomState>,
    /// By user name.
    pub by_username: HashMap<Box<str>, Login>,
    /// The hashes among those, in order of the credentials' names.
    pub passwords: Vec<Arc<PasswordHash>>,
}

/// What a user name stands for.
#[derive(Debug)]
pub struct Login {
    /// What its password proves.
    pub credential: Arc<Credential>,
    /// The hash of it.
    pub hash: Arc<PasswordHash>,
}

impl Consumers {
    /// A hash to compare the password of an unknown user with, so that it takes as long as for a known
    /// one: always the same for a name. None where there are no passwords.
    pub fn decoy(&self, username: &str) -> Option<&Arc<PasswordHash>> {
        let digest = digest(&SHA256, username.as_bytes());
        let place = digest.as_ref()[..8]
            .iter()
            .fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        self.passwords.get(place.checked_rem(self.passwords.len())?)
    }
}

/// A compiled consumer.
#[derive(Debug)]
pub struct Consumer {
    /// Its name.
    pub name: Arc<str>,
    /// Enabled groups it is in, sorted.
    pub groups: Vec<Arc<str>>,
    /// Plugins attached to it or to its groups, in the order of the chain.
    pub plugins: Vec<Arc<Instance>>,
    /// Its name as a field value, for upstreams.
    pub name_field: Option<HeaderValue>,
    /// Its groups as one, separated by commas; none without groups.
    pub groups_field: Option<HeaderValue>,
}

impl Consumer {
    /// With `groups` sorted and `plugins` in the order of the chain.
    pub fn new(name: Arc<str>, groups: Vec<Arc<str>>, plugins: Vec<Arc<Instance>>) -> Self {
        Self {
            name_field: HeaderValue::from_str(&name).ok(),
            groups_field: (!groups.is_empty())
                .then(|| HeaderValue::from_str(&groups.join(",")).ok())
                .flatten(),
            name,
            groups,
            plugins,
        }
    }
}

/// A compiled credential of an enabled consumer.
#[derive(Debug)]
pub struct Credential {
    /// Its name.
    pub name: Arc<str>,
    /// The consumer it proves.
    pub consumer: Arc<Consumer>,
    /// What it allows.
    pub scopes: Vec<Arc<str>>,
    /// From when on it is not accepted.
    pub expires_at: Option<SystemTime>,
    /// When it was last accepted; outlives revisions.
    pub last_use: Arc<LastUse>,
}

impl Credential {
    /// Whether it is accepted now, by this machine's clock.
    pub fn is_in_force(&self) -> bool {
        self.expires_at.is_none_or(|end| SystemTime::now() < end)
    }
}

/// A certificate towards clients, its key checked to belong to it.
#[derive(Debug)]
pub struct Certificate {
    /// Its name.
    pub name: Arc<str>,
    /// Content version of the resource, and hash of its private key.
    pub versions: (Version, Option<Version>),
    /// Names it is picked for, in lower case, exact or `*.example.com`.
    pub hosts: Vec<Box<str>>,
    /// Chain and key, ready for TLS.
    pub certified: Arc<rustls::sign::CertifiedKey>,
}

impl Certificate {
    /// Whether it is for this host, in lower case. A wildcard stands for one label.
    pub fn covers(&self, host: &str) -> bool {
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.hosts.iter().any(|own| match own.strip_prefix("*.") {
            Some(suffix) => parent == Some(suffix),
            None => **own == *host,
        })
    }
}

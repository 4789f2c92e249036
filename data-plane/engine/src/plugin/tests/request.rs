//! Requests for tests of plugins, which read as a sentence:
//! `Request::get("/").from("10.0.0.1").refusal(&plugin)`.

use std::{sync::Arc, time::SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use gatewright_proto::{
    Version,
    v1::{self, Attach, attach::To},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use serde_json::Value;

use crate::{
    Action, Client, CompileError, Consumer, Consumers, Credential, Identity, Login, Rejection,
    RequestContext, ResourceSet, Route, Snapshot,
    password::PasswordHash,
    plugin::{Answer, Chain, Instance, PLUGINS, Registry, admit, respond},
};

/// A resource of this type, attached to everything, named `test`.
pub(crate) fn resource(kind: &str, settings: &Value) -> v1::Plugin {
    v1::Plugin {
        name: "test".to_owned(),
        r#type: kind.to_owned(),
        attach: Some(attach("global", "")),
        settings: settings.to_string(),
        ..v1::Plugin::default()
    }
}

pub(crate) fn attach(to: &str, name: &str) -> Attach {
    let name = name.to_owned();
    let to = match to {
        "service" => To::Service(name),
        "route" => To::Route(name),
        "consumer" => To::Consumer(name),
        "consumer_group" => To::ConsumerGroup(name),
        _ => To::Global(true),
    };
    Attach { to: Some(to) }
}

pub(crate) fn example(kind: &str) -> &'static str {
    PLUGINS
        .iter()
        .find(|it| it.name == kind)
        .expect("a type")
        .example
}

pub(crate) fn build(
    registry: &Registry,
    plugin: &v1::Plugin,
) -> Result<Arc<Instance>, Vec<CompileError>> {
    let version = Version::of(&gatewright_proto::Resource::Plugin(plugin.clone()));
    registry.build((plugin, version), &ResourceSet::default(), None)
}

/// A registry whose instances share state, as over configurations.
pub(crate) struct Planes(Registry);

pub(crate) fn limited_registry() -> Planes {
    Planes(Registry::default())
}

impl Planes {
    pub(crate) fn plugin(&self, kind: &str, settings: &Value) -> Arc<Instance> {
        build(&self.0, &resource(kind, settings)).expect("it is valid")
    }
}

/// An instance with these settings.
pub(crate) fn plugin(kind: &str, settings: &Value) -> Arc<Instance> {
    limited_registry().plugin(kind, settings)
}

/// Fields with mistakes.
pub(crate) fn mistakes(kind: &str, settings: &Value) -> Vec<String> {
    let built = build(&Registry::default(), &resource(kind, settings));
    let errors = built.err().unwrap_or_default();
    errors.into_iter().map(|error| error.field).collect()
}

/// Fields with references, and what they name.
pub(crate) fn reference_fields(kind: &str, settings: &Value) -> Vec<String> {
    let references = Registry::default().references(&resource(kind, settings));
    references
        .iter()
        .map(|it| format!("{} {}", it.field, it.key))
        .collect()
}

pub(crate) fn consumer(name: &str, groups: &[&str]) -> Consumer {
    let groups = groups.iter().copied().map(Arc::from).collect();
    Consumer::new(name.into(), groups, Vec::new())
}

/// A request, and what the gateway it is sent to knows.
pub(crate) struct Request {
    pub(crate) context: RequestContext,
    consumers: Consumers,
    key_sets: Vec<Arc<crate::key_set::KeySet>>,
}

/// What became of it.
pub(crate) struct Outcome {
    pub(crate) context: RequestContext,
    pub(crate) answer: Option<Answer>,
    pub(crate) headers: HeaderMap,
}

impl Outcome {
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        match &self.answer {
            Some(Answer::Reject(rejection)) => Some(rejection.code.as_str()),
            Some(Answer::Respond(_)) | None => None,
        }
    }
}

impl Request {
    pub(crate) fn get(target: &str) -> Self {
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        Self {
            context: RequestContext {
                snapshot: Arc::new(snapshot(Consumers::default())),
                route: Arc::new(route(Vec::new())),
                client: Client {
                    address: [192, 0, 2, 1].into(),
                    secure: false,
                    tls: None,
                },
                method: Method::GET,
                host: "example.com".into(),
                path: path.to_owned(),
                query: query.map(str::to_owned),
                written: None,
                has_body: false,
                headers: HeaderMap::new(),
                consumer: None,
                credential: None,
                claims: None,
                certificate: None,
                authenticated_by: Default::default(),
                decisions: Default::default(),
                fault: None,
                renewal: None,
                notes: Default::default(),
            },
            consumers: Consumers::default(),
            key_sets: Vec::new(),
        }
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.context.method = method.parse().unwrap();
        self
    }

    pub(crate) fn from(mut self, address: &str) -> Self {
        self.context.client.address = address.parse().unwrap();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.context
            .headers
            .append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// Of a consumer that is known already.
    pub(crate) fn with_keys(mut self, set: Arc<crate::key_set::KeySet>) -> Self {
        self.key_sets.push(set);
        self
    }

    pub(crate) fn of(mut self, consumer: Consumer) -> Self {
        self.context.consumer = Some(Arc::new(consumer));
        self
    }

    /// Of a consumer whose credential was proven, and allows this.
    pub(crate) fn with_scopes(mut self, consumer: Consumer, scopes: &[&str]) -> Self {
        let credential = Arc::new(Credential {
            name: "proven".into(),
            consumer: Arc::new(consumer),
            scopes: scopes.iter().copied().map(Arc::from).collect(),
            expires_at: None,
            last_use: Arc::default(),
        });
        let identity = Identity::of_credential("test", &credential);
        self.context.identify(identity).unwrap();
        self
    }

    /// To a gateway that knows this consumer by this key.
    pub(crate) fn knowing(mut self, consumer: Consumer, key: &str) -> Self {
        let consumer = Arc::new(consumer);
        let hash = digest(&SHA256, key.as_bytes()).as_ref().try_into().unwrap();
        let credential = Credential {
            name: format!("{}-key", consumer.name).into(),
            consumer: Arc::clone(&consumer),
            scopes: Vec::new(),
            expires_at: None,
            last_use: Arc::default(),
        };
        self.consumers.by_key.insert(hash, Arc::new(credential));
        self.consumers
            .by_name
            .insert(Arc::clone(&consumer.name), consumer);
        self
    }

    /// To a gateway that knows this consumer by this user name, until then.
    pub(crate) fn knowing_login(
        mut self,
        (consumer, expires_at): (Consumer, Option<SystemTime>),
        username: &str,
        hash: &Arc<PasswordHash>,
    ) -> Self {
        let credential = Credential {
            name: format!("{}-login", consumer.name).into(),
            consumer: Arc::new(consumer),
            scopes: Vec::new(),
            expires_at,
            last_use: Arc::default(),
        };
        let login = Login {
            credential: Arc::new(credential),
            hash: Arc::clone(hash),
        };
        self.consumers.passwords.push(Arc::clone(hash));
        self.consumers.by_username.insert(username.into(), login);
        self
    }

    /// What plugins see of it, on a route with this chain.
    pub(crate) fn to(mut self, plugins: &[Arc<Instance>]) -> RequestContext {
        self.context.route = Arc::new(route(plugins.to_vec()));
        self.context
    }

    /// Runs a chain, there and back.
    pub(crate) async fn through(self, plugins: &[Arc<Instance>]) -> Outcome {
        self.back(plugins, HeaderMap::new()).await
    }

    async fn back(mut self, plugins: &[Arc<Instance>], upstream: HeaderMap) -> Outcome {
        let sets = self.key_sets.into_iter();
        self.context.snapshot = Arc::new(Snapshot {
            key_sets: sets.map(|set| (set.name.clone(), set)).collect(),
            ..snapshot(self.consumers)
        });
        self.context.route = Arc::new(route(plugins.to_vec()));
        let (ran, answer) = admit(&mut self.context).await;
        let mut parts = Response::new(()).into_parts().0;
        parts.headers = upstream;
        respond(&ran, &self.context, &mut parts);
        Outcome {
            context: self.context,
            answer,
            headers: parts.headers,
        }
    }

    async fn alone(self, plugin: &Arc<Instance>) -> Outcome {
        self.through(std::slice::from_ref(plugin)).await
    }

    pub(crate) async fn refusal(self, plugin: &Arc<Instance>) -> Option<&'static str> {
        self.alone(plugin).await.refusal()
    }

    pub(crate) async fn rejection(self, plugin: &Arc<Instance>) -> Option<Rejection> {
        match self.alone(plugin).await.answer {
            Some(Answer::Reject(rejection)) => Some(rejection),
            Some(Answer::Respond(_)) | None => None,
        }
    }

    pub(crate) async fn answer(self, plugin: &Arc<Instance>) -> Option<Response<Bytes>> {
        match self.alone(plugin).await.answer {
            Some(Answer::Respond(response)) => Some(response),
            Some(Answer::Reject(_)) | None => None,
        }
    }

    /// What the upstream sees.
    pub(crate) async fn forwarded(self, plugin: &Arc<Instance>) -> RequestContext {
        let outcome = self.alone(plugin).await;
        assert_eq!(outcome.refusal(), None);
        outcome.context
    }

    /// What the client sees of a response with these fields.
    pub(crate) async fn response(
        self,
        plugin: &Arc<Instance>,
        upstream: &[(&str, &str)],
    ) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in upstream {
            let name: HeaderName = name.parse().unwrap();
            fields.append(name, HeaderValue::from_str(value).unwrap());
        }
        self.back(std::slice::from_ref(plugin), fields)
            .await
            .headers
    }
}

fn snapshot(consumers: Consumers) -> Snapshot {
    Snapshot {
        consumers,
        ..Snapshot::empty()
    }
}

fn route(plugins: Vec<Arc<Instance>>) -> Route {
    Route {
        name: "test".into(),
        index: 0,
        action: Action::Disabled,
        chain: Chain::new(plugins),
        strip_prefix: false,
        rewrite: None,
        preserve_host: false,
        grpc_web: false,
        upgrades: Vec::new(),
        request_timeout_ms: None,
        max_request_body_bytes: None,
        guard: None,
        criticality: Default::default(),
        overrides: None,
        backend: None,
        mirrors: None,
        fall_through: None,
    }
}

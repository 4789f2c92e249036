//! Plugins: policies applied to requests. One file each; [`PLUGINS`] lists them.
//!
//! Building is typed ([`Configure`]), running is not ([`Plugin`]). Hooks are synchronous; one that
//! must wait returns [`Flow::Wait`], and only it pays for the allocation. [`Registry::build`] turns a
//! resource into an [`Instance`], a [`Chain`] puts instances in order, [`admit`] and [`respond`] run
//! them.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Response, response};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::{Code, Rejection, RequestContext, reference::Reference, secret::SecretSources};

mod chain;
mod client_credentials;
mod clients;
mod instance;
mod page;
mod registry;
mod run;
mod secret_ref;
mod server;
mod settings;
mod spelling;
mod state;
pub(crate) mod when;

mod acl;
mod authorize;
mod authorizer;
mod basic_auth;
mod body;
mod bot_rules;
mod cors;
mod csrf;
mod ext_authz;
mod fault;
mod headers;
mod identity;
mod introspection;
mod ip_filter;
mod ip_reputation;
mod json_body;
mod json_schema;
mod jwt;
mod key_auth;
mod media;
mod oauth;
mod oidc_login;
mod opa;
mod rate_limit;
mod request_guard;
mod security_headers;

#[cfg(test)]
pub(crate) mod tests;

pub use body::{Seen, WantsBody, admit_body};
pub use chain::{Chain, Described};
pub use clients::{
    Answering, CallError, Caller, Clients, Heavy, Job, Pending, Question, Server, Trailers,
};
pub use fault::Injection;
pub use instance::{Instance, Scope};
pub use page::plugin_page;
pub use registry::Registry;
pub use run::{Answer, Ran, admit, admit_rest, respond};
pub use secret_ref::{SecretRef, UsedSecret};
pub use server::Authorities;
pub use spelling::nearest;
pub use state::States;

/// A policy at work.
pub trait Plugin: Send + Sync + std::fmt::Debug {
    /// Looks at a request before it is forwarded, and may change it or answer it.
    fn on_request<'a>(&'a self, _request: &'a mut RequestContext) -> Flow<'a> {
        Flow::Continue
    }

    /// Looks at the whole body, where `on_request` asked for it, once every plugin has let the request
    /// through and before it is forwarded.
    fn on_body<'a>(&'a self, _request: &'a mut RequestContext, _body: &'a [u8]) -> Flow<'a> {
        Flow::Continue
    }

    /// Looks at the beginning of the body, where `on_request` asked for it, at the same moment. Where it is not the
    /// `whole` body, the rest has not arrived yet.
    fn on_beginning<'a>(
        &'a self,
        _request: &'a mut RequestContext,
        _body: &'a [u8],
        _whole: bool,
    ) -> Flow<'a> {
        Flow::Continue
    }

    /// Looks at the head of the response before the client sees it, and may change it. Also called
    /// for answers of the gateway itself, if `on_request` was.
    fn on_response(&self, _request: &RequestContext, _response: &mut response::Parts) {}

    /// Whether it looks at the client's certificate, so that clients have to be asked for one.
    fn wants_client_certificate(&self) -> bool {
        false
    }

    /// Tells the present values of what it wants in the metrics. Called when they are read.
    fn gauges(&self, _tell: &mut dyn FnMut(Gauge<'_>)) {}

    /// Tells how often what has happened that it counts: names in snake_case, few. Called when metrics are read.
    fn events(&self, _tell: &mut dyn FnMut(&'static str, u64)) {}
}

/// The gauge of adaptive rate limits: the share of a limit that is in force, 0 to 1.
pub const EFFECTIVE_RATE: &str = "rate_limit_effective_ratio";

/// A value of a plugin for the metrics, of which the labels are the instance and a service.
#[derive(Clone, Copy, Debug)]
pub struct Gauge<'a> {
    /// Name of the metric, without the prefix.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Name of the service.
    pub service: &'a str,
    /// The value.
    pub value: f64,
}

/// What a plugin wants done.
pub enum Flow<'a> {
    /// Go on.
    Continue,
    /// Refuse; in shadow mode, record it and go on.
    Reject(Rejection),
    /// Answer with this; not a refusal (a CORS preflight, a cached answer).
    Respond(Box<Response<Bytes>>),
    /// Go on, with this bound on the body, or to look at the body later.
    Body(WantsBody),
    /// Let the request meet a fault where it would be forwarded, unless another plugin has asked for one.
    Inject(Box<Injection>),
    /// Decide after waiting. The plugin bounds the time.
    Wait(Pin<Box<dyn Future<Output = Flow<'a>> + Send + 'a>>),
}

/// How a plugin type is described and built.
pub trait Configure: Plugin + Sized + 'static {
    /// kebab-case, as in `type:`.
    const NAME: &'static str;
    /// One line for `gatewright plugins`.
    const SUMMARY: &'static str;
    /// A page of documentation, in Markdown; the schema is appended to it.
    const DOCS: &'static str;
    /// Settings that work, as YAML; a test builds every one of them.
    const EXAMPLE: &'static str;
    /// Default place in the chain, -10,000 to 10,000.
    const ORDER: i32;
    /// Whether it may refuse, so that `mode: shadow` means something.
    const REFUSES: bool;
    /// Whether it may be attached to consumers and groups. Not those that find out who the consumer is.
    const PER_CONSUMER: bool;
    /// Its settings: `deny_unknown_fields`, every field documented with unit, range and default.
    type Settings: DeserializeOwned + JsonSchema;

    /// Builds an instance.
    ///
    /// # Errors
    /// Everything wrong with the settings.
    fn configure(settings: Self::Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>>;

    /// Which resources the settings name, fields relative to the settings.
    fn references(_settings: &Self::Settings) -> Vec<Reference> {
        Vec::new()
    }
}

/// One mistake in settings.
#[derive(Debug)]
pub struct InvalidSetting {
    /// Path within the settings, as `limits[0].requests`; empty for the settings as a whole.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

impl InvalidSetting {
    /// One mistake, and where.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// What an instance is built with.
#[derive(Debug)]
pub struct Build<'a> {
    /// Name of the instance.
    pub name: &'a Arc<str>,
    /// State kept for it across configurations.
    pub states: &'a States,
    /// What the node does for it.
    pub clients: &'a Clients,
    /// Where secrets are.
    sources: SecretSources<'a>,
    /// Those it has asked for.
    used: secret_ref::Used,
}

/// Builds a policy from settings in JSON.
type BuildPlugin = fn(&str, &Build<'_>) -> Result<Box<dyn Plugin>, Vec<InvalidSetting>>;

/// A plugin type, erased.
#[derive(Debug)]
pub struct PluginType {
    /// See [`Configure::NAME`].
    pub name: &'static str,
    /// See [`Configure::SUMMARY`].
    pub summary: &'static str,
    /// See [`Configure::DOCS`].
    pub docs: &'static str,
    /// See [`Configure::EXAMPLE`].
    pub example: &'static str,
    /// See [`Configure::ORDER`].
    pub order: i32,
    /// See [`Configure::REFUSES`].
    pub refuses: bool,
    /// See [`Configure::PER_CONSUMER`].
    pub per_consumer: bool,
    /// Schema of the settings.
    pub schema: fn() -> Schema,
    build: BuildPlugin,
    references: fn(&str) -> Vec<Reference>,
}

impl PluginType {
    const fn of<P: Configure>() -> Self {
        Self {
            name: P::NAME,
            summary: P::SUMMARY,
            docs: P::DOCS,
            example: P::EXAMPLE,
            order: P::ORDER,
            refuses: P::REFUSES,
            per_consumer: P::PER_CONSUMER,
            schema: settings::schema::<P>,
            build: settings::build::<P>,
            references: settings::references::<P>,
        }
    }
}

/// Every plugin type, in the default order of execution: cheap refusals, identity, limits, rewriting.
pub const PLUGINS: &[PluginType] = &[
    PluginType::of::<security_headers::SecurityHeaders>(),
    PluginType::of::<ip_filter::IpFilter>(),
    PluginType::of::<ip_reputation::IpReputation>(),
    PluginType::of::<bot_rules::BotRules>(),
    PluginType::of::<cors::Cors>(),
    PluginType::of::<request_guard::RequestGuard>(),
    PluginType::of::<csrf::Csrf>(),
    identity::AUTHENTICATE,
    identity::plugin_type::<key_auth::KeyAuth>(),
    identity::plugin_type::<jwt::Jwt>(),
    identity::plugin_type::<introspection::Introspection>(),
    identity::plugin_type::<basic_auth::BasicAuth>(),
    identity::plugin_type::<oidc_login::OidcLogin>(),
    PluginType::of::<acl::Acl>(),
    PluginType::of::<authorize::Authorize>(),
    PluginType::of::<ext_authz::ExtAuthz>(),
    PluginType::of::<opa::Opa>(),
    PluginType::of::<rate_limit::RateLimit>(),
    PluginType::of::<json_schema::JsonBodies>(),
    PluginType::of::<fault::Fault>(),
    PluginType::of::<client_credentials::ClientCredentials>(),
    PluginType::of::<headers::Headers>(),
];

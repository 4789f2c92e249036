//! Plugins: policies applied to requests. One file each; [`PLUGINS`] lists them.
//!
//! Building is typed ([`Configure`]), running is not ([`Plugin`]). Hooks are synchronous; one that
//! must wait returns [`Flow::Wait`], and only it pays for the allocation.

use std::{any::Any, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Response, response};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::{Rejection, RequestContext, reference::Reference};

/// A policy at work.
pub trait Plugin: Send + Sync + std::fmt::Debug {
    /// Looks at a request before it is forwarded, and may change it or answer it.
    fn on_request<'a>(&'a self, _request: &'a mut RequestContext) -> Flow<'a> {
        Flow::Continue
    }

    /// Looks at the head of the response before the client sees it, and may change it. Also called
    /// for answers of the gateway itself, if `on_request` was.
    fn on_response(&self, _request: &RequestContext, _response: &mut response::Parts) {}
}

/// What a plugin wants done.
pub enum Flow<'a> {
    /// Go on.
    Continue,
    /// Refuse; in shadow mode, record it and go on.
    Reject(Rejection),
    /// Answer with this; not a refusal (a CORS preflight, a cached answer).
    Respond(Box<Response<Bytes>>),
    /// Decide after waiting.
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
    /// Path within the settings, as `limits[0].requests`.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

/// What an instance is built with.
#[derive(Debug)]
pub struct Build<'a> {
    /// Name of the instance.
    pub name: &'a Arc<str>,
    /// State kept for it across configurations.
    pub states: &'a States,
}

/// State that outlives configurations, such as counters, by plugin type and instance name.
#[derive(Clone, Debug, Default)]
pub struct States;

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
    /// Schema of the settings.
    pub schema: fn() -> Schema,
}

/// Every plugin type, in the default order of execution: cheap refusals, identity, limits, rewriting.
pub const PLUGINS: &[PluginType] = &[];

/// The plugin types that a plane understands, and the state of its instances.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The types.
    pub types: Vec<&'static PluginType>,
    /// The state.
    pub states: States,
}

impl Default for Registry {
    /// All of [`PLUGINS`].
    fn default() -> Self {
        Self {
            types: PLUGINS.iter().collect(),
            states: States,
        }
    }
}

/// A plugin resource, compiled.
#[derive(Debug)]
pub struct Instance {
    /// Name of the resource.
    pub name: Arc<str>,
    /// Place in the chain.
    pub order: i32,
    /// The policy.
    pub plugin: Box<dyn Plugin>,
}

/// The plugins of a route, in order.
#[derive(Debug, Default)]
pub struct Chain {
    /// In the order they run.
    pub instances: Vec<Arc<Instance>>,
}

/// Leaves something in a request for the same instance's `on_response`.
pub type Note = Box<dyn Any + Send + Sync>;

//! A plugin resource, compiled.

use std::{cmp::Ordering, fmt, sync::Arc};

use gatewright_proto::{
    Version,
    v1::{Attach, attach::To},
};

use super::{Flow, Gauge, Plugin, UsedSecret, when::When};
use crate::{Action, Code, Rejection, RequestContext};

/// A plugin resource, compiled.
#[derive(Debug)]
pub struct Instance {
    /// Name of the resource.
    pub name: Arc<str>,
    /// Name of the plugin type.
    pub plugin_type: &'static str,
    /// Content version of the resource; none where it was refused.
    pub version: Option<Version>,
    /// Place in the chain.
    pub order: i32,
    /// What it is attached to.
    pub scope: Scope,
    /// Whether refusals are only recorded.
    pub shadow: bool,
    /// Whether its type may refuse: then it runs when in doubt.
    pub(super) refuses: bool,
    /// Condition to run.
    pub(super) when: Option<When>,
    /// What it does not apply to, where only the request tells: consumers and groups, and for an
    /// instance attached to those, routes and services too. (The chains of routes are compiled
    /// without what does not apply to them.)
    pub(super) except: Box<[Scope]>,
    /// The policy.
    pub plugin: Box<dyn Plugin>,
    /// The secrets it was built with. Where one is missing it refuses every request that it applies to.
    pub secrets: Box<[UsedSecret]>,
}

/// What a plugin is attached to, or does not apply to. From broad to narrow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every request.
    Global,
    /// Requests to this service.
    Service(Arc<str>),
    /// Requests that match this route.
    Route(Arc<str>),
    /// Requests of consumers in this group.
    ConsumerGroup(Arc<str>),
    /// Requests of this consumer.
    Consumer(Arc<str>),
}

impl Scope {
    /// Reads it from a resource; none where nothing is named or `global` is false.
    pub fn of(attach: &Attach) -> Option<Self> {
        Some(match attach.to.as_ref()? {
            To::Global(true) => Self::Global,
            To::Global(false) => return None,
            To::Service(name) => Self::Service(name.as_str().into()),
            To::Route(name) => Self::Route(name.as_str().into()),
            To::Consumer(name) => Self::Consumer(name.as_str().into()),
            To::ConsumerGroup(name) => Self::ConsumerGroup(name.as_str().into()),
        })
    }

    /// Whether it is told by who the consumer is.
    pub const fn per_consumer(&self) -> bool {
        matches!(self, Self::Consumer(_) | Self::ConsumerGroup(_))
    }

    const fn breadth(&self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Service(_) => 1,
            Self::Route(_) => 2,
            Self::ConsumerGroup(_) => 3,
            Self::Consumer(_) => 4,
        }
    }

    /// Whether a request is within it, as far as is known by now.
    fn includes(&self, request: &RequestContext) -> bool {
        let consumer = request.consumer.as_deref();
        match self {
            Self::Consumer(name) => consumer.is_some_and(|it| it.name == *name),
            Self::ConsumerGroup(name) => consumer.is_some_and(|it| it.groups.contains(name)),
            Self::Route(name) => request.route.name == *name,
            Self::Service(name) => match &request.route.action {
                Action::Forward(service) => service.name == *name,
                _ => false,
            },
            Self::Global => false,
        }
    }
}

impl fmt::Display for Scope {
    /// As a key is written: `route/orders`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => out.write_str("global"),
            Self::Service(name) => write!(out, "service/{name}"),
            Self::Route(name) => write!(out, "route/{name}"),
            Self::ConsumerGroup(name) => write!(out, "consumer_group/{name}"),
            Self::Consumer(name) => write!(out, "consumer/{name}"),
        }
    }
}

impl Instance {
    /// Stands for a resource that this node refused: it answers every request with
    /// [`Code::ConfigurationRefused`], before anything else runs.
    pub fn closed(name: Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            plugin: Box::new(Closed(Arc::clone(&name))),
            name,
            plugin_type: "closed",
            version: None,
            order: i32::MIN,
            scope: Scope::Global,
            shadow: false,
            refuses: true,
            when: None,
            except: Box::new([]),
            secrets: Box::new([]),
        })
    }

    /// Which of two runs first: lower order, then broader scope, then name.
    pub fn cmp_place(&self, other: &Self) -> Ordering {
        let place = |instance: &Self| (instance.order, instance.scope.breadth());
        place(self)
            .cmp(&place(other))
            .then_with(|| self.name.cmp(&other.name))
    }

    /// The CEL expression of `when`; empty for none.
    pub fn condition(&self) -> &str {
        self.when.as_ref().map_or("", When::source)
    }

    /// See [`Plugin::gauges`].
    pub fn gauges(&self, tell: &mut dyn FnMut(Gauge<'_>)) {
        self.plugin.gauges(tell);
    }

    /// See [`Plugin::wants_client_certificate`].
    pub fn wants_client_certificate(&self) -> bool {
        self.plugin.wants_client_certificate()
    }

    /// See [`Plugin::events`].
    pub fn events(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        self.plugin.events(tell);
    }

    /// Whether it does not apply to this request.
    pub(super) fn spares(&self, request: &RequestContext) -> bool {
        self.except.iter().any(|scope| scope.includes(request))
    }
}

/// See [`Instance::closed`].
#[derive(Debug)]
struct Closed(Arc<str>);

impl Plugin for Closed {
    fn on_request<'a>(&'a self, _request: &'a mut RequestContext) -> Flow<'a> {
        Flow::Reject(Rejection::new(
            Code::ConfigurationRefused,
            format!("plugin `{}` was refused by this node", self.0),
        ))
    }
}

//! The plugins of a route, in order.

use std::sync::Arc;

use serde::Serialize;

use super::Instance;

/// The plugins of a route, in order. Every attached instance runs; a narrower scope adds to a broader
/// one and never replaces it.
#[derive(Debug, Default)]
pub struct Chain {
    /// In the order they run.
    pub instances: Vec<Arc<Instance>>,
}

/// One step of an effective chain, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Name of the instance.
    pub name: String,
    /// Plugin type.
    #[serde(rename = "type")]
    pub plugin_type: String,
    /// Place in the chain.
    pub order: i32,
    /// What it is attached to: `global`, or as `route/orders`.
    pub scope: String,
    /// `enforce` or `shadow`.
    pub mode: &'static str,
    /// Condition; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub when: String,
    /// Consumers and groups that it does not apply to, as `consumer/alice`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

impl Chain {
    /// What is in either, each once.
    pub(crate) fn joined(self, other: &Self) -> Self {
        let mut all = self.instances;
        for instance in &other.instances {
            if !all.iter().any(|it| Arc::ptr_eq(it, instance)) {
                all.push(Arc::clone(instance));
            }
        }
        Self::new(all)
    }

    /// Puts instances in order: by `order`, then from broad to narrow scope (global, service, route,
    /// consumer group, consumer), then by name.
    pub fn new(mut instances: Vec<Arc<Instance>>) -> Self {
        instances.sort_by(|one, other| one.cmp_place(other));
        Self { instances }
    }

    /// What runs, in order.
    pub fn describe(&self) -> Vec<Described> {
        let described = |instance: &Arc<Instance>| Described {
            name: instance.name.to_string(),
            plugin_type: instance.plugin_type.to_owned(),
            order: instance.order,
            scope: instance.scope.to_string(),
            mode: if instance.shadow { "shadow" } else { "enforce" },
            when: instance.condition().to_owned(),
            except: instance.except.iter().map(ToString::to_string).collect(),
        };
        self.instances.iter().map(described).collect()
    }
}

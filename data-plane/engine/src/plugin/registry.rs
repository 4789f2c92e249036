//! Turns plugin resources into instances.

use std::{cell::RefCell, sync::Arc};

use gatewright_proto::{
    Key, Kind, Version,
    v1::{self, Mode},
};

use super::{
    Build, Clients, Instance, InvalidSetting, PLUGINS, PluginType, Scope, States,
    secret_ref::Unavailable, spelling::nearest, when::When,
};
use crate::{
    CompileError, ResourceSet,
    reference::Reference,
    secret::{LocalSecrets, NoNode, SecretSources},
};

/// How far `order` reaches either way.
const MAX_ORDER: i32 = 10_000;

/// The plugin types that a plane understands, and the state of its instances.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The types.
    pub types: Vec<&'static PluginType>,
    /// The state.
    pub states: States,
    /// What the node does for them.
    pub clients: Clients,
    /// The machine's secrets.
    pub local: Arc<dyn LocalSecrets>,
}

impl Default for Registry {
    /// All of [`PLUGINS`].
    fn default() -> Self {
        Self::without(&[])
    }
}

impl Registry {
    /// All but these types: what a plane of an older version understands.
    pub fn without(names: &[&str]) -> Self {
        let known = |it: &&PluginType| !names.contains(&it.name);
        Self {
            types: PLUGINS.iter().filter(known).collect(),
            states: States::default(),
            clients: Clients::default(),
            local: Arc::new(NoNode),
        }
    }

    /// The type of this name.
    pub fn find(&self, name: &str) -> Option<&'static PluginType> {
        self.types.iter().find(|it| it.name == name).copied()
    }

    /// Builds an instance, or takes `previous` over if it was built from the same version and secrets. `set` has the
    /// secrets.
    ///
    /// # Errors
    /// Everything wrong with the resource itself. That what it names exists is not checked here.
    pub fn build(
        &self,
        (plugin, version): (&v1::Plugin, Version),
        set: &ResourceSet,
        previous: Option<&Arc<Instance>>,
    ) -> Result<Arc<Instance>, Vec<CompileError>> {
        let sources = SecretSources {
            set,
            local: &*self.local,
        };
        let same = |it: &&Arc<Instance>| {
            it.version == Some(version) && it.secrets.iter().all(|used| used.is_same(&sources))
        };
        if let Some(previous) = previous.filter(same) {
            return Ok(Arc::clone(previous));
        }
        let mut errors = Errors::of(plugin);
        let name: Arc<str> = plugin.name.as_str().into();
        let known = self.find(&plugin.r#type);
        if known.is_none() {
            errors.add("type", "unknown_plugin", self.unknown(&plugin.r#type));
        }
        let scope = errors.scope(plugin, known);
        let except = errors.except(plugin, known);
        let when = errors.when(plugin);
        let shadow = errors.shadow(plugin, known);
        errors.order(plugin);
        let build = Build {
            name: &name,
            states: &self.states,
            clients: &self.clients,
            sources,
            used: RefCell::default(),
        };
        let policy = known.and_then(|it| errors.policy(plugin, it, &build));
        let secrets = build.used.into_inner().into();
        let (Some(known), Some(scope), Some(policy), true) =
            (known, scope, policy, errors.list.is_empty())
        else {
            return Err(errors.list);
        };
        Ok(Arc::new(Instance {
            name,
            plugin_type: known.name,
            version: Some(version),
            order: plugin.order.unwrap_or(known.order),
            scope,
            shadow,
            refuses: known.refuses,
            when,
            except,
            plugin: policy,
            secrets,
        }))
    }

    /// Which resources the settings name, as `settings.allow[0]`. Empty where they cannot be read.
    pub fn references(&self, plugin: &v1::Plugin) -> Vec<Reference> {
        let known = self.find(&plugin.r#type);
        known.map_or_else(Vec::new, |it| (it.references)(&plugin.settings))
    }

    fn unknown(&self, name: &str) -> String {
        if name.is_empty() {
            return "is required".to_owned();
        }
        let hint = nearest(name, self.types.iter().map(|it| it.name));
        let hint = hint.map(|known| format!("; `{known}` is one"));
        format!(
            "`{name}` is not a plugin type known here{}",
            hint.unwrap_or_default()
        )
    }
}

/// The mistakes of one resource, as they are found.
struct Errors {
    key: Key,
    list: Vec<CompileError>,
}

impl Errors {
    fn of(plugin: &v1::Plugin) -> Self {
        Self {
            key: Key::new(Kind::Plugin, &plugin.name),
            list: Vec::new(),
        }
    }

    fn add(&mut self, field: impl Into<String>, code: &'static str, reason: impl Into<String>) {
        self.list.push(CompileError {
            key: self.key.clone(),
            field: field.into(),
            code,
            reason: reason.into(),
        });
    }

    fn scope(&mut self, plugin: &v1::Plugin, known: Option<&PluginType>) -> Option<Scope> {
        let scope = plugin.attach.as_ref().and_then(Scope::of);
        let Some(scope) = scope else {
            let reason = "name a route, service, consumer or consumer_group, or say `global: true`";
            self.add("attach", "invalid_value", reason);
            return None;
        };
        if scope.per_consumer() && known.is_some_and(|it| !it.per_consumer) {
            let reason = "this type runs before the consumer is known; attach it to a route, a service or everything";
            self.add("attach", "invalid_value", reason);
        }
        Some(scope)
    }

    /// The exceptions that are told at run time: all of an instance that follows the consumer over
    /// all routes, consumers and groups of any other.
    fn except(&mut self, plugin: &v1::Plugin, known: Option<&PluginType>) -> Box<[Scope]> {
        let attached = plugin.attach.as_ref().and_then(Scope::of);
        let follows_consumer = attached.is_some_and(|scope| scope.per_consumer());
        let mut kept = Vec::new();
        for (index, attach) in plugin.except.iter().enumerate() {
            let field = format!("except[{index}]");
            match Scope::of(attach) {
                None | Some(Scope::Global) => {
                    let reason = "name a route, service, consumer or consumer_group";
                    self.add(field, "invalid_value", reason);
                }
                Some(scope) if scope.per_consumer() => {
                    if known.is_some_and(|it| !it.per_consumer) {
                        let reason = "this type runs before the consumer is known; except routes or services";
                        self.add(field, "invalid_value", reason);
                    }
                    kept.push(scope);
                }
                Some(scope) if follows_consumer => kept.push(scope),
                Some(_) => {}
            }
        }
        kept.into()
    }

    fn when(&mut self, plugin: &v1::Plugin) -> Option<When> {
        if plugin.when.is_empty() {
            return None;
        }
        let compiled = When::compile(&plugin.when);
        compiled
            .map_err(|reason| self.add("when", "invalid_value", reason))
            .ok()
    }

    fn shadow(&mut self, plugin: &v1::Plugin, known: Option<&PluginType>) -> bool {
        let Ok(mode) = Mode::try_from(plugin.mode) else {
            let reason = format!("`{}` is not a mode known here", plugin.mode);
            self.add("mode", "invalid_value", reason);
            return false;
        };
        let shadow = mode == Mode::Shadow;
        if shadow && known.is_some_and(|it| !it.refuses) {
            let reason =
                "this type never refuses, so there is nothing to only record; use `enforce`";
            self.add("mode", "invalid_value", reason);
        }
        shadow
    }

    fn order(&mut self, plugin: &v1::Plugin) {
        if let Some(order) = plugin.order
            && !(-MAX_ORDER..=MAX_ORDER).contains(&order)
        {
            let reason = format!("`{order}` is not within -10,000 to 10,000");
            self.add("order", "invalid_value", reason);
        }
    }

    fn policy(
        &mut self,
        plugin: &v1::Plugin,
        known: &PluginType,
        build: &Build<'_>,
    ) -> Option<Box<dyn super::Plugin>> {
        let built = (known.build)(&plugin.settings, build);
        let used = build.used.borrow();
        let missing = used.iter().filter(|it| it.found.is_err());
        let missing: Vec<&str> = missing.map(|it| it.field.as_str()).collect();
        match built {
            Ok(policy) if missing.is_empty() => Some(policy),
            Ok(_) => Some(Box::new(Unavailable)),
            Err(mistakes) => {
                // What is wrong with a text that is not there is no mistake.
                let absent = |it: &InvalidSetting| {
                    missing.contains(&format!("settings.{}", it.field).as_str())
                };
                if !missing.is_empty() && mistakes.iter().all(absent) {
                    return Some(Box::new(Unavailable));
                }
                for mistake in mistakes {
                    let field = match mistake.field.as_str() {
                        "" => "settings".to_owned(),
                        field => format!("settings.{field}"),
                    };
                    self.add(field, "invalid_value", mistake.reason);
                }
                None
            }
        }
    }
}

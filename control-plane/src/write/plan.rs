//! What a change would do: the would-be set, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_engine::{CompileError, Held, ResourceSet, plugin::Registry, reference::references};
use gatewright_proto::{Key, Kind, Resource};
use serde_json::Value;

use super::{Mistake, Operation, Precondition, Write, WriteError, write_only};
use crate::{catalog::State, document, registration::is_registered, secrets, store::Edit};

/// Largest resource, in bytes of its encoding.
pub(super) const MAX_RESOURCE_BYTES: usize = 1024 * 1024;

/// Most resources of a configuration.
const MAX_RESOURCES: usize = 1_000_000;

/// One resource that would change.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Which.
    pub key: Key,
    /// What it is; none where it is created.
    pub before: Option<Held>,
    /// What it becomes; none where it is deleted.
    pub after: Option<Held>,
}

impl Planned {
    /// What to tell the store.
    pub(super) fn edit(&self) -> Edit {
        Edit {
            key: self.key.clone(),
            after: self.after.as_ref().map(|held| held.resource.clone()),
        }
    }
}

/// What a change would do.
#[derive(Debug)]
pub struct Plan {
    /// What would change, in order of key.
    pub changes: Vec<Planned>,
    /// The resources that the client names, also those that stay as they are.
    pub touched: BTreeSet<Key>,
    /// The would-be set.
    pub would_be: ResourceSet,
    /// What is wrong, as far as is known without compiling.
    pub mistakes: Vec<Mistake>,
}

impl Plan {
    /// What a change would do to this configuration.
    ///
    /// # Errors
    /// A resource that is missing, in the way, or at another version than the client believes.
    pub fn of(present: &State, write: Write) -> Result<Self, WriteError> {
        let mut plan = Self {
            changes: Vec::new(),
            touched: BTreeSet::new(),
            would_be: present.set(),
            mistakes: write.mistakes,
        };
        for operation in write.operations {
            plan.carry_out(operation)?;
        }
        if let Some(selector) = write.prune {
            let absent = |(key, held): &(&Key, &Held)| {
                !plan.touched.contains(key)
                    && selector.selects(held.resource.labels())
                    && (write.prune_registered || !is_registered(key))
            };
            let held = plan.would_be.held.iter();
            let gone: Vec<Key> = held.filter(absent).map(|(key, _)| key.clone()).collect();
            for key in gone {
                plan.would_be.held.remove(&key);
            }
        }
        if plan.would_be.held.len() > MAX_RESOURCES {
            let reason = format!("a configuration has at most {MAX_RESOURCES} resources");
            let mistake = Mistake::invalid("", "", reason).with_code("too_many");
            plan.mistakes.push(mistake);
        }
        plan.compare(present);
        Ok(plan)
    }

    fn carry_out(&mut self, operation: Operation) -> Result<(), WriteError> {
        let key = operation.key();
        let stored = self.would_be.held.get(&key).cloned();
        if !self.touched.insert(key.clone()) {
            let reason = "is named twice in one change";
            let mistake = Mistake::invalid(&key, "name", reason).with_code("duplicate");
            self.mistakes.push(mistake);
            return Ok(());
        }
        match operation {
            Operation::Create(_) if stored.is_some() => Err(WriteError::AlreadyExists(key)),
            Operation::Create(mut resource) => {
                write_only::keep_stored(&mut resource, None);
                self.put(resource);
                Ok(())
            }
            Operation::Put(mut resource, precondition) => {
                require(&key, &precondition, stored.as_ref())?;
                let stored = stored.as_ref().map(|held| &*held.resource);
                write_only::keep_stored(&mut resource, stored);
                self.put(resource);
                Ok(())
            }
            Operation::Patch(_, patch, precondition) => {
                let stored = existing(&key, &precondition, stored)?;
                self.patch(&stored.resource, &patch);
                Ok(())
            }
            Operation::Delete(_, precondition) => {
                existing(&key, &precondition, stored)?;
                self.would_be.held.remove(&key);
                Ok(())
            }
            Operation::Remove(_) => {
                self.would_be.held.remove(&key);
                Ok(())
            }
            Operation::Fetched(_, fetched) => {
                let stored = existing(&key, &Precondition::default(), stored)?;
                if let Resource::KeySet(set) = &*stored.resource {
                    let mut set = set.clone();
                    set.fetched = Some(fetched);
                    self.put(Resource::KeySet(set));
                }
                Ok(())
            }
        }
    }

    fn patch(&mut self, stored: &Resource, patch: &Value) {
        let key = Key::of(stored);
        let mut json = match stored.to_json() {
            Ok(json) => json,
            Err(error) => {
                self.mistakes
                    .push(Mistake::invalid(&key, "", error.to_string()));
                return;
            }
        };
        write_only::prepare_patch(key.kind, &mut json, patch);
        json_patch::merge(&mut json, patch);
        let reading = document::read(key.kind, json, &key.to_string());
        self.mistakes.extend(reading.mistakes);
        match reading.resource {
            Some(mut resource) if Key::of(&resource) == key => {
                write_only::keep_fetched(&mut resource, Some(stored));
                self.put(resource);
            }
            Some(_) => {
                let reason = "cannot be changed; create another and delete this one";
                self.mistakes.push(Mistake::invalid(&key, "name", reason));
            }
            None => {}
        }
    }

    fn put(&mut self, mut resource: Resource) {
        let key = Key::of(&resource);
        if let Err(mistake) = write_only::seal(&mut resource) {
            self.mistakes.push(mistake);
        }
        let bytes = resource.to_bytes().len();
        if bytes > MAX_RESOURCE_BYTES {
            let reason = format!("has {bytes} bytes; at most {MAX_RESOURCE_BYTES} are allowed");
            self.mistakes
                .push(Mistake::invalid(&key, "", reason).with_code("too_large"));
        }
        self.would_be.held.insert(key, Held::new(resource));
    }

    /// Adds a mistake for each secret that would be stored, for want of a master key to encrypt it with.
    pub(super) fn refuse_secrets(&mut self) {
        let after = self.changes.iter().filter_map(|change| {
            let field = secrets::hidden(&change.after.as_ref()?.resource)?;
            let reason = "cannot be stored: this control plane has no master key to encrypt it with; set \
                          GATEWRIGHT_MASTER_KEY";
            Some(Mistake::invalid(&change.key, field, reason).with_code("no_master_key"))
        });
        let mistakes: Vec<Mistake> = after.collect();
        self.mistakes.extend(mistakes);
    }

    /// Finds what really changes.
    fn compare(&mut self, present: &State) {
        let mut changes = BTreeMap::new();
        for (key, held) in &self.would_be.held {
            let before = present.entries.get(key).map(|entry| &entry.held);
            if before.is_none_or(|before| before.version != held.version) {
                changes.insert(key.clone(), (before.cloned(), Some(held.clone())));
            }
        }
        for (key, entry) in &present.entries {
            if !self.would_be.held.contains_key(key) {
                changes.insert(key.clone(), (Some(entry.held.clone()), None));
            }
        }
        let planned = |(key, (before, after))| Planned { key, before, after };
        self.changes = changes.into_iter().map(planned).collect();
    }

    /// Puts together everything that is wrong, the compiler's errors included.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn judge(self, errors: Vec<CompileError>, registry: &Registry) -> Result<Self, WriteError> {
        let referrers = self.referrers(registry);
        let mut mistakes = self.mistakes.clone();
        for error in errors {
            if self.is_misled(&error) {
                continue;
            }
            let mistake = Mistake::from(error);
            let same = |it: &Mistake| it.resource == mistake.resource && it.field == mistake.field;
            if !referrers.iter().any(same) {
                mistakes.push(mistake);
            }
        }
        if mistakes.is_empty() && referrers.is_empty() {
            return Ok(self);
        }
        if mistakes.is_empty() {
            return Err(WriteError::StillReferenced(referrers));
        }
        mistakes.extend(referrers);
        Err(WriteError::Invalid(mistakes))
    }

    /// Whether an error may come only of the fields that could not be read: it is about one of these, about
    /// one that is missing, or about the resource as a whole.
    fn is_misled(&self, error: &CompileError) -> bool {
        let resource = error.key.to_string();
        let mut misread = self.mistakes.iter().filter(|it| it.resource == resource);
        let Some(first) = misread.next() else {
            return false;
        };
        let root = root(&error.field);
        let held = self.would_be.held.get(&error.key);
        let json = held.and_then(|held| held.resource.to_json().ok());
        let is_there = json.is_some_and(|json| json.get(root).is_some());
        let of_all = ["required", "ambiguous_route"].contains(&error.code);
        let same = |it: &Mistake| root == self::root(&it.field);
        !is_there || of_all || same(first) || misread.any(same)
    }

    /// What would still refer to something deleted.
    fn referrers(&self, registry: &Registry) -> Vec<Mistake> {
        let deleted = self.changes.iter().filter(|change| change.after.is_none());
        let deleted: BTreeSet<&Key> = deleted.map(|change| &change.key).collect();
        if deleted.is_empty() {
            return Vec::new();
        }
        let mut referrers = Vec::new();
        for (key, held) in &self.would_be.held {
            if !refers(key.kind) {
                continue;
            }
            for reference in references(&held.resource, registry) {
                if deleted.contains(&reference.key) {
                    let reason = format!("refers to `{}`, which is to be deleted", reference.key);
                    let mistake = Mistake::invalid(key, reference.field, reason);
                    referrers.push(mistake.with_code("still_referenced"));
                }
            }
        }
        referrers
    }
}

/// The field that a path begins with.
fn root(field: &str) -> &str {
    field.split(['.', '[']).next().unwrap_or_default()
}

/// Whether resources of this kind can refer to others at all.
const fn refers(kind: Kind) -> bool {
    !matches!(kind, Kind::Upstream | Kind::ConsumerGroup | Kind::Secret)
}

fn require(
    key: &Key,
    precondition: &Precondition,
    stored: Option<&Held>,
) -> Result<(), WriteError> {
    let version = stored.map(|held| held.version);
    if precondition.holds(version.as_ref()) {
        Ok(())
    } else {
        Err(WriteError::Precondition(key.clone(), version))
    }
}

fn existing(
    key: &Key,
    precondition: &Precondition,
    stored: Option<Held>,
) -> Result<Held, WriteError> {
    let Some(stored) = stored else {
        return Err(WriteError::NotFound(key.clone()));
    };
    require(key, precondition, Some(&stored))?;
    Ok(stored)
}

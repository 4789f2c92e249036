//! How much may register: targets and bytes of their labels, of an upstream and with a token. All of it is
//! configuration that each node holds, and who registers need not be trusted with that.

use std::{collections::BTreeMap, fmt};

use gatewright_proto::v1;

use super::registrations;
use crate::catalog::State;

/// How much may register.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of an upstream.
    pub upstream: Room,
    /// With a token.
    pub token: Room,
}

/// Targets that registered themselves, and the bytes of their labels, names and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Targets.
    pub targets: u64,
    /// Bytes of labels.
    pub label_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            upstream: Room {
                targets: 20_000,
                label_bytes: 8 * 1024 * 1024,
            },
            token: Room {
                targets: 50_000,
                label_bytes: 16 * 1024 * 1024,
            },
        }
    }
}

/// There is no room for a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    holder: Holder,
    measure: Measure,
    most: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    Upstream(String),
    Token(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Targets,
    LabelBytes,
}

impl Full {
    /// For metrics.
    pub(super) const fn reason(&self) -> super::metrics::Reason {
        use super::metrics::Reason;
        match (&self.holder, self.measure) {
            (Holder::Upstream(_), Measure::Targets) => Reason::UpstreamTargets,
            (Holder::Upstream(_), Measure::LabelBytes) => Reason::UpstreamLabelBytes,
            (Holder::Token(_), Measure::Targets) => Reason::TokenTargets,
            (Holder::Token(_), Measure::LabelBytes) => Reason::TokenLabelBytes,
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.most;
        match (&self.holder, self.measure) {
            (Holder::Upstream(name), Measure::Targets) => write!(
                out,
                "`upstream/{name}` may have at most {most} targets that registered themselves"
            ),
            (Holder::Upstream(name), Measure::LabelBytes) => write!(
                out,
                "the labels of the targets that registered themselves with `upstream/{name}` may have at most {most} bytes"
            ),
            (Holder::Token(name), Measure::Targets) => write!(
                out,
                "at most {most} targets may be registered with the token `{name}`"
            ),
            (Holder::Token(name), Measure::LabelBytes) => write!(
                out,
                "the labels of the targets registered with the token `{name}` may have at most {most} bytes"
            ),
        }
    }
}

/// What is registered.
#[derive(Debug, Default)]
pub(super) struct Tally {
    upstreams: BTreeMap<String, Room>,
    tokens: BTreeMap<String, Room>,
}

impl Tally {
    /// What is registered at a state.
    pub(super) fn of(state: &State) -> Self {
        let mut tally = Self::default();
        for (_, target) in registrations(state) {
            tally.add(target);
        }
        tally
    }

    /// Counts a target in, in place of what is stored of it, where there is room. What does not grow finds room in any
    /// case: limits may have been lowered.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn admit(
        &mut self,
        limits: &Limits,
        stored: Option<&v1::Target>,
        target: &v1::Target,
    ) -> Result<(), Full> {
        let (before, after) = (stored.map_or_else(Room::default, size), size(target));
        let used = self.upstreams.get(&target.upstream);
        if let Some((measure, most)) = over(used, &limits.upstream, (before, after)) {
            let holder = Holder::Upstream(target.upstream.clone());
            return Err(Full {
                holder,
                measure,
                most,
            });
        }
        let token = target.registered_by.clone().unwrap_or_default();
        let used = self.tokens.get(&token);
        if let Some((measure, most)) = over(used, &limits.token, (before, after)) {
            let holder = Holder::Token(token);
            return Err(Full {
                holder,
                measure,
                most,
            });
        }
        if let Some(stored) = stored {
            self.remove(stored);
        }
        self.add(target);
        Ok(())
    }

    /// Counts a target out.
    pub(super) fn remove(&mut self, target: &v1::Target) {
        let size = size(target);
        for room in self.of_target(target) {
            room.targets = room.targets.saturating_sub(size.targets);
            room.label_bytes = room.label_bytes.saturating_sub(size.label_bytes);
        }
    }

    fn add(&mut self, target: &v1::Target) {
        let size = size(target);
        for room in self.of_target(target) {
            room.targets += size.targets;
            room.label_bytes += size.label_bytes;
        }
    }

    fn of_target(&mut self, target: &v1::Target) -> [&mut Room; 2] {
        let token = target.registered_by.clone().unwrap_or_default();
        [
            self.upstreams.entry(target.upstream.clone()).or_default(),
            self.tokens.entry(token).or_default(),
        ]
    }
}

fn size(target: &v1::Target) -> Room {
    let labels = target.labels.iter();
    let bytes: usize = labels.map(|(name, value)| name.len() + value.len()).sum();
    Room {
        targets: 1,
        label_bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
    }
}

/// What would grow beyond its limit, with that limit.
fn over(
    used: Option<&Room>,
    limit: &Room,
    (before, after): (Room, Room),
) -> Option<(Measure, u64)> {
    let used = used.copied().unwrap_or_default();
    let grows = |used: u64, before: u64, after: u64, limit: u64| {
        after > before && used.saturating_add(after - before) > limit
    };
    let Room {
        targets,
        label_bytes,
    } = *limit;
    if grows(used.targets, before.targets, after.targets, targets) {
        Some((Measure::Targets, targets))
    } else if grows(
        used.label_bytes,
        before.label_bytes,
        after.label_bytes,
        label_bytes,
    ) {
        Some((Measure::LabelBytes, label_bytes))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;

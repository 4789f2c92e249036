//! Puts the parts of a delta together. Nothing of it is looked at before all of it is here.

use gatewright_proto::v1::{Delta, Removal, Update};

/// Most bytes of one delta.
const MAX_DELTA_BYTES: usize = 512 << 20;
/// Most resources of one delta.
const MAX_DELTA_RESOURCES: usize = 2_000_000;

/// The parts so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    next: u32,
    bytes: usize,
    delta: Delta,
}

/// Why a part cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokenDelta {
    #[error("part {0} of a delta is missing")]
    Missing(u32),
    #[error("a delta of more than {MAX_DELTA_RESOURCES} resources or {MAX_DELTA_BYTES} bytes")]
    TooLarge,
}

impl Assembly {
    /// Takes a part. The last one completes the delta.
    pub(super) fn take(&mut self, part: Delta) -> Result<Option<Delta>, BrokenDelta> {
        if part.part != self.next || (self.next > 0 && part.nonce != self.delta.nonce) {
            return Err(BrokenDelta::Missing(self.next));
        }
        let upserts = part
            .upserts
            .iter()
            .map(|it: &Update| it.name.len() + it.body.len());
        let removals = part.removals.iter().map(|it: &Removal| it.name.len());
        self.bytes += upserts.chain(removals).sum::<usize>();
        self.next += 1;
        let last = part.last;
        if part.part == 0 {
            self.delta = part;
        } else {
            self.delta.upserts.extend(part.upserts);
            self.delta.removals.extend(part.removals);
            self.delta.digest = part.digest;
        }
        let resources = self.delta.upserts.len() + self.delta.removals.len();
        if resources > MAX_DELTA_RESOURCES || self.bytes > MAX_DELTA_BYTES {
            return Err(BrokenDelta::TooLarge);
        }
        Ok(last.then(|| std::mem::take(self).delta))
    }
}

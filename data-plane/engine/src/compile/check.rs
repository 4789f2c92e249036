//! What is asked of every resource: its name, its labels, that what it refers to exists, that it is one
//! of few enough bytes.

use gatewright_proto::{Key, Resource};

use super::{Compiler, Mistake};
use crate::reference::references;

/// Most labels on a resource.
const MAX_LABELS: usize = 64;
/// Longest key or value of a label, in bytes.
const MAX_LABEL_BYTES: usize = 256;

impl Compiler<'_> {
    /// Checks names, labels and references of all resources.
    pub(super) fn check_all(&mut self) {
        for (key, held) in &self.set.held {
            let mut mistakes = Vec::new();
            if let Err(invalid) = Key::check_name(&key.name) {
                mistakes.push(Mistake::value("name", format!("`{}`: {invalid}", key.name)));
            }
            labels(&held.resource, &mut mistakes);
            for reference in references(&held.resource, self.registry) {
                let known = self.set.held.contains_key(&reference.key)
                    || self.set.refused.contains_key(&reference.key);
                if !known {
                    let reason = format!(
                        "there is no {} `{}`",
                        reference.key.kind, reference.key.name
                    );
                    mistakes.push(Mistake::new(reference.field, "dangling_reference", reason));
                }
            }
            self.add_all(key, mistakes);
        }
    }
}

fn labels(resource: &Resource, mistakes: &mut Vec<Mistake>) {
    let labels = resource.labels();
    if labels.len() > MAX_LABELS {
        let reason = format!("{} labels; at most {MAX_LABELS}", labels.len());
        mistakes.push(Mistake::value("labels", reason));
    }
    for (name, value) in labels {
        if name.is_empty() || name.len() > MAX_LABEL_BYTES || name.contains(['=', ',', '!']) {
            let reason = format!("a key is 1 to {MAX_LABEL_BYTES} bytes without `=`, `,` and `!`");
            mistakes.push(Mistake::value(format!("labels.{name}"), reason));
        }
        if value.len() > MAX_LABEL_BYTES || value.contains(',') {
            let reason = format!("a value is at most {MAX_LABEL_BYTES} bytes without `,`");
            mistakes.push(Mistake::value(format!("labels.{name}"), reason));
        }
    }
}

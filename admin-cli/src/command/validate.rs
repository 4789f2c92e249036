//! `gatewright validate`: checks files with the same code that the control plane checks writes with.

use clap::Args;
use gatewright_control_plane::{
    catalog::State,
    check::Checker,
    document,
    write::{Mistake, Operation, Plan, Precondition, Write, WriteError},
};

use crate::{
    Terminal,
    client::Mistake as Found,
    file::{self, Bundle, Files},
};

/// Checks files without a control plane.
#[derive(Args, Debug)]
pub(crate) struct Validate {
    #[command(flatten)]
    files: Files,
    /// The files are a part of a configuration: they may refer to resources that are not in them.
    #[arg(long)]
    partial: bool,
}

impl Validate {
    pub(super) fn run(&self, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
        let bundle = file::read(&self.files, &mut *terminal.input)?;
        let mut mistakes = check(&bundle)?;
        if self.partial {
            mistakes.retain(|mistake| mistake.code != "dangling_reference");
        }
        if !bundle.is_sound() || !mistakes.is_empty() {
            let found: Vec<_> = mistakes.into_iter().map(found).collect();
            return Err(bundle.problems(&found).into());
        }
        let count = bundle.entries().count();
        Ok(terminal.line(&format!("{count} resources, no mistakes"))?)
    }
}

fn check(bundle: &Bundle) -> anyhow::Result<Vec<Mistake>> {
    let mut write = Write::default();
    let mut places = std::collections::BTreeMap::new();
    for entry in bundle.entries() {
        let place: &mut usize = places.entry(entry.kind).or_default();
        let place_name = format!("{}[{place}]", entry.kind.plural());
        *place += 1;
        let reading = document::read(entry.kind, entry.json(), &place_name);
        write.mistakes.extend(reading.mistakes);
        let put = |resource| Operation::Put(resource, Precondition::default());
        write.operations.extend(reading.resource.map(put));
    }
    let checker = Checker::default();
    let judged = Plan::of(&State::default(), write).and_then(|plan| {
        let errors = checker.check(&plan.would_be);
        plan.judge(errors, checker.registry())
    });
    match judged {
        Ok(_) => Ok(Vec::new()),
        Err(WriteError::Invalid(mistakes) | WriteError::StillReferenced(mistakes)) => Ok(mistakes),
        Err(error) => Err(error.into()),
    }
}

fn found(mistake: Mistake) -> Found {
    Found {
        resource: mistake.resource,
        field: mistake.field,
        code: mistake.code.to_owned(),
        reason: mistake.reason,
    }
}

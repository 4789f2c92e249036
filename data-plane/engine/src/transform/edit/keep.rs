//! Field selection: all places in one walk, so that what one keeps another does not take away.

use super::super::{
    Document,
    place::{Place, Token},
};

/// Leaves out all but what is at these places, and the objects and lists that lead there.
pub(super) fn keep(document: &mut Document, places: &[Place]) {
    let wanted: Vec<&[Token]> = places.iter().map(Place::tokens).collect();
    if !keep_within(document, &wanted) {
        *document = Document::Null;
    }
}

/// Whether anything of a value stays.
fn keep_within(value: &mut Document, wanted: &[&[Token]]) -> bool {
    if wanted.iter().any(|rest| rest.is_empty()) {
        return true;
    }
    match value {
        Document::Object(members) => {
            members.retain_mut(|(name, value)| {
                let inner = beneath(wanted, |it| *it == **name);
                !inner.is_empty() && keep_within(value, &inner)
            });
            true
        }
        Document::List(items) => {
            let mut index = 0;
            items.retain_mut(|item| {
                let place = index.to_string();
                index += 1;
                let inner = beneath(wanted, |it| *it == *place);
                !inner.is_empty() && keep_within(item, &inner)
            });
            true
        }
        _ => false,
    }
}

/// What is wanted within a member or an item.
fn beneath<'t>(wanted: &[&'t [Token]], is: impl Fn(&str) -> bool) -> Vec<&'t [Token]> {
    let within = wanted.iter().filter_map(|path| match path.split_first()? {
        (Token::All, rest) => Some(rest),
        (Token::Name(name), rest) => is(name).then_some(rest),
    });
    within.collect()
}

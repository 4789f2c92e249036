//! Lists: in order of name, in pages, selected by labels.

use axum::Json;
use gatewright_proto::{Key, Kind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use crate::{
    catalog::{Entry, State},
    label::Selector,
    write::write_only::redact,
};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// What a list is asked for with.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Paging {
    limit: Option<usize>,
    after: Option<String>,
    /// Conditions, separated by commas.
    label: Option<String>,
}

impl Paging {
    /// A page of the resources of a kind that also meet a condition.
    pub(super) fn page(
        &self,
        state: &State,
        kind: Kind,
        meets: impl Fn(&Entry) -> bool,
    ) -> Result<Json<Value>, ApiError> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::InvalidParameter(format!(
                "`limit` is 1 to {MAX_LIMIT}"
            )));
        }
        let selector = selector(self.label.as_deref())?;
        let after = self.after.as_deref().unwrap_or_default();
        let from = Key::new(kind, after);
        let entries = state
            .entries
            .range(from..)
            .take_while(|(key, _)| key.kind == kind);
        let wanted = |(key, entry): &(&Key, &Entry)| {
            key.name.as_str() > after
                && selector.selects(entry.held.resource.labels())
                && meets(entry)
        };
        let mut page: Vec<(&Key, &Entry)> = entries.filter(wanted).take(limit + 1).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let items: Vec<Value> = page
            .iter()
            .map(|(_, entry)| redact(&entry.held.resource))
            .collect();
        let mut body = json!({"items": items});
        if more && let Some((last, _)) = page.last() {
            body["next"] = json!(last.name);
        }
        Ok(Json(body))
    }
}

/// Reads conditions separated by commas.
pub(super) fn selector(text: Option<&str>) -> Result<Selector, ApiError> {
    let conditions = text
        .into_iter()
        .flat_map(|text| text.split(','))
        .filter(|it| !it.is_empty());
    Selector::parse(conditions).map_err(|error| ApiError::InvalidParameter(error.to_string()))
}

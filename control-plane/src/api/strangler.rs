//! What still goes to a route's legacy service, over all nodes.

use std::{cmp::Reverse, collections::BTreeMap};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use gatewright_proto::{
    Key, Kind,
    v1::{LegacyPath, NodeReport, StranglerState},
};
use serde_json::json;

use super::{Api, ApiError, commit::revision_header, path::Path, resource::find};

/// `GET /v1/routes/{name}/strangler`
pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let state = api.catalog.fresh().await?;
    find(&state, &Key::new(Kind::Route, &name))?;
    let listed = api.fleet.list().await;
    let facts = listed.nodes.iter().filter_map(|node| node.facts.as_ref());
    let mut body = json!(merged(&name, facts));
    body["partial"] = json!(listed.partial);
    Ok(([revision_header(state.head.revision)], Json(body)).into_response())
}

/// What the nodes have counted, added up.
fn merged<'a>(route: &str, facts: impl Iterator<Item = &'a NodeReport>) -> StranglerState {
    let mut all = StranglerState {
        route: route.to_owned(),
        ..StranglerState::default()
    };
    let mut paths: BTreeMap<(&str, &str), LegacyPath> = BTreeMap::new();
    let rows = facts.flat_map(|facts| &facts.stranglers);
    for row in rows.filter(|row| row.route == route) {
        all.new += row.new;
        all.legacy += row.legacy;
        all.fell_through += row.fell_through;
        for path in &row.paths {
            let key = (path.method.as_str(), path.path.as_str());
            let known = paths.entry(key).or_insert_with(|| LegacyPath {
                legacy: 0,
                fell_through: 0,
                ..path.clone()
            });
            known.legacy += path.legacy;
            known.fell_through += path.fell_through;
        }
    }
    all.paths = paths.into_values().collect();
    all.paths
        .sort_by_key(|it| Reverse(it.legacy + it.fell_through));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(route: &str, paths: &[(&str, u64)]) -> StranglerState {
        let path = |(path, fell_through): &(&str, u64)| LegacyPath {
            method: "GET".to_owned(),
            path: (*path).to_owned(),
            legacy: 0,
            fell_through: *fell_through,
        };
        StranglerState {
            route: route.to_owned(),
            new: 1,
            paths: paths.iter().map(path).collect(),
            ..StranglerState::default()
        }
    }

    #[test]
    fn what_nodes_have_counted_is_added_up() {
        let report = |stranglers| NodeReport {
            stranglers,
            ..NodeReport::default()
        };
        let nodes = [
            report(vec![
                row("a", &[("/x", 3), ("/y", 4)]),
                row("b", &[("/z", 9)]),
            ]),
            report(vec![row("a", &[("/x", 2)])]),
        ];
        let all = merged("a", nodes.iter());
        let paths: Vec<_> = all
            .paths
            .iter()
            .map(|it| (it.path.as_str(), it.fell_through))
            .collect();
        assert_eq!(all.new, 2);
        assert_eq!(paths, [("/x", 5), ("/y", 4)]);
    }
}

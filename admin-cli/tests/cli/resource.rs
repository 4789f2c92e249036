//! get, describe, delete, export, nodes.

use crate::server::Server;

const SAMPLE: &str = "services: [{name: s, url: 'http://127.0.0.1:1', labels: {team: a}}]
routes: [{name: r, service: s, paths: [{prefix: /}]}]
consumers: [{name: alice}]
credentials: [{name: laptop, consumer: alice, key: a-secret-key}]
plugins:
- {name: p, type: key-auth, attach: {service: s}, settings: {headers: [x-key]}}
";

async fn started() -> Server {
    let server = Server::start().await;
    server
        .with_input(&["apply", "-f", "-"], SAMPLE)
        .await
        .fine();
    server
}

#[tokio::test]
async fn get_lists_and_shows_in_every_format() {
    let server = started().await;
    let said = server.gatewright(&["get", "services"]).await.fine();
    let lines: Vec<_> = said.lines().collect();
    assert!(
        lines[0].trim().starts_with("NAME") && lines[1].contains("team: a"),
        "{said}"
    );
    assert_eq!(
        server
            .gatewright(&["get", "route", "-o", "name"])
            .await
            .fine(),
        "r\n"
    );
    let said = server
        .gatewright(&["get", "route", "r", "-o", "json"])
        .await
        .fine();
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["service"], "s");
    let said = server
        .gatewright(&["get", "service", "-o", "yaml", "-l", "team=a"])
        .await
        .fine();
    assert!(
        said.starts_with("services:\n- name: s\n  labels:\n    team: a\n"),
        "{said}"
    );
    let said = server
        .gatewright(&["get", "service", "-o", "name", "-l", "team=b"])
        .await
        .fine();
    assert_eq!(said, "");
}

#[tokio::test]
async fn what_is_not_there_is_said_plainly() {
    let server = started().await;
    let said = server
        .gatewright(&["get", "route", "nothing"])
        .await
        .failed();
    assert!(said.contains("there is no `route/nothing`"), "{said}");
    let said = server.gatewright(&["get", "rout"]).await;
    assert!(
        said.code == 2 && said.err.contains("did you mean `route`?"),
        "{said:?}"
    );
    let said = server
        .gatewright(&["get", "route", "../nodes"])
        .await
        .failed();
    assert!(said.contains("is not the name of a route"), "{said}");
}

#[tokio::test]
async fn an_export_can_be_applied_and_changes_nothing() {
    let server = started().await;
    let said = server.gatewright(&["export"]).await.fine();
    assert!(!said.contains("a-secret-key"), "{said}");
    let said = server.with_input(&["apply", "-f", "-"], &said).await.fine();
    assert_eq!(said, "5 unchanged; revision 1\n");
    let said = server
        .gatewright(&["export", "routes", "-o", "name"])
        .await
        .fine();
    assert_eq!(said, "route/r\n");
}

#[tokio::test]
async fn describe_shows_what_is_connected() {
    let server = started().await;
    let said = server
        .gatewright(&["describe", "service", "s"])
        .await
        .fine();
    for expected in [
        "service/s\n",
        "Referred to by:",
        "  route/r (service)\n",
        "  plugin/p (attach.service)\n",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let said = server.gatewright(&["describe", "route", "r"]).await.fine();
    assert!(
        said.contains("Refers to:\n  service/s (service)\n"),
        "{said}"
    );
    assert!(
        said.contains("Plugins, in order:") && said.contains("key-auth"),
        "{said}"
    );
}

#[tokio::test]
async fn describe_shows_the_plugins_of_each_service_and_what_goes_to_the_legacy() {
    let server = started().await;
    let more = "services: [{name: t, url: 'http://127.0.0.1:2'}]
routes:
- {name: both, paths: [{exact: /both}], split: {backends: [{service: s}, {service: t}]}}
- {name: taken, paths: [{exact: /taken}], service: t, strangler: {legacy: s}}
";
    server.with_input(&["apply", "-f", "-"], more).await.fine();
    let said = server.gatewright(&["describe", "route/both"]).await.fine();
    assert!(
        said.contains("Plugins to `s`, in order:\n  p (key-auth)"),
        "{said}"
    );
    let said = server.gatewright(&["describe", "route/taken"]).await.fine();
    let expected = "Still goes to the legacy service:\n  in all 0 at once, 0 fell through; 0 stayed at the new one\n";
    assert!(said.contains(expected), "{said}");
    let said = server
        .gatewright(&["why", "GET", "http://h/both"])
        .await
        .fine();
    assert!(said.contains("`s` (100), `t` (100)"), "{said}");
}

#[tokio::test]
async fn delete_names_the_referrers_of_what_cannot_go() {
    let server = started().await;
    let said = server
        .gatewright(&["delete", "service", "s"])
        .await
        .failed();
    assert!(
        said.contains("route/r") && said.contains("plugin/p"),
        "{said}"
    );
    let said = server.gatewright(&["delete", "plugin", "p"]).await.fine();
    assert_eq!(said, "- plugin/p\n");
    assert_eq!(
        server
            .gatewright(&["get", "plugins", "-o", "name"])
            .await
            .fine(),
        ""
    );
}

#[tokio::test]
async fn nodes_are_listed_even_where_there_are_none() {
    let server = started().await;
    let said = server.gatewright(&["nodes"]).await.fine();
    assert!(
        said.contains("NODE ID") && said.contains("the newest revision is 1"),
        "{said}"
    );
    let said = server.gatewright(&["nodes", "-o", "json"]).await.fine();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["nodes"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn audit_lists_what_was_asked_for_and_what_came_of_it() {
    let server = started().await;
    server.gatewright(&["delete", "service", "s"]).await;
    let said = server
        .gatewright(&["audit", "service/s", "-o", "json"])
        .await
        .fine();
    let list: serde_json::Value = serde_json::from_str(&said).unwrap();
    let items = list["audit"].as_array().or_else(|| list.as_array());
    let items = items.unwrap_or_else(|| panic!("{said}"));
    let outcomes: Vec<_> = items.iter().map(|it| it["outcome"].as_str()).collect();
    assert_eq!(outcomes, [Some("still_referenced"), Some("committed")]);
    let address = items[0]["address"].as_str().unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{said}");
    let table = server.gatewright(&["audit"]).await.fine();
    assert!(table.contains("POST /v1/apply"), "{table}");
}

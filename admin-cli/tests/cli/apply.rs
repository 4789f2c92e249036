//! apply, sync, diff and revisions.

use crate::server::Server;

const ORDERS: &str = "services:
- name: orders
  url: http://127.0.0.1:1
  labels: {team: a}
  routes:
  - name: orders
    labels: {team: a}
    paths: [{prefix: /orders}]
    plugins:
    - {name: orders-cors, type: cors, labels: {team: a}, settings: {origins: ['https://a.example']}}
";

#[tokio::test]
async fn apply_makes_all_changes_and_a_second_time_none() {
    let server = Server::start().await;
    let apply = ["apply", "-f", "-", "--wait"];
    let said = server.with_input(&apply, ORDERS).await.fine();
    assert_eq!(
        said,
        "+ service/orders\n+ route/orders\n+ plugin/orders-cors\n3 created; revision 1 is in force\n"
    );
    let said = server.with_input(&apply, ORDERS).await.fine();
    assert_eq!(said, "3 unchanged; revision 1 is in force\n");
}

#[tokio::test]
async fn a_dry_run_shows_the_differences_and_changes_nothing() {
    let server = Server::start().await;
    server
        .with_input(&["apply", "-f", "-"], ORDERS)
        .await
        .fine();
    let file = server.file("new.yaml", &ORDERS.replace("prefix: /orders", "exact: /o"));
    let said = server
        .gatewright(&["apply", "--dry-run", "-f", &file])
        .await
        .fine();
    for expected in [
        "~ route/orders\n",
        "    -- prefix: /orders\n",
        "    +- exact: /o\n",
        "1 updated, 2 unchanged; a dry run, nothing was changed\n",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let said = server.gatewright(&["diff", "-f", &file]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.out.contains("+- exact: /o"), "{said:?}");
    let file = server.file("old.yaml", ORDERS);
    let said = server.gatewright(&["diff", "-f", &file]).await;
    assert_eq!((said.code, said.out.as_str()), (0, ""));
}

#[tokio::test]
async fn three_mistakes_are_reported_together_with_their_lines_and_nothing_is_changed() {
    let server = Server::start().await;
    let text = "services:
- name: s
  url: http://127.0.0.1:1
  connect_timeout_mss: 1s
routes:
- name: r
  service: nothing
  paths: [{prefix: /}]
plugins:
- name: p
  type: rate-limit
  attach: {route: r}
  settings:
    limits: [{requests: 0, per: 1m}]
";
    let file = server.file("wrong.yaml", text);
    let said = server.gatewright(&["apply", "-f", &file]).await.failed();
    for (place, expected) in [
        ("4:3", "service/s: connect_timeout_mss: unknown field"),
        ("7:12", "route/r: service:"),
        ("14:25", "plugin/p: settings.limits[0].requests:"),
    ] {
        assert!(
            said.contains(&format!("{file}:{place}]")),
            "{place}\n{said}"
        );
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(said.contains("3 mistakes; nothing was changed"), "{said}");
    assert!(
        said.contains("connect_timeout_mss: 1s"),
        "an excerpt\n{said}"
    );
    assert_eq!(server.gatewright(&["export"]).await.fine(), "{}\n");
}

#[tokio::test]
async fn mistakes_of_form_are_reported_with_those_that_the_server_finds() {
    let server = Server::start().await;
    let text = "routes:\n- {name: r, service: nothing}\n- {name: r, service: nothing}\nrouts: []\n";
    let said = server
        .with_input(&["apply", "-f", "-"], text)
        .await
        .failed();
    for expected in ["<stdin>:3:10]", "<stdin>:4:1]", "route/r: service:"] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[tokio::test]
async fn sync_deletes_what_is_not_in_the_files_within_the_labels_after_asking() {
    let server = Server::start().await;
    server
        .with_input(&["apply", "-f", "-"], ORDERS)
        .await
        .fine();
    let other = "consumers: [{name: b, labels: {team: b}}]";
    server.with_input(&["apply", "-f", "-"], other).await.fine();
    let file = server.file(
        "less.yaml",
        "services: [{name: orders, url: 'http://127.0.0.1:1', labels: {team: a}}]",
    );
    let sync = ["sync", "-l", "team=a", "-f", &file];
    let said = server.gatewright(&sync).await.failed();
    assert!(said.contains("--yes"), "{said}");
    let said = server.asked(&sync, "n\n").await;
    assert!(said.out.contains("- route/orders\n") && said.out.contains("- plugin/orders-cors\n"));
    assert_eq!(said.code, 1, "{said:?}");
    let names = ["export", "-o", "name"];
    assert!(
        server
            .gatewright(&names)
            .await
            .fine()
            .contains("route/orders")
    );
    server.asked(&sync, "y\n").await.fine();
    assert_eq!(
        server.gatewright(&names).await.fine(),
        "consumer/b\nservice/orders\n"
    );
    let said = server.asked(&sync, "").await.fine();
    assert_eq!(said, "1 unchanged\n");
    let said = server.gatewright(&["sync", "-f", &file]).await;
    assert_eq!(said.code, 2, "labels or --all: {said:?}");
}

#[tokio::test]
async fn history_is_listed_shown_and_compared() {
    let server = Server::start().await;
    server
        .with_input(&["apply", "-f", "-"], ORDERS)
        .await
        .fine();
    let renamed = ORDERS.replace("/orders", "/new");
    server
        .with_input(&["apply", "-f", "-"], &renamed)
        .await
        .fine();
    let said = server.gatewright(&["revisions"]).await.fine();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(
        lines[0].contains("REVISION") && lines[1].trim().starts_with('2'),
        "{said}"
    );
    let said = server.gatewright(&["revisions", "show", "2"]).await.fine();
    assert!(
        said.contains("~ route/orders\n") && said.contains("+- prefix: /new"),
        "{said}"
    );
    let said = server
        .gatewright(&["revisions", "diff", "2", "1"])
        .await
        .fine();
    assert!(said.contains("+- prefix: /orders"), "{said}");
    let said = server
        .gatewright(&["revisions", "show", "7"])
        .await
        .failed();
    assert!(said.contains("there is no revision 7"), "{said}");
}

//! What needs no control plane.

use crate::server::gatewright;

#[tokio::test]
async fn validate_accepts_the_examples() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    for example in ["quickstart.yaml", "cognito.yaml"] {
        let path = format!("{examples}/{example}");
        let said = gatewright(&["validate", "-f", &path], "").await.fine();
        assert!(said.ends_with("resources, no mistakes\n"), "{said}");
    }
}

#[tokio::test]
async fn validate_reports_every_mistake_with_its_place() {
    let text = "services:
- name: s
  url: nonsense
- name: s2
  url: http://127.0.0.1:1
  protocl: http1
routes:
- name: r
  service: elsewhere
  paths: [{regex: '['}]
plugins:
- {name: p, type: rate-limitt, attach: {route: r}}
credentials:
- {name: c, consumer: nobody, key: a-secret-key}
- {name: d, consumer: nobody, key: short}
";
    let said = gatewright(&["validate", "-f", "-"], text).await.failed();
    for place in ["3:8", "6:3", "9:12", "10:11", "12:19", "14:23", "15:36"] {
        assert!(
            said.contains(&format!("<stdin>:{place}]")),
            "{place}\n{said}"
        );
    }
    assert!(said.contains("did you mean `protocol`?"), "{said}");
}

#[tokio::test]
async fn a_part_of_a_configuration_may_refer_to_the_rest() {
    let text = "routes: [{name: r, service: elsewhere, paths: [{prefix: /}]}]";
    let said = gatewright(&["validate", "-f", "-"], text).await.failed();
    assert!(said.contains("1 mistake"), "{said}");
    gatewright(&["validate", "--partial", "-f", "-"], text)
        .await
        .fine();
}

#[tokio::test]
async fn explain_shows_fields_of_kinds_and_plugins() {
    let explain = async |path| gatewright(&["explain", path], "").await;
    let said = explain("route").await.fine();
    assert!(
        said.contains("strip_prefix") && said.contains("hosts  (list of string"),
        "{said}"
    );
    let said = explain("service.connect_timeout_ms").await.fine();
    assert!(said.contains("default 5,000"), "{said}");
    let said = explain("route.paths").await.fine();
    assert!(
        said.contains("template") && said.contains("regex"),
        "{said}"
    );
    let said = explain("plugin.attach.route").await.fine();
    assert!(said.contains("route of this name"), "{said}");
    let said = explain("service.protocol").await.fine();
    assert!(said.contains("http1 | http2"), "{said}");
    let said = explain("rate-limit.limits.per").await.fine();
    assert!(said.starts_with("rate-limit.limits.per"), "{said}");
    let said = explain("route.hostss").await.failed();
    assert!(said.contains("did you mean `hosts`?"), "{said}");
    let said = explain("rout").await.failed();
    assert!(said.contains("did you mean `route`?"), "{said}");
}

#[tokio::test]
async fn plugins_are_listed_and_have_a_page() {
    let said = gatewright(&["plugins", "-o", "name"], "").await.fine();
    assert!(said.lines().any(|line| line == "key-auth"), "{said}");
    let said = gatewright(&["plugins", "rate-limit"], "").await.fine();
    assert!(said.starts_with("# rate-limit"), "{said}");
    let said = gatewright(&["plugins", "rate-limits"], "").await.failed();
    assert!(said.contains("did you mean `rate-limit`?"), "{said}");
}

#[tokio::test]
async fn the_version_help_and_completion_are_printed() {
    let said = gatewright(&["version"], "").await.fine();
    assert_eq!(said, format!("gatewright {}\n", env!("CARGO_PKG_VERSION")));
    assert!(gatewright(&["--help"], "").await.fine().contains("Usage:"));
    let said = gatewright(&["completion", "bash"], "").await.fine();
    assert!(said.contains("_gatewright"), "{said}");
    let said = gatewright(&["bogus"], "").await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("Usage"), "{said:?}");
}

#[tokio::test]
async fn why_tells_which_route_a_request_takes_without_sending_it() {
    let text = "services: [{name: s, url: 'http://127.0.0.1:1'}]
routes:
- {name: v2, service: s, query: [{name: v, value: {exact: '2'}}], headers: [{name: x-a}]}
- {name: office, service: s, source_addresses: {client: [10.0.0.0/8]}, paths: [{prefix: /in}]}
- {name: rest, service: s}
";
    let why = async |arguments: &[&str]| {
        let arguments = [&["why", "-f", "-"], arguments].concat();
        gatewright(&arguments, text).await.fine()
    };
    let said = why(&["GET", "https://a.test/?v=2", "-H", "X-A: 1"]).await;
    assert!(said.starts_with("v2: forward to service `s`\n"), "{said}");
    let said = why(&["GET", "https://a.test/in/x", "--client", "10.0.0.1"]).await;
    assert!(said.starts_with("office: "), "{said}");
    let said = why(&["GET", "https://a.test/in/x?v=2"]).await;
    assert!(said.starts_with("rest: "), "{said}");
    assert!(
        said.contains("source_addresses.client: the client is 192.0.2.1"),
        "{said}"
    );
    assert!(said.contains("headers: `x-a`"), "{said}");
    gatewright(&["why", "-f", "-", "GET", "a.test"], text)
        .await
        .failed();
}

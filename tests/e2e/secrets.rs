//! Secrets that settings refer to, from where they are kept to the upstream that is shown them.

use std::fs;

use gatewright_tests::{
    condition::eventually,
    control_plane::TestControlPlane,
    node::TestNode,
    upstream::{Upstream, route},
    vault::{VAULT_TOKEN, Vault},
};
use reqwest::Method;
use serde_json::{Value, json};

/// A plugin that shows the upstream of a route what a reference leads to, in `x-secret`.
fn shows(route: &str, reference: &str) -> Value {
    json!({
        "name": format!("{route}-secret"), "type": "headers", "attach": {"route": route},
        "settings": {"request": {"set_secret": {"x-secret": reference}}},
    })
}

/// What the upstream of a route was shown.
async fn shown(node: &TestNode, path: &str) -> (u16, String) {
    let answer = node.get(path).await;
    let json: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let told = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    (
        answer.status,
        told(&json["headers"]["x-secret"]) + &told(&json["code"]),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_vault_is_shown_changed_and_outlives_vault() {
    let (upstream, vault) = (Upstream::start().await, Vault::start().await);
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let url = vault.url();
    let flags = [
        ("--vault-address", url.as_str()),
        ("--vault-token", VAULT_TOKEN),
        ("--vault-refresh-ms", "100"),
    ];
    let control_plane = TestControlPlane::start_with(&database, &flags).await;
    let admin = &control_plane.admin;
    let node = TestNode::start("node", &[control_plane.url()], dir.path()).await;
    control_plane.followed_by(1, 0).await;
    let document = json!({
        "services": [upstream.service()],
        "routes": [route("a", "/a")],
        "plugins": [shows("a", "vault:kv/orders/prod#token")],
    });
    admin.apply(&document).await;
    assert_eq!(
        shown(&node, "/a").await,
        (503, "secret_unavailable".to_owned())
    );
    let missing = async || {
        let facts = admin.get("/v1/nodes/node").await.json()["facts"].clone();
        let first = &facts["missing_secrets"][0];
        first["reference"] == "vault:kv/orders/prod#token" && first["resource"] == "plugin/a-secret"
    };
    eventually("the node tells what is missing", missing).await;

    vault.put("kv/orders/prod", json!({"token": "first", "other": "x"}));
    let is = async |value: &str| shown(&node, "/a").await == (200, value.to_owned());
    eventually("the first value is shown", async || is("first").await).await;
    vault.put("kv/orders/prod", json!({"token": "second"}));
    eventually("the second value is shown", async || is("second").await).await;
    let secrets = admin.get("/v1/secrets").await.json()["items"].clone();
    assert_eq!(
        secrets[0]["source"], "vault:kv/orders/prod#token",
        "{secrets}"
    );
    assert!(!secrets.to_string().contains("second"));

    vault.seal(true);
    let reads = vault.reads();
    eventually("Vault is asked", async || vault.reads() > reads + 2).await;
    assert!(is("second").await);
    let plugin = "/v1/plugins/a-secret";
    admin.delete(plugin).await;
    let gone = async || admin.get("/v1/secrets").await.json()["items"] == json!([]);
    eventually("what nobody refers to is forgotten", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_found_in_resources_files_and_the_environment_of_the_node() {
    let (upstream, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let control_plane = TestControlPlane::start(&database).await;
    let folder = dir.path().join("secrets");
    fs::create_dir(&folder).unwrap();
    let folder_flag = folder.display().to_string();
    let flags = [("--secrets-dir", folder_flag.as_str())];
    let urls = [control_plane.url()];
    let node = TestNode::start_flagged("node", &urls, dir.path(), &flags).await;
    control_plane.followed_by(1, 0).await;
    let document = json!({
        "services": [upstream.service()],
        "routes": [route("a", "/a"), route("b", "/b"), route("c", "/c"), route("d", "/d")],
        "secrets": [{"name": "s", "value": r#"{"user": "me"}"#}],
        "plugins": [
            shows("a", "secret:s#user"), shows("b", "file:key"), shows("c", "env:CARGO_MANIFEST_DIR"),
            shows("d", "env:THERE_IS_NO_SUCH_VARIABLE"),
        ],
    });
    control_plane.admin.apply(&document).await;
    assert_eq!(shown(&node, "/a").await, (200, "me".to_owned()));
    assert_eq!(shown(&node, "/c").await.0, 200);
    for path in ["/b", "/d"] {
        assert_eq!(
            shown(&node, path).await,
            (503, "secret_unavailable".to_owned()),
            "{path}"
        );
    }
    fs::write(folder.join("key"), "of-a-file\n").unwrap();
    let read = async || shown(&node, "/b").await == (200, "of-a-file".to_owned());
    eventually("the file is read", read).await;
    let changed = json!({"value": r#"{"user": "you"}"#});
    let path = "/v1/secrets/s?wait=5s";
    control_plane
        .admin
        .send(Method::PATCH, path, &changed)
        .await;
    assert_eq!(shown(&node, "/a").await, (200, "you".to_owned()));
    let delete = control_plane.admin.request(Method::DELETE, "/v1/secrets/s");
    let refused = delete.send().await.unwrap();
    assert_eq!(refused.status(), 409, "it is referred to");
}

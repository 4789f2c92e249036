//! Credentials.

use crate::server::Server;

const CONSUMER: &str = "consumers: [{name: alice}]";

#[tokio::test]
async fn a_credential_is_made_rotated_and_revoked() {
    let server = Server::start().await;
    server
        .with_input(&["apply", "-f", "-"], CONSUMER)
        .await
        .fine();
    let create = [
        "credential",
        "create",
        "alice",
        "--name",
        "first",
        "--expires",
        "90d",
    ];
    let created = server.gatewright(&create).await.fine();
    assert!(
        created.contains("credential/first") && created.contains("gw_"),
        "{created}"
    );
    assert!(created.contains("cannot be shown again"), "{created}");
    let rotated = server
        .gatewright(&["credential", "rotate", "first", "--grace", "1h"])
        .await
        .fine();
    let key = rotated
        .lines()
        .find_map(|line| line.trim().strip_prefix("key"));
    let key = key.unwrap().trim().to_owned();
    let listed = server
        .gatewright(&["credential", "list", "--consumer", "alice"])
        .await
        .fine();
    assert_eq!(listed.lines().count(), 3, "two and a title: {listed}");
    assert!(!listed.contains(&key), "{listed}");
    let found = server
        .gatewright(&["credential", "list", "--prefix", &key[..8]])
        .await
        .fine();
    assert_eq!(found.lines().count(), 2, "{found}");
    server
        .gatewright(&["credential", "revoke", "first"])
        .await
        .fine();
    let listed = server
        .gatewright(&["credential", "list", "-o", "name"])
        .await
        .fine();
    assert!(!listed.contains("first"), "{listed}");
}

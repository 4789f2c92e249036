//! Registering an instance for as long as it, or a command, runs.

use super::server::Server;

const UPSTREAM: &str = "upstreams:\n- name: orders\n";

async fn with_orders() -> Server {
    let server = Server::start().await;
    let file = server.file("orders.yaml", UPSTREAM);
    server.gatewright(&["apply", "-f", &file]).await.fine();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_lasts_as_long_as_the_command_under_it() {
    let server = with_orders().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let marker = server.file("marker", "");
    // Goes on until it is registered, which the test tells it.
    let script = format!("while test -e {marker}; do sleep 0.02; done; exit 7");
    let arguments = [
        "register",
        "--upstream",
        "orders",
        "--address",
        &address,
        "--instance",
        "a",
        "--label",
        "zone=a",
        "--drain",
        "0s",
    ];
    let connected = server.connected(&arguments);
    let arguments = [&connected[..], &["--", "sh", "-c", &script]].concat();
    let registering = super::server::gatewright(&arguments, "");
    let registered = async {
        loop {
            let targets = ["get", "targets", "-o", "name"];
            let targets = server.gatewright(&targets).await.fine();
            if targets.contains("registered.orders.a") {
                return std::fs::remove_file(&marker).unwrap();
            }
        }
    };
    let both = async { tokio::join!(registering, registered) };
    let both = tokio::time::timeout(std::time::Duration::from_secs(30), both);
    let (said, ()) = both.await.expect("it ends");
    assert_eq!(said.code, 7, "{said:?}");
    assert!(said.err.contains("has left"), "{said:?}");
    let targets = server.gatewright(&["get", "targets", "-o", "name"]).await;
    assert_eq!(targets.fine(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_is_refused_says_why() {
    let server = with_orders().await;
    let none = ["register", "--upstream", "none", "--address", "127.0.0.1:1"];
    let said = server.gatewright(&none).await.failed();
    assert!(said.contains("there is no `upstream/none`"), "{said}");
    let address = ["register", "--upstream", "orders", "--address", "a:b"];
    let said = server.gatewright(&address).await.failed();
    assert!(said.contains("address"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_accept_connections_is_waited_for_visibly() {
    let server = with_orders().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let arguments = ["register", "--upstream", "orders", "--address", &address];
    let connected = server.connected(&arguments);
    let arguments = [&connected[..], &["--", "sh", "-c", "exit 7"]].concat();
    let said = super::server::gatewright(&arguments, "").await;
    assert_eq!(said.code, 7, "{said:?}");
    let waiting = format!("waiting until `{address}` accepts connections");
    assert!(said.err.contains(&waiting), "{said:?}");
}

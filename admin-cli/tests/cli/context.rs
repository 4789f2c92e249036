//! Which server, as whom.

use crate::server::{Server, gatewright};

#[tokio::test]
async fn a_context_is_set_chosen_listed_and_used() {
    let server = Server::start().await;
    let config = server.file("config.yaml", "");
    let with = |arguments: &[&'static str]| -> Vec<String> {
        let arguments = arguments.iter().map(ToString::to_string);
        arguments
            .chain(["--config".to_owned(), config.clone()])
            .collect()
    };
    let run = async |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        gatewright(&arguments, "").await
    };
    let mut set = with(&["context", "set", "here", "--token", "a-token-for-tests"]);
    set.extend(["--server".to_owned(), server.url()]);
    assert_eq!(run(set).await.fine(), "the current context is `here`\n");
    run(with(&["export"])).await.fine();
    run(with(&[
        "context",
        "set",
        "there",
        "--server",
        "http://127.0.0.1:1",
        "--token",
        "x",
    ]))
    .await
    .fine();
    let said = run(with(&["export"])).await.failed();
    assert!(said.contains("cannot reach http://127.0.0.1:1"), "{said}");
    run(with(&["export", "--context", "here"])).await.fine();
    run(with(&["context", "use", "here"])).await.fine();
    let said = run(with(&["context", "list"])).await.fine();
    assert!(
        said.contains("there") && !said.contains("a-token-for-tests"),
        "{said}"
    );
    let said = run(with(&["context", "use", "nowhere"])).await.failed();
    assert!(said.contains("known are: here, there"), "{said}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&config).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_wrong_token_and_no_token_are_said_plainly() {
    let server = Server::start().await;
    let config = server.file("config.yaml", "");
    let url = server.url();
    let said = gatewright(&["nodes", "--server", &url, "--config", &config], "")
        .await
        .failed();
    assert!(said.contains("no token"), "{said}");
    let wrong = ["nodes", "--server", &url, "--token", "wrong"];
    let said = gatewright(&wrong, "").await.failed();
    assert!(said.contains("does not accept the token"), "{said}");
    assert!(!said.contains("wrong"), "{said}");
}

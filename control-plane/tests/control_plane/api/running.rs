use std::time::Duration;

use clap::{Args as _, Command, FromArgMatches as _};
use gatewright_control_plane::{ControlPlane, ControlSettings, StartError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::server::TOKEN;
use crate::store::database::Database;

fn settings(database: &Database, flags: &[&str]) -> ControlSettings {
    let url = database.url();
    let fixed = [
        "test",
        "--database-url",
        &url,
        "--admin-listen",
        "127.0.0.1:0",
        "--discovery-listen",
        "127.0.0.1:0",
    ];
    let command = ControlSettings::augment_args(Command::new("test").args_override_self(true));
    let matches = command.try_get_matches_from(fixed.iter().chain(flags));
    ControlSettings::from_arg_matches(&matches.unwrap()).unwrap()
}

async fn refused(flags: &[&str]) -> StartError {
    let database = Database::sqlite();
    let started = ControlPlane::start(&settings(&database, flags)).await;
    started.expect_err("it does not start")
}

#[tokio::test]
async fn a_control_plane_answers_on_its_socket_and_ends() {
    let database = Database::sqlite();
    let settings = settings(&database, &["--admin-token", TOKEN]);
    let control_plane = ControlPlane::start(&settings).await.unwrap();
    let mut stream = TcpStream::connect(control_plane.admin).await.unwrap();
    let request = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // An idle connection does not hold the end up.
    let _idle = TcpStream::connect(control_plane.admin).await.unwrap();
    let ended = timeout(Duration::from_secs(10), control_plane.stop()).await;
    ended.expect("it ends");
}

#[tokio::test]
async fn settings_that_are_unsafe_or_unusable_are_refused() {
    for flags in [
        &["--admin-token", "short"][..],
        &["--admin-token", ""],
        &["--admin-token", TOKEN, "--admin-listen", "0.0.0.0:0"],
        &["--admin-token", TOKEN, "--discovery-listen", "[::]:0"],
        &[
            "--admin-token",
            TOKEN,
            "--database-url",
            "mysql://127.0.0.1/a",
        ],
        &[
            "--admin-token",
            TOKEN,
            "--admin-cert",
            "/none",
            "--admin-key",
            "/none",
        ],
    ] {
        let error = refused(flags).await;
        assert!(error.is_settings(), "{flags:?}: {error:?}");
    }
}

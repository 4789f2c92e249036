//! The back end follows from the URL, and a wrong URL is an error.

use std::time::{Duration, Instant};

use gatewright_control_plane::store::{StoreError, StoreSettings, open};

#[tokio::test]
async fn a_url_of_another_form_is_refused_without_repeating_its_password() {
    let urls = [
        "",
        "store.db",
        "mysql://user:hunter2@localhost/db",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:store.db?mode=ro",
        "postgres://user:hunter2@localhost:port/db",
    ];
    for url in urls {
        let error = open(url, &StoreSettings::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Url(_)), "{url}: {error:?}");
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_file_in_a_folder_that_does_not_exist_is_refused_by_name() {
    let error = open("sqlite:/nowhere/store.db", &StoreSettings::default()).await;
    let message = error.unwrap_err().to_string();
    assert!(message.contains("/nowhere/store.db"), "{message}");
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_an_error_soon() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "postgres://user@{}/db?sslmode=disable",
        silent.local_addr().unwrap()
    );
    let settings = StoreSettings {
        timeout: Duration::from_millis(300),
        ..StoreSettings::default()
    };
    let begun = Instant::now();
    let error = open(&url, &settings).await.unwrap_err();
    assert!(matches!(error, StoreError::Database(_)), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

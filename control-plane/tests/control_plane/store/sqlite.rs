//! What is special to a file.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::database::{Database, commit, service};
use gatewright_control_plane::store::Authorship;

#[tokio::test]
async fn the_file_is_readable_for_its_owner_only() {
    let database = Database::sqlite();
    let store = database.open().await;
    commit(&*store, vec![service("a", "/1")]).await;
    let Database::Sqlite(dir) = &database else {
        unreachable!()
    };
    for file in fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn after_the_file_is_deleted_reads_go_on_and_writes_fail() {
    let database = Database::sqlite();
    let store = database.open().await;
    commit(&*store, vec![service("a", "/1")]).await;
    let Database::Sqlite(dir) = &database else {
        unreachable!()
    };
    for file in fs::read_dir(dir.path()).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert_eq!(store.load().await.unwrap().1.len(), 1);
    let written = match store.begin().await {
        Ok(write) => {
            write
                .commit(vec![service("b", "/1")], Authorship::default())
                .await
        }
        Err(error) => Err(error),
    };
    assert!(written.is_err(), "{written:?}");
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing was created"
    );
}

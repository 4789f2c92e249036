//! Lists of addresses in files of a node, which change while it serves.

use std::fs;

use gatewright_tests::{
    condition::eventually,
    control_plane::TestControlPlane,
    node::TestNode,
    upstream::{Upstream, route},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_a_file_is_in_force_when_it_has_changed_and_stays_where_it_is_broken() {
    let (upstream, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let control_plane = TestControlPlane::start(&database).await;
    let folder = dir.path().join("lists");
    fs::create_dir(&folder).unwrap();
    let write = |text: &str| {
        let new = folder.join("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, folder.join("drop.txt")).unwrap();
    };
    write("# nobody yet\n192.0.2.0/24 ; a network\n\n2001:db8::/32 # another\n");
    let folder_flag = folder.display().to_string();
    let flags = [("--secrets-dir", folder_flag.as_str())];
    let node = TestNode::start_flagged("node", &[control_plane.url()], dir.path(), &flags).await;
    control_plane.followed_by(1, 0).await;
    let document = json!({
        "services": [upstream.service()],
        "routes": [route("a", "/a")],
        "plugins": [{"name": "p", "type": "ip-reputation", "attach": {"route": "a"},
            "settings": {"lists": [{"from": "file:drop.txt"}]}}],
    });
    control_plane.admin.apply(&document).await;
    assert_eq!(node.get("/a").await.status, 200);
    let padding = "198.51.100.0/24\n".repeat(10_000);
    write(&format!("{padding}127.0.0.0/8\n"));
    let refused = async || node.get("/a").await.status == 403;
    eventually("the address is refused", refused).await;
    write("127.0.0.0/8\nnot an address\n");
    write("10.0.0.0/8\n");
    let passes = async || node.get("/a").await.status == 200;
    eventually("the address passes again", passes).await;
}

//! Both planes know each other by certificates in files, as their settings name them.

use std::{fs, net::Ipv4Addr, path::Path};

use gatewright_tests::{
    condition::eventually,
    control_plane::TestControlPlane,
    node::TestNode,
    upstream::{Upstream, route},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use serde_json::json;

/// Writes an authority, and certificates of it for these names: `NAME.pem`, `NAME.key`, `ca.pem`.
fn issue(dir: &Path, names: &[(&str, SanType)]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for (file, name) in names {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![name.clone()];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        fs::write(dir.join(format!("{file}.pem")), certificate.pem()).unwrap();
        fs::write(dir.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

/// The flags that name the files of one certificate.
fn flags(dir: &Path, file: &str) -> [(&'static str, String); 3] {
    let path = |name: String| dir.join(name).display().to_string();
    [
        ("--discovery-cert", path(format!("{file}.pem"))),
        ("--discovery-key", path(format!("{file}.key"))),
        ("--discovery-ca", path("ca.pem".to_owned())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_follows_with_its_own_certificate_and_not_with_that_of_another() {
    let (upstream, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let here = SanType::IpAddress(Ipv4Addr::LOCALHOST.into());
    let first = SanType::DnsName("first".try_into().unwrap());
    issue(dir.path(), &[("control-plane", here), ("first", first)]);
    let of = |file: &str| flags(dir.path(), file);
    let (own, own_of_first) = (of("control-plane"), of("first"));
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let own = own.each_ref().map(|(flag, value)| (*flag, value.as_str()));
    let control_plane = TestControlPlane::start_with(&database, &own).await;
    let urls = [format!("https://{}", control_plane.running.discovery)];
    let shown = own_of_first
        .each_ref()
        .map(|(flag, value)| (*flag, value.as_str()));
    let first = TestNode::start_flagged("first", &urls, dir.path(), &shown).await;
    control_plane.followed_by(1, 0).await;
    let document = json!({"services": [upstream.service()], "routes": [route("base", "/base")]});
    control_plane.admin.apply(&document).await;
    assert_eq!(first.status("/base").await, 200);

    let sessions = "gatewright_discovery_sessions_total";
    let before = control_plane.counter(sessions).await;
    let second = TestNode::start_flagged("second", &urls, dir.path(), &shown).await;
    // It comes again and again.
    let tried = async || control_plane.counter(sessions).await >= before + 3;
    eventually("the second node has tried", tried).await;
    assert_eq!(control_plane.followers(0), 1);
    assert_eq!(second.config().await["revision"], 0);
}

//! Certificates of both planes.

use gatewright_control_plane::discovery::Limits;
use gatewright_proto::v1::{
    Hello, NodeMessage, control_message::Message as Control, discovery_client::DiscoveryClient,
    node_message::Message,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use tonic::{
    Code,
    transport::{Certificate, Channel, ClientTlsConfig, Identity, ServerTlsConfig},
};

use super::plane::Plane;
use crate::store::database::Database;

/// An authority of one test.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn certificate(&self) -> Certificate {
        Certificate::from_pem(&self.pem)
    }

    /// A certificate for a common name and alternative names.
    fn issue(&self, common: &str, names: Vec<SanType>) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, common);
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem())
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn uri(uri: &str) -> SanType {
    SanType::URI(uri.try_into().unwrap())
}

/// A control plane whose own certificate and whose nodes' are of this authority.
async fn plane(authority: &Authority) -> (Database, Plane) {
    let database = Database::sqlite();
    let tls = ServerTlsConfig::new()
        .identity(authority.issue("control plane", vec![dns("localhost")]))
        .client_ca_root(authority.certificate());
    let store = database.open().await;
    let plane = Plane::start_secured(&store, Limits::default(), Some(tls)).await;
    (database, plane)
}

/// Says hello by this name; the code with which that is refused.
async fn hello(plane: &Plane, tls: ClientTlsConfig, name: &str) -> Result<(), Code> {
    let url = format!("https://{}", plane.address);
    let endpoint = Channel::from_shared(url).unwrap();
    let endpoint = endpoint.tls_config(tls.domain_name("localhost")).unwrap();
    let channel = endpoint.connect().await.map_err(|_| Code::Unavailable)?;
    let hello = Hello {
        node_id: name.to_owned(),
        ..Hello::default()
    };
    let message = NodeMessage {
        message: Some(Message::Hello(hello)),
    };
    // Stays open, as a node's does.
    let (outgoing, messages) = tokio::sync::mpsc::channel(1);
    outgoing.send(message).await.unwrap();
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
    let stream = DiscoveryClient::new(channel).stream(messages).await;
    let mut stream = stream.map_err(|status| status.code())?.into_inner();
    let first = stream.message().await.map_err(|status| status.code())?;
    assert!(matches!(first.unwrap().message, Some(Control::Welcome(_))));
    Ok(())
}

#[tokio::test]
async fn a_node_that_its_certificate_names_is_welcome() {
    let authority = Authority::new();
    let (_database, plane) = plane(&authority).await;
    let identities = [
        authority.issue("some node", vec![dns("node-1")]),
        authority.issue(
            "some node",
            vec![dns("other"), uri("spiffe://fleet/node/node-1")],
        ),
        authority.issue("node-1", Vec::new()),
    ];
    for identity in identities {
        let tls = ClientTlsConfig::new().ca_certificate(authority.certificate());
        assert_eq!(
            hello(&plane, tls.identity(identity), "node-1").await,
            Ok(())
        );
    }
}

#[tokio::test]
async fn a_node_that_its_certificate_does_not_name_is_refused() {
    let authority = Authority::new();
    let (_database, plane) = plane(&authority).await;
    let identity = authority.issue("node-1", vec![dns("node-1")]);
    let tls = ClientTlsConfig::new().ca_certificate(authority.certificate());
    let refused = hello(&plane, tls.identity(identity), "node-2").await;
    assert_eq!(refused, Err(Code::PermissionDenied));
    assert!(plane.nodes.list().is_empty());
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_none_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_database, plane) = plane(&authority).await;
    let trusting = || ClientTlsConfig::new().ca_certificate(authority.certificate());
    let identity = stranger.issue("node-1", vec![dns("node-1")]);
    for tls in [trusting().identity(identity), trusting()] {
        hello(&plane, tls, "node-1").await.unwrap_err();
    }
    assert!(plane.nodes.list().is_empty());
    assert_eq!(plane.fleet.here().metrics().rows()[0].2, 0, "no stream");
}

#[tokio::test]
async fn a_node_does_not_follow_a_control_plane_of_another_authority() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_database, plane) = plane(&authority).await;
    let identity = authority.issue("node-1", vec![dns("node-1")]);
    let tls = ClientTlsConfig::new().ca_certificate(stranger.certificate());
    hello(&plane, tls.identity(identity), "node-1")
        .await
        .unwrap_err();
}

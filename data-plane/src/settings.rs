//! Every flag and environment variable of a node.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use ipnet::IpNet;

use crate::{
    proxy::{ForwardedFields, HalfClose, Limits},
    proxy_protocol::Port,
};

/// Settings of a node. Flags go before variables.
#[derive(Args, Clone, Debug)]
pub struct NodeSettings {
    /// Where to take plain HTTP (HTTP/1.1 and, with prior knowledge, HTTP/2).
    #[arg(long, env = "GATEWRIGHT_HTTP_LISTEN", default_value = "0.0.0.0:8080")]
    pub http_listen: SocketAddr,
    /// Where to take TLS, with the certificates of the configuration.
    #[arg(long, env = "GATEWRIGHT_HTTPS_LISTEN", default_value = "0.0.0.0:8443")]
    pub https_listen: SocketAddr,
    /// Where to answer `/healthz`, `/readyz` and `/metrics`.
    #[arg(
        long,
        env = "GATEWRIGHT_STATUS_LISTEN",
        default_value = "127.0.0.1:9100"
    )]
    pub status_listen: SocketAddr,
    /// URLs of the control planes, separated by commas. Tried in random order.
    #[arg(
        long,
        env = "GATEWRIGHT_CONTROL_PLANE",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:9090"
    )]
    pub control_plane: Vec<String>,
    /// Allows plain text to control planes that are not on this machine.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_INSECURE")]
    pub discovery_insecure: bool,
    /// PEM of the authorities that control planes' certificates are checked against.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_CA")]
    pub discovery_ca: Option<PathBuf>,
    /// PEM of this node's certificate.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_CERT", requires = "discovery_key")]
    pub discovery_cert: Option<PathBuf>,
    /// PEM of its private key.
    #[arg(long, env = "GATEWRIGHT_DISCOVERY_KEY", requires = "discovery_cert")]
    pub discovery_key: Option<PathBuf>,
    /// Name of this node, unique in the fleet. Default: the host's name.
    #[arg(long, env = "GATEWRIGHT_NODE_ID")]
    pub node_id: Option<String>,
    /// Group of nodes it belongs to.
    #[arg(long, env = "GATEWRIGHT_NODE_GROUP", default_value = "default")]
    pub node_group: String,
    /// Where the last accepted configuration is kept, to start from without a control plane.
    #[arg(
        long,
        env = "GATEWRIGHT_STATE_DIR",
        default_value = ".gatewright/state"
    )]
    pub state_dir: PathBuf,
    /// Folder that secrets referred to as `file:PATH` are read from, and from nowhere else. Default: none is read.
    #[arg(long, env = "GATEWRIGHT_SECRETS_DIR")]
    pub secrets_dir: Option<PathBuf>,
    /// Threads that serve traffic. Default: one a core.
    #[arg(long, env = "GATEWRIGHT_WORKERS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// Where access lines go: `stdout`, `off`, or a file's path.
    #[arg(long, env = "GATEWRIGHT_ACCESS_LOG", default_value = "stdout")]
    pub access_log: String,
    /// Most connections from clients at a time. Over it, new ones are closed.
    #[arg(long, env = "GATEWRIGHT_MAX_CONNECTIONS", default_value_t = 100_000)]
    pub max_connections: usize,
    /// Most requests in flight at a time; 0 is no limit. From 85 % on sheddable requests get 503 `overloaded`, from 95 %
    /// on all but critical ones, and over it all.
    #[arg(long, env = "GATEWRIGHT_MAX_IN_FLIGHT", default_value_t = 0)]
    pub max_in_flight: u32,
    /// Memory that the process may use, in bytes, for the protection from overload; 0 is the limit of the
    /// control group, or what the machine has.
    #[arg(long, env = "GATEWRIGHT_MEMORY_LIMIT_BYTES", default_value_t = 0)]
    pub memory_limit_bytes: u64,
    /// Addresses of proxies in front, as `10.0.0.0/8` or `10.0.0.7`, separated by commas. From them the
    /// forwarding fields are believed.
    #[arg(long, env = "GATEWRIGHT_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Number of proxies in front, whatever their addresses. 0 trusts none by number.
    #[arg(long, env = "GATEWRIGHT_TRUSTED_HOPS", default_value_t = 0)]
    pub trusted_hops: usize,
    /// On which ports connections begin with the PROXY protocol, version 1 or 2: `http`, `https` or both, separated by a
    /// comma. They take connections from `--trusted-proxies` only, and each must say who its client is.
    #[arg(
        long,
        env = "GATEWRIGHT_PROXY_PROTOCOL",
        value_delimiter = ',',
        requires = "trusted_proxies"
    )]
    pub proxy_protocol: Vec<Port>,
    /// Which fields tell upstreams of the client.
    #[arg(
        long,
        env = "GATEWRIGHT_FORWARDED_FIELDS",
        default_value = "x-forwarded"
    )]
    pub forwarded_fields: ForwardedFields,
    /// Where spans are exported to, over OTLP (gRPC), as `http://collector:4317`. Default: nowhere.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Share of the traces that begin here and are exported, 0 to 1. Others go on as their sender decided.
    #[arg(long, env = "GATEWRIGHT_TRACE_RATIO", default_value_t = 1.0, value_parser = ratio)]
    pub trace_ratio: f64,
    /// Largest header section of a request, in bytes.
    #[arg(long, env = "GATEWRIGHT_MAX_HEAD_BYTES", default_value_t = 65_536, value_parser = range(1024, 1 << 20))]
    pub max_head_bytes: usize,
    /// Most header fields of a request.
    #[arg(long, env = "GATEWRIGHT_MAX_HEADERS", default_value_t = 100, value_parser = range(1, 1000))]
    pub max_headers: usize,
    /// Largest body of a request, in bytes; 0 is no limit. A route may say otherwise.
    #[arg(long, env = "GATEWRIGHT_MAX_BODY_BYTES", default_value_t = 0)]
    pub max_body_bytes: u64,
    /// Time for a request's head, in milliseconds.
    #[arg(long, env = "GATEWRIGHT_HEAD_TIMEOUT_MS", default_value_t = 10_000)]
    pub head_timeout_ms: u64,
    /// Longest time without a byte of a body, in milliseconds.
    #[arg(long, env = "GATEWRIGHT_BODY_TIMEOUT_MS", default_value_t = 30_000)]
    pub body_timeout_ms: u64,
    /// Longest time that a client's connection may be idle, in milliseconds.
    #[arg(long, env = "GATEWRIGHT_IDLE_TIMEOUT_MS", default_value_t = 3_600_000)]
    pub idle_timeout_ms: u64,
    /// Most streams at a time on an HTTP/2 connection.
    #[arg(long, env = "GATEWRIGHT_MAX_STREAMS", default_value_t = 128)]
    pub max_streams: u32,
    /// What a client of HTTP/1.1 means that ends its side of the connection while it waits: that it has gone,
    /// or that it has nothing more to say.
    #[arg(long, env = "GATEWRIGHT_HALF_CLOSE", default_value = "abort")]
    pub half_close: HalfClose,
    /// Time from SIGTERM, when `/readyz` turns false, until no more connections are taken, in milliseconds: for
    /// load balancers in front to notice.
    #[arg(long, env = "GATEWRIGHT_DRAIN_DELAY_MS", default_value_t = 0)]
    pub drain_delay_ms: u64,
    /// Time for exchanges in flight to end after that, in milliseconds. Connections that have switched protocols,
    /// as WebSocket, are closed when nine tenths of it are over.
    #[arg(long, env = "GATEWRIGHT_DRAIN_TIMEOUT_MS", default_value_t = 25_000)]
    pub drain_timeout_ms: u64,
}

impl NodeSettings {
    /// The bounds on what a client may send.
    pub const fn limits(&self) -> Limits {
        Limits {
            head_bytes: self.max_head_bytes,
            header_count: self.max_headers,
            head_timeout: Duration::from_millis(self.head_timeout_ms),
            body_timeout: Duration::from_millis(self.body_timeout_ms),
            idle_timeout: Duration::from_millis(self.idle_timeout_ms),
            body_bytes: self.max_body_bytes,
            concurrent_streams: self.max_streams,
            half_close: self.half_close,
            tunnel_grace: Duration::from_millis(self.drain_timeout_ms / 10 * 9),
        }
    }

    /// How many threads serve traffic.
    pub fn worker_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.workers.map_or_else(cores, usize::from)
    }
}

fn range(
    least: usize,
    most: usize,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| match text.parse() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!("`{text}` is not within {least} to {most}")),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let wrong = |_| format!("`{text}` is no network, as `10.0.0.0/8`, nor an address");
    text.parse().or_else(|_| address()).map_err(wrong)
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!("`{text}` is not within 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn a_trusted_proxy_is_a_network_or_an_address() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.7", "10.0.0.7/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(
                network(text).map(|it| it.to_string()),
                Ok(expected.to_owned())
            );
        }
        assert!(network("proxy").is_err_and(|error| error.contains("10.0.0.0/8")));
    }
}

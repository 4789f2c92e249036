//! What stands before the upstream.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::Command,
};

use anyhow::{anyhow, ensure};
use clap::{Args as _, FromArgMatches as _};
use gatewright_data_plane::{Node, NodeSettings};
use gatewright_engine::{
    live::{Change, Live},
    plugin::Registry,
};
use gatewright_proto::{Key, Kind, Version};
use serde_json::{Value, json};

use super::knee::Knee;
use crate::process::Pinned;

/// A node in this process.
pub(super) struct Gatewright {
    node: Node,
}

impl Gatewright {
    /// Starts one whose service has these fields, and a rate limit with these settings if there are any.
    pub(super) async fn start(knee: &Knee, fields: Value, limit: Value) -> anyhow::Result<Self> {
        let mut service = json!({"name": "s", "url": format!("http://{}", knee.address)});
        for (name, value) in fields.as_object().into_iter().flatten() {
            service[name] = value.clone();
        }
        let mut resources = vec![
            (Kind::Service, service),
            (Kind::Route, json!({"name": "r", "service": "s"})),
        ];
        if !limit.is_null() {
            let plugin = json!({"name": "limit", "type": "rate-limit", "attach": {"service": "s"}, "settings": limit});
            resources.push((Kind::Plugin, plugin));
        }
        let mut change = Change {
            revision: 1,
            ..Change::default()
        };
        for (kind, value) in resources {
            let resource = kind.from_json(value)?;
            let (key, version) = (Key::of(&resource), Version::of(&resource));
            change.upserts.push((key, version, Some(resource)));
        }
        let mut live = Live::new(Registry::default());
        let rejects = live.apply(change);
        ensure!(rejects.is_empty(), "{rejects:?}");
        let node = Node::start(&settings()?).await?;
        node.publisher().hold(&live);
        node.ready();
        Ok(Self { node })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.node.http
    }
}

fn settings() -> anyhow::Result<NodeSettings> {
    let any = "127.0.0.1:0";
    let arguments = [
        "node",
        "--http-listen",
        any,
        "--https-listen",
        any,
        "--status-listen",
        any,
        "--control-plane",
        "",
        "--access-log",
        "off",
        "--workers",
        "1",
    ];
    let command = NodeSettings::augment_args(clap::Command::new("node"));
    let matches = command.try_get_matches_from(arguments)?;
    Ok(NodeSettings::from_arg_matches(&matches)?)
}

/// NGINX with a fixed limit.
pub(super) struct Nginx {
    pub(super) address: SocketAddr,
    _process: Pinned,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts one that lets so many requests a second through.
    pub(super) fn start(knee: &Knee, per_second: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display();
        // Free until a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let upstream = knee.address;
        let file = folder.path().join("nginx.conf");
        let text = format!(
            "worker_processes 1; daemon off; master_process off; pid {path}/pid; error_log /dev/null crit; user root;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/fastcgi;
  uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;
  limit_req_zone $server_name zone=all:1m rate={per_second}r/s;
  upstream up {{ server {upstream}; keepalive 1024; }}
  server {{ listen {address} backlog=4096; server_name all;
    location / {{ limit_req zone=all burst=20 nodelay; proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}
}}
"
        );
        fs::write(&file, text)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&file);
        let log = folder.path().join("log");
        let log = log.to_str().ok_or_else(|| anyhow!("an odd folder"))?;
        let mut process = Pinned::start("0,1", &mut command, log)?;
        process.listens(address)?;
        Ok(Self {
            address,
            _process: process,
            _folder: folder,
        })
    }
}

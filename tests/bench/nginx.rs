//! NGINX, set up to do the same work.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::scenario::{CONSUMERS, GATEWAY, ROUTES, Scenario, UPSTREAM};

/// Writes its configuration into a folder and returns the command that starts it.
pub(crate) fn command(folder: &Path, scenario: Scenario) -> anyhow::Result<Command> {
    fs::create_dir_all(folder)?;
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration(folder, scenario))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&file);
    Ok(command)
}

fn configuration(folder: &Path, scenario: Scenario) -> String {
    let folder = folder.display();
    let (http, server) = match scenario {
        Scenario::Bare => (String::new(), format!("location / {{ {BARE} }}")),
        Scenario::Plain => (String::new(), format!("location / {{ {PROXY} }}")),
        Scenario::Policies | Scenario::Announced => policies(),
        // It checks no tokens; what knows who calls is measured beside Envoy.
        Scenario::Keys | Scenario::Token | Scenario::Tokens => {
            (String::new(), "return 501;".to_owned())
        }
    };
    format!(
        "worker_processes 1; daemon off; master_process off; pid {folder}/pid; error_log /dev/null crit; user root;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  access_log off; keepalive_timeout 300s; keepalive_requests 1000000000; tcp_nodelay on; server_tokens off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream up {{ server {UPSTREAM}; keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 300s; }}
  {http}
  server {{ listen {GATEWAY} backlog=4096; {server} }}
}}
"
    )
}

/// The least that a proxy does.
const BARE: &str = "proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
    proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; add_header Via '1.1 nginx';";

/// What Gatewright tells origin and client without being asked.
const PROXY: &str = "proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; \
    proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port $server_port; \
    proxy_set_header X-Request-Id $request_id; proxy_set_header Via '1.1 nginx'; \
    proxy_hide_header X-Request-Id; add_header X-Request-Id $request_id; add_header Via '1.1 nginx';";

/// 1,000 locations, 10,000 keys, a limit for each consumer, header edits.
fn policies() -> (String, String) {
    let mut http = "map_hash_max_size 262144; map_hash_bucket_size 128; map $http_x_api_key $consumer { default ''; ".to_owned();
    for number in 0..CONSUMERS {
        let _ = write!(http, "key-{number:05} consumer-{number}; ");
    }
    http.push_str(
        "}\n limit_req_zone $consumer zone=limit:64m rate=1000000r/s; limit_req_status 429;",
    );
    let mut server =
        "limit_req zone=limit burst=1000000 nodelay; if ($consumer = '') { return 401; }\n\
         location / { return 404; }\n"
            .to_owned();
    for number in 0..ROUTES {
        let _ = writeln!(
            server,
            "location /svc{number}/ {{ {PROXY} proxy_hide_header Cache-Control; proxy_set_header Accept \"\"; \
             proxy_set_header X-Gateway bench; proxy_set_header X-Api-Key \"\"; \
             proxy_set_header X-Consumer-Name $consumer; }}"
        );
    }
    (http, server)
}

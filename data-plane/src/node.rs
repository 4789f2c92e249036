//! One node: everything wired together.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize},
    },
    time::Duration,
};

use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use gatewright_engine::{
    plugin::{Clients, Registry},
    secret::LocalSecrets,
};

use crate::{
    caller::HttpCaller,
    config_cache::ConfigCache,
    config_stream::{
        Endpoint, Follower, Identity, InvalidEndpoint, Reports, SharedHolding, StreamStatus,
    },
    forward::{Forwarder, Timers},
    heavy::Pool,
    listener::Shared,
    local_secrets::{self, MachineSecrets},
    overload::Overload,
    proxy::{Proxy, Trust},
    published::Publisher,
    readiness::Readiness,
    settings::NodeSettings,
    status::{self, Told},
    telemetry::{AccessLog, Metrics, Telemetry, Tracer, export},
    tls::Tls,
    upstream::Upstreams,
    workers::{Plan, Workers},
};

/// A running node. Control traffic (status, names, the stream) runs on the runtime that starts it.
#[derive(Debug)]
pub struct Node {
    /// Where plain HTTP is taken.
    pub http: SocketAddr,
    /// Where TLS is taken.
    pub https: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    pub status: SocketAddr,
    publisher: Publisher,
    readiness: Readiness,
    stream: Arc<StreamStatus>,
    /// Who tells the control plane how the node's parts fare.
    reports: Reports,
    workers: Workers,
    drain: CancellationToken,
    /// For what must go on while workers drain.
    stop: CancellationToken,
    tasks: TaskTracker,
    drain_delay: Duration,
    clients: Clients,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, or a file cannot be opened.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Settings of the stream to the control plane.
    #[error(transparent)]
    Discovery(#[from] InvalidEndpoint),
    /// Spans cannot be exported to what the settings name.
    #[error("spans cannot be exported to the OTLP endpoint")]
    Export(#[from] opentelemetry_otlp::ExporterBuildError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Io { what, source }
}

impl Node {
    /// Starts it, with all plugin types.
    ///
    /// # Errors
    /// As [`Node::start_with`].
    pub async fn start(settings: &NodeSettings) -> Result<Self, StartError> {
        Self::start_with(settings, Registry::default()).await
    }

    /// Starts it with these plugin types. Without a control plane in the settings it serves what its
    /// publisher is given.
    ///
    /// # Errors
    /// An address is taken; the access log or a certificate cannot be opened; the settings of the stream
    /// cannot be used.
    pub async fn start_with(
        settings: &NodeSettings,
        registry: Registry,
    ) -> Result<Self, StartError> {
        let listener = TcpListener::bind(settings.status_listen)
            .await
            .map_err(io(format!("cannot listen on {}", settings.status_listen)))?;
        let status = listener.local_addr().map_err(io("no address"))?;
        let (stop, tasks, readiness) = (
            CancellationToken::new(),
            TaskTracker::new(),
            Readiness::default(),
        );
        let telemetry = start_telemetry(settings, &tasks, &stop)?;
        let upstreams = Upstreams::new(settings.worker_count());
        let publisher = Publisher::new(upstreams, Arc::clone(&telemetry.metrics));
        let reports = Reports::default();
        reports.register(Arc::new(publisher.clone()));
        let drain = CancellationToken::new();
        let overload = Overload::new(
            settings.max_in_flight,
            settings.memory_limit_bytes,
            &telemetry.metrics,
        );
        tasks.spawn(Arc::clone(&overload).watch(stop.clone()));
        let workers = start_workers(settings, &telemetry, (&publisher, &overload), &drain)?;
        let stream = Arc::new(StreamStatus::new());
        let told = Told {
            readiness: readiness.clone(),
            telemetry: Arc::clone(&telemetry),
            publisher: publisher.clone(),
            stream: Arc::clone(&stream),
            reports: reports.clone(),
        };
        tasks.spawn(status::serve(listener, told, stop.clone()));
        let node = Self {
            http: workers.http,
            https: workers.https,
            status,
            publisher,
            readiness,
            stream,
            reports,
            workers,
            drain,
            stop,
            tasks,
            drain_delay: Duration::from_millis(settings.drain_delay_ms),
            clients: start_clients(&telemetry)?,
        };
        node.follow(settings, registry, telemetry)?;
        Ok(node)
    }

    /// Serves what was kept on disk, and follows the control planes that the settings name, if any.
    fn follow(
        &self,
        settings: &NodeSettings,
        mut registry: Registry,
        telemetry: Arc<Telemetry>,
    ) -> Result<(), StartError> {
        let endpoints = Endpoint::all(settings)?;
        if endpoints.is_empty() {
            return Ok(());
        }
        let secrets = Arc::new(MachineSecrets::new(settings.secrets_dir.clone()));
        registry.local = Arc::clone(&secrets) as Arc<dyn LocalSecrets>;
        let follower = Follower {
            identity: Identity {
                node_id: settings.node_id.clone().unwrap_or_else(host_name),
                boot_id: format!("{:032x}", rand::random::<u128>()),
                group: settings.node_group.clone(),
                listeners: vec![
                    format!("http://{}", self.http),
                    format!("https://{}", self.https),
                ],
            },
            endpoints,
            holding: SharedHolding::new(Registry {
                clients: self.clients.clone(),
                ..registry
            }),
            publisher: self.publisher.clone(),
            readiness: self.readiness.clone(),
            cache: ConfigCache::new(settings.state_dir.clone()),
            telemetry,
            status: Arc::clone(&self.stream),
            reports: self.reports.clone(),
            started: tokio::time::Instant::now(),
            streams: AtomicU64::new(0),
        };
        follower.restore();
        let (holding, publisher) = (follower.holding.clone(), self.publisher.clone());
        let refresh = local_secrets::follow(secrets, holding, publisher, self.stop.clone());
        self.tasks.spawn(refresh);
        self.tasks.spawn(follower.run(self.stop.clone()));
        Ok(())
    }

    /// Publishes snapshots to it.
    pub const fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// What it does for plugins: configurations that are published to it are compiled with it.
    pub const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Tells that a configuration is served: `/readyz` turns true.
    pub fn ready(&self) {
        self.readiness.published();
    }

    /// Says that it is not ready, stops accepting, lets exchanges in flight end (within the settings'
    /// times), and ends.
    pub async fn drain(self) {
        self.readiness.draining();
        tokio::time::sleep(self.drain_delay).await;
        self.drain.cancel();
        self.workers.join().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn start_telemetry(
    settings: &NodeSettings,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Arc<Telemetry>, StartError> {
    let access_log = AccessLog::open(&settings.access_log).map_err(io(format!(
        "cannot open the access log `{}`",
        settings.access_log
    )))?;
    let mut tracer = None;
    if let Some(endpoint) = settings
        .otlp_endpoint
        .as_deref()
        .filter(|it| !it.is_empty())
    {
        let (its, finished) = Tracer::new(settings.trace_ratio);
        tasks.spawn(export(endpoint, finished, stop.clone())?);
        tracer = Some(its);
    }
    Ok(Arc::new(Telemetry {
        metrics: Metrics::new(),
        access_log,
        tracer,
    }))
}

fn start_workers(
    settings: &NodeSettings,
    telemetry: &Arc<Telemetry>,
    (publisher, overload): (&Publisher, &Arc<Overload>),
    drain: &CancellationToken,
) -> Result<Workers, StartError> {
    let shared = Arc::new(Shared {
        max_connections: settings.max_connections,
        overload: Arc::clone(overload),
        connections: AtomicUsize::new(0),
        telemetry: Arc::clone(telemetry),
        tls: Tls::new(publisher.current())?,
        introduced: settings.proxy_protocol.clone(),
    });
    let plan = Plan {
        count: settings.worker_count(),
        http: settings.http_listen,
        https: settings.https_listen,
        drain_timeout: Duration::from_millis(settings.drain_timeout_ms),
    };
    let http2 = crate::http2::client::Pool::default();
    let proxy = |worker| Proxy {
        limits: settings.limits(),
        trust: Trust {
            proxies: settings.trusted_proxies.clone(),
            hops: settings.trusted_hops,
        },
        forwarded_fields: settings.forwarded_fields,
        published: publisher.current(),
        telemetry: Arc::clone(telemetry),
        forwarder: Arc::new(forwarder(worker, publisher, http2.beside())),
        overload: Arc::clone(overload),
    };
    Workers::start(&plan, &shared, drain, proxy).map_err(io("cannot start the workers"))
}

fn start_clients(telemetry: &Telemetry) -> Result<Clients, StartError> {
    let heavy = Pool::start().map_err(io("cannot start threads"))?;
    let metrics = Arc::clone(&telemetry.metrics.calls);
    Ok(Clients {
        heavy: Some(Arc::new(heavy)),
        caller: Some(Arc::new(HttpCaller::new(Handle::current(), metrics))),
    })
}

/// With pools of its own, which are told when a revision makes connections obsolete.
fn forwarder(worker: usize, publisher: &Publisher, http2: crate::http2::client::Pool) -> Forwarder {
    let http1 = crate::http1::client::Pool::default();
    publisher.pools().add(http1.retire());
    for pool in http2.retire() {
        publisher.pools().add(pool);
    }
    Forwarder {
        worker,
        http1,
        http2,
        timers: Timers::default(),
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "node".to_owned(),
        name => name.to_owned(),
    }
}

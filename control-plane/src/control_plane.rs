//! One control plane: everything wired together.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::{
    api::{self, Api, InvalidToken, Tokens},
    catalog::Catalog,
    check::Checker,
    discovery::{self, Nodes, Options},
    settings::ControlSettings,
    store::{self, Store, StoreError, StoreSettings},
    write::Writer,
};

/// How often old history is forgotten.
const TRIM_INTERVAL: Duration = Duration::from_secs(3600);

/// A running control plane.
#[derive(Debug)]
pub struct ControlPlane {
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Where nodes connect.
    pub discovery: SocketAddr,
    /// The nodes that are connected.
    pub nodes: Nodes,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// Why a control plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The setting of the admin token.
    #[error(transparent)]
    Token(#[from] InvalidToken),
    /// Settings that exclude each other or would be unsafe.
    #[error("{0}")]
    Settings(String),
    /// The database.
    #[error("the database cannot be opened")]
    Store(#[from] StoreError),
    /// An address is taken, or a file cannot be read.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl ControlPlane {
    /// Starts it: opens and migrates the database, loads everything, then listens.
    ///
    /// # Errors
    /// Settings that cannot be used, the database, an address that is taken.
    pub async fn start(settings: &ControlSettings) -> Result<Self, StartError> {
        let tokens = Arc::new(Tokens::parse(&settings.admin_token)?);
        let tls = tls(settings)?;
        check_exposure(settings)?;
        let store = store::open(&settings.database_url, &StoreSettings::default()).await?;
        let catalog = Catalog::load(Arc::clone(&store)).await?;
        let admin = bind(settings.admin_listen).await?;
        let streams = bind(settings.discovery_listen).await?;
        let address = |listener: &TcpListener| listener.local_addr().map_err(io("no address"));
        let (shutdown, tasks, nodes) = (
            CancellationToken::new(),
            TaskTracker::new(),
            Nodes::default(),
        );
        let control_plane = Self {
            admin: address(&admin)?,
            discovery: address(&streams)?,
            nodes: nodes.clone(),
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
        };
        let options = Options {
            control_plane_id: format!("{}", control_plane.discovery),
            goaway_spread: Duration::from_millis(settings.goaway_spread_ms),
            tls,
        };
        tasks.spawn(catalog.clone().follow(shutdown.clone()));
        tasks.spawn(trim(store, settings.clone(), shutdown.clone()));
        let served = discovery::serve(
            streams,
            options,
            catalog.clone(),
            nodes.clone(),
            shutdown.clone(),
        );
        tasks.spawn(async {
            if let Err(error) = served.await {
                tracing::error!(%error, "the stream to the nodes failed");
            }
        });
        let checker = Arc::new(Checker::default());
        let api = Api {
            writer: Arc::new(Writer::new(catalog.clone(), Arc::clone(&checker))),
            catalog,
            checker,
            nodes,
            tokens,
        };
        tasks.spawn(async move {
            let served = axum::serve(admin, api::router(api));
            if let Err(error) = served
                .with_graceful_shutdown(shutdown.cancelled_owned())
                .await
            {
                tracing::error!(%error, "the admin API failed");
            }
        });
        Ok(control_plane)
    }

    /// Ends it: nodes are told when to come back elsewhere, requests in flight are answered.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        // Clients may keep connections open for longer than anybody wants to wait.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
    }
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Io { what, source }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(io(format!("cannot listen on {address}")))
}

/// Nothing that is meant for this machine listens beyond it by accident.
fn check_exposure(settings: &ControlSettings) -> Result<(), StartError> {
    if !settings.admin_listen.ip().is_loopback() && !settings.admin_insecure {
        let message = format!(
            "the admin API is plain HTTP and would listen on {}; put TLS in front and say --admin-insecure",
            settings.admin_listen
        );
        return Err(StartError::Settings(message));
    }
    let plain = settings.discovery_cert.is_none();
    if plain && !settings.discovery_listen.ip().is_loopback() && !settings.discovery_insecure {
        let message = format!(
            "nodes would connect in plain text on {}; give --discovery-cert, or allow it with --discovery-insecure",
            settings.discovery_listen
        );
        return Err(StartError::Settings(message));
    }
    Ok(())
}

fn tls(settings: &ControlSettings) -> Result<Option<ServerTlsConfig>, StartError> {
    let (Some(certificate), Some(key)) = (&settings.discovery_cert, &settings.discovery_key) else {
        return Ok(None);
    };
    let read =
        |path: &PathBuf| fs::read(path).map_err(io(format!("cannot read `{}`", path.display())));
    let mut tls =
        ServerTlsConfig::new().identity(Identity::from_pem(read(certificate)?, read(key)?));
    if let Some(authorities) = &settings.discovery_ca {
        tls = tls.client_ca_root(Certificate::from_pem(read(authorities)?));
    }
    Ok(Some(tls))
}

async fn trim(store: Arc<dyn Store>, settings: ControlSettings, shutdown: CancellationToken) {
    let keep_ms = i64::from(settings.history_hours) * 3_600_000;
    loop {
        tokio::select! {
            () = sleep(TRIM_INTERVAL) => {}
            () = shutdown.cancelled() => return,
        }
        match store.trim(keep_ms, settings.history_revisions).await {
            Ok(0) => {}
            Ok(revisions) => tracing::info!(revisions, "forgot old history"),
            Err(error) => tracing::warn!(%error, "cannot forget old history"),
        }
    }
}

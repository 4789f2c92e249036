//! One control plane: everything wired together.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use tokio::{net::TcpListener, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    api::{self, Api, InvalidTokens, Tokens, serve::Serving},
    catalog::Catalog,
    discovery::{self, Fleet, Nodes},
    secrets::{
        self, InvalidMasterKey,
        vault::{Keeper, VaultError},
    },
    settings::ControlSettings,
    store::{self, Store, StoreError, StoreSettings},
    tls::{self, TlsError},
};

/// How often old revisions are forgotten.
const TRIM_INTERVAL: Duration = Duration::from_secs(3600);

/// Time for tasks to end beyond what draining takes.
const END_GRACE: Duration = Duration::from_secs(2);

const MILLISECONDS_AN_HOUR: i64 = 3600 * 1000;

/// A running control plane.
#[derive(Debug)]
pub struct ControlPlane {
    /// Where the admin API is.
    pub admin: SocketAddr,
    /// Where nodes fetch the configuration.
    pub discovery: SocketAddr,
    /// Who follows it.
    pub nodes: Nodes,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    drain: Duration,
}

/// Why a control plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that do not go together.
    #[error("{0}")]
    Settings(String),
    /// Tokens that cannot be used.
    #[error(transparent)]
    Tokens(#[from] InvalidTokens),
    /// Certificates that cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Master keys that cannot be used.
    #[error(transparent)]
    MasterKey(#[from] InvalidMasterKey),
    /// Vault that cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database.
    #[error("cannot open the database")]
    Store(#[from] StoreError),
    /// An address is taken, or not of this machine.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
}

impl StartError {
    /// Whether it is the settings that are wrong, and starting again does not help.
    pub const fn is_settings(&self) -> bool {
        matches!(
            self,
            Self::Settings(_)
                | Self::Tokens(_)
                | Self::Tls(_)
                | Self::MasterKey(_)
                | Self::Vault(_)
                | Self::Store(StoreError::Url(_) | StoreError::MasterKey(_))
        )
    }
}

impl ControlPlane {
    /// Starts it. It serves when this returns.
    ///
    /// # Errors
    /// Settings that cannot be used; a database that does not answer; an address that is taken.
    pub async fn start(settings: &ControlSettings) -> Result<Self, StartError> {
        check_addresses(settings)?;
        let tokens = Tokens::parse(&settings.admin_token)?;
        let (admin_tls, discovery_tls) = (tls::of_admin(settings)?, tls::of_discovery(settings)?);
        let catalog = load(settings).await?;
        let (admin_listener, admin) = listen(settings.admin_listen).await?;
        let (discovery_listener, discovery) = listen(settings.discovery_listen).await?;
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let nodes = Nodes::default();
        let id = name(settings);
        let fleet = Fleet::new(nodes.clone(), catalog.store.clone(), &id);
        let limits = settings.registrations.limits();
        let api = Api::limited(catalog.clone(), fleet.clone(), tokens, limits);
        let serving = serving(settings, admin_tls);
        let control_plane = Self {
            admin,
            discovery,
            nodes: nodes.clone(),
            shutdown: shutdown.clone(),
            tasks,
            drain: serving.drain,
        };
        let goaway_spread = Duration::from_millis(settings.goaway_spread_ms.into());
        let options = discovery::Options {
            control_plane_id: id,
            goaway_spread,
            tls: discovery_tls,
        };
        let keep = Keep::of(settings);
        let keeper = keeper(settings, &api)?;
        let tasks = &control_plane.tasks;
        tasks.spawn(catalog.clone().follow(shutdown.clone()));
        api.run(tasks, &shutdown);
        tasks.spawn(trim(catalog.store.clone(), keep, shutdown.clone()));
        if let Some(keeper) = keeper {
            tasks.spawn(keeper.run(shutdown.clone()));
        }
        tasks.spawn(encrypt_plain(catalog.store.clone(), shutdown.clone()));
        tasks.spawn(api::serve::serve(
            admin_listener,
            serving,
            api,
            shutdown.clone(),
        ));
        let gone = CancellationToken::new();
        tasks.spawn(fleet.run(gone.clone()));
        let stop = shutdown.clone();
        let ended = discovery::serve(discovery_listener, options, catalog, nodes, stop);
        tasks.spawn(async move {
            if let Err(error) = ended.await {
                tracing::error!(%error, "the stream to the nodes failed; this control plane ends");
            }
            // Without it nodes are better off at another control plane.
            shutdown.cancel();
            // Only now have all nodes gone.
            gone.cancel();
        });
        tracing::info!(%admin, %discovery, "the control plane has started");
        Ok(control_plane)
    }

    /// Returns when it ends by itself, because the stream to the nodes failed.
    pub async fn ended(&self) {
        self.shutdown.cancelled().await;
    }

    /// Ends it: nodes are told to come back elsewhere, requests in flight are answered.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        if timeout(self.drain + END_GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("tasks of the control plane did not end in time");
        }
    }
}

/// What keeps secrets as they are in Vault, where there is one.
fn keeper(settings: &ControlSettings, api: &Api) -> Result<Option<Keeper>, VaultError> {
    let keeper = settings.vault()?.map(|vault| Keeper {
        vault,
        refresh: Duration::from_millis(settings.vault_refresh_ms.into()),
        catalog: api.catalog.clone(),
        checker: Arc::clone(&api.checker),
        writer: Arc::clone(&api.writer),
    });
    Ok(keeper)
}

/// How the admin API is served.
fn serving(settings: &ControlSettings, tls: Option<TlsAcceptor>) -> Serving {
    Serving {
        tls,
        drain: Duration::from_millis(settings.drain_timeout_ms.into()),
        strangers: api::serve::STRANGER_TIMEOUT,
    }
}

/// Plain text only where nobody else listens in, or where it was asked for.
fn check_addresses(settings: &ControlSettings) -> Result<(), StartError> {
    let plain = |address: SocketAddr, tls: bool, allowed: bool| {
        !tls && !allowed && !address.ip().is_loopback()
    };
    let admin_tls = settings.admin_cert.is_some();
    if plain(settings.admin_listen, admin_tls, settings.admin_insecure) {
        return Err(StartError::Settings(format!(
            "the admin API on {} needs --admin-cert and --admin-key, or --admin-insecure",
            settings.admin_listen
        )));
    }
    let (address, insecure) = (settings.discovery_listen, settings.discovery_insecure);
    if plain(address, settings.discovery_cert.is_some(), insecure) {
        return Err(StartError::Settings(format!(
            "the stream to the nodes on {address} needs --discovery-cert, --discovery-key and \
             --discovery-ca, or --discovery-insecure"
        )));
    }
    let pairs = [
        (&settings.admin_cert, &settings.admin_key),
        (&settings.discovery_cert, &settings.discovery_key),
        (&settings.discovery_cert, &settings.discovery_ca),
    ];
    if pairs
        .iter()
        .any(|(one, other)| one.is_some() != other.is_some())
    {
        let message = "a certificate needs its key, and that of the stream the nodes' authorities";
        return Err(StartError::Settings(message.to_owned()));
    }
    Ok(())
}

/// The configuration, from the database.
async fn load(settings: &ControlSettings) -> Result<Catalog, StartError> {
    let url = settings.database_url.expose_secret();
    let store = StoreSettings {
        keyring: Arc::new(settings.keyring()?),
        ..StoreSettings::default()
    };
    let store = store::open(url, &store).await?;
    Ok(Catalog::load(store).await?)
}

/// Encrypts what was stored before there was a master key.
async fn encrypt_plain(store: Arc<dyn Store>, shutdown: CancellationToken) {
    if store.master_key().is_none() {
        match store.outdated().await {
            Ok(0) => {}
            Ok(rows) => tracing::warn!(
                rows,
                "secrets are in clear in the database; set GATEWRIGHT_MASTER_KEY to encrypt them"
            ),
            Err(error) => tracing::warn!(%error, "cannot look for secrets in clear"),
        }
        return;
    }
    let encrypted = tokio::select! {
        encrypted = secrets::encrypt_plain(&*store) => encrypted,
        () = shutdown.cancelled() => return,
    };
    match encrypted {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "encrypted what was in clear in the database"),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "cannot encrypt what is in clear in the database");
        }
    }
}

/// Its name among the control planes of its database.
fn name(settings: &ControlSettings) -> String {
    let name = settings.control_plane_id.clone();
    name.unwrap_or_else(|| Uuid::new_v4().to_string())
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| StartError::Listen(address, error))?;
    let bound = listener.local_addr();
    let bound = bound.map_err(|error| StartError::Listen(address, error))?;
    Ok((listener, bound))
}

/// How much history is kept.
#[derive(Clone, Copy)]
struct Keep {
    milliseconds: i64,
    revisions: u64,
}

impl Keep {
    fn of(settings: &ControlSettings) -> Self {
        Self {
            milliseconds: i64::from(settings.history_hours) * MILLISECONDS_AN_HOUR,
            revisions: settings.history_revisions,
        }
    }
}

async fn trim(store: Arc<dyn Store>, keep: Keep, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TRIM_INTERVAL) => {}
            () = shutdown.cancelled() => return,
        }
        match store.trim(keep.milliseconds, keep.revisions).await {
            Ok(0) => {}
            Ok(revisions) => tracing::info!(revisions, "forgot {revisions} old revisions"),
            Err(error) => tracing::warn!(%error, "cannot forget old revisions"),
        }
        if let Err(error) = store.forget_uses().await {
            tracing::warn!(%error, "cannot forget uses of credentials that are gone");
        }
    }
}

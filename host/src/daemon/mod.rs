//! The daemon: servers, pipeline and plugins as one thing that starts, runs and ends.
//!
//! Everything that can fail happens before the first client is let in: a daemon either runs as configured or
//! says in full why not.

mod pid_file;
mod plugins;
mod shards;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use nix::sys::resource::{Resource, getrlimit};

use crate::config::{Config, TlsMode};
use crate::mail::{Budget, Storage};
pub use crate::net::BindError;
use crate::net::{self, Server, Sockets};
use crate::pipeline::{AssembleError, Pipeline, assemble};
use crate::plugins::ffi::host::figures;
pub use pid_file::{PidFile, PidFileError};
pub(crate) use plugins::{PluginsError, builtins, catalogue};
use shards::Shards;

/// A running daemon.
pub struct Daemon {
    shards: Shards,
    servers: Vec<Arc<Server>>,
    addresses: Vec<SocketAddr>,
    pipeline: Arc<ArcSwap<Pipeline>>,
}

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Plugin files that cannot be used, one line each.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// Chains that cannot be built, one line each.
    #[error("{0}")]
    Chains(String),
    /// TLS is configured, which this version does not serve.
    #[error(
        "servers[{0}].tls: this version does not serve TLS yet; it refuses to start rather than receive in plain text (set start_tls_on and tls_always_on to false)"
    )]
    Tls(usize),
    /// A listener that cannot be bound.
    #[error("servers[{index}].listen_interface: {source}")]
    Bind {
        /// Which server.
        index: usize,
        /// Why.
        source: BindError,
    },
    /// More clients are allowed than the process may have files open.
    #[error(
        "max_clients: {clients} clients in all need more open files than the limit of {limit}; lower max_clients or raise the limit (ulimit -n, LimitNOFILE)"
    )]
    FileLimit {
        /// Sum of `max_clients`.
        clients: u64,
        /// The hard limit.
        limit: u64,
    },
    /// No thread or runtime could be had.
    #[error("cannot start a thread: {0}")]
    Threads(std::io::Error),
}

/// How the daemon has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every connection has come to its end.
    Drained,
    /// So many connections had not by the deadline and were cut.
    Cut(u32),
}

impl Daemon {
    /// Starts a daemon of this configuration.
    ///
    /// # Errors
    /// When anything of it cannot be had; nothing is left running then.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        if let Some(index) =
            config.servers.iter().position(|s| s.enabled && s.tls.mode != TlsMode::Off)
        {
            return Err(StartError::Tls(index));
        }
        check_file_limit(config)?;
        let catalogue = catalogue(config.plugins_dir.as_deref())?;
        let known: Vec<&str> = catalogue.config_keys().collect();
        for problem in config.unclaimed_backend_keys(&known) {
            tracing::warn!("{problem}");
        }
        let pipeline = assemble(&config.gateway, &catalogue)
            .map_err(|AssembleError(problems)| StartError::Chains(problems.join("\n")))?;
        let pipeline = Arc::new(ArcSwap::from_pointee(pipeline));
        let started = Self::listen(config, &pipeline);
        if started.is_err() {
            pipeline.load().stop(Duration::ZERO);
        }
        started
    }

    fn listen(config: &Config, pipeline: &Arc<ArcSwap<Pipeline>>) -> Result<Self, StartError> {
        let allowed_hosts = Arc::new(ArcSwap::from_pointee(config.allowed_hosts.clone()));
        let storage = Storage {
            threshold: config.spool.threshold,
            dir: config.spool.dir.clone(),
            budget: Arc::new(Budget::new(config.spool.max_memory)),
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut bound = Vec::new();
        for (index, server) in config.servers.iter().enumerate().filter(|(_, s)| s.enabled) {
            let sockets = net::bind(&server.listen, threads)
                .map_err(|source| StartError::Bind { index, source })?;
            let server = Server::new(
                server,
                Arc::clone(&allowed_hosts),
                Arc::clone(pipeline),
                storage.clone(),
            );
            bound.push((Arc::new(server), sockets));
        }
        let shards = Shards::start(threads).map_err(StartError::Threads)?;
        let mut daemon = Self {
            shards,
            servers: Vec::new(),
            addresses: Vec::new(),
            pipeline: Arc::clone(pipeline),
        };
        for (server, sockets) in bound {
            daemon.open(server, sockets);
        }
        if daemon.servers.is_empty() {
            tracing::warn!("no server is enabled: nothing is listened on");
        }
        Ok(daemon)
    }

    fn open(&mut self, server: Arc<Server>, sockets: Sockets) {
        match sockets {
            Sockets::Tcp(address, sockets) => {
                tracing::info!("listening on {address} as {}", server.host_name);
                self.addresses.push(address);
                for (shard, socket) in sockets.into_iter().enumerate() {
                    self.shards.listen(shard, Arc::clone(&server), socket.into());
                }
            }
            Sockets::Unix(socket) => {
                tracing::info!("listening on {} as {}", server.listener, server.host_name);
                self.shards.listen(0, Arc::clone(&server), socket.into());
            }
        }
        self.servers.push(server);
    }

    /// The TCP addresses listened on, in the order of the configuration; port 0 has become a real one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Ends the daemon: no new clients; messages in flight are finished and answered, then 421. Returns as soon as all
    /// is quiet, at the latest after the deadline.
    pub async fn shutdown(self, deadline: Duration) -> Ended {
        for server in &self.servers {
            server.begin_stop();
        }
        let all = async {
            for server in &self.servers {
                server.ended().await;
            }
        };
        let ended = match tokio::time::timeout(deadline, all).await {
            Ok(()) => Ended::Drained,
            Err(_) => Ended::Cut(self.servers.iter().map(|server| server.active()).sum()),
        };
        self.pipeline.load().stop(STAGES_END);
        self.shards.stop();
        for (processor, name, figure) in figures() {
            tracing::info!("{processor}: {name} {figure}");
        }
        ended
    }
}

/// As go-guerrilla checks it: all servers, disabled ones too, against the hard limit.
fn check_file_limit(config: &Config) -> Result<(), StartError> {
    let clients = config.clients_total();
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((_, hard)) if clients > hard => Err(StartError::FileLimit { clients, limit: hard }),
        _ => Ok(()),
    }
}

/// How long a stage may take to finish what it has in hand at the end.
const STAGES_END: Duration = Duration::from_secs(5);

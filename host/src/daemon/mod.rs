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

use crate::config::{self, Config};
use crate::mail::{Budget, Storage};
use crate::net::tls::Acceptor;
use crate::net::{self, Server, Sockets};
pub use crate::net::{BindError, TlsError};
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
    /// TLS is configured and cannot be had. Starting without it is no way out.
    #[error("servers[{index}].tls.{source}")]
    Tls {
        /// Which server.
        index: usize,
        /// Why.
        source: TlsError,
    },
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
        let acceptors = acceptors(config)?;
        check_file_limit(config)?;
        let catalogue = catalogue(config)?;
        let known: Vec<&str> = catalogue.config_keys().collect();
        for problem in config.unclaimed_backend_keys(&known) {
            tracing::warn!("{problem}");
        }
        let pipeline = assemble(&config.gateway, &catalogue)
            .map_err(|AssembleError(problems)| StartError::Chains(problems.join("\n")))?;
        let pipeline = Arc::new(ArcSwap::from_pointee(pipeline));
        let started = Self::listen(config, acceptors, &pipeline);
        if started.is_err() {
            pipeline.load().stop(Duration::ZERO);
        }
        started
    }

    fn listen(
        config: &Config,
        acceptors: Vec<Option<Arc<Acceptor>>>,
        pipeline: &Arc<ArcSwap<Pipeline>>,
    ) -> Result<Self, StartError> {
        let allowed_hosts = Arc::new(ArcSwap::from_pointee(config.allowed_hosts.clone()));
        let storage = Storage {
            threshold: config.spool.threshold,
            dir: config.spool.dir.clone(),
            budget: Arc::new(Budget::new(config.spool.max_memory)),
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut bound = Vec::new();
        let servers = config.servers.iter().enumerate().filter(|(_, server)| server.enabled);
        for ((index, server), acceptor) in servers.zip(acceptors) {
            let sockets = net::bind(&server.listen, threads)
                .map_err(|source| StartError::Bind { index, source })?;
            let server = Server::new(
                server,
                Arc::clone(&allowed_hosts),
                Arc::clone(pipeline),
                storage.clone(),
                acceptor,
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

/// The certificates of each enabled server, in their order. Those of a disabled one need not be there.
fn acceptors(config: &Config) -> Result<Vec<Option<Arc<Acceptor>>>, StartError> {
    let servers = config.servers.iter().enumerate().filter(|(_, server)| server.enabled);
    let open = |(index, server): (usize, &config::Server)| {
        Acceptor::open(&server.tls, &server.listen.to_string())
            .map_err(|source| StartError::Tls { index, source })
    };
    servers.map(open).collect()
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

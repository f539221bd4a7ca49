//! The daemon: servers, pipeline and plugins as one thing that starts, changes, runs and ends.
//!
//! Everything that can fail happens before anything is put to work (`prepare.rs`): a daemon either runs as configured or
//! says in full why not, and a reload that cannot be done changes nothing.
//!
//! A program that has a daemon inside begins with [`Daemon::builder`].
//!
//! What a reload leaves alone: connections keep the settings they began with, transactions the hosts and chains they
//! began with, stages whose settings and file are the same everything they have.

mod builder;
mod error;
mod examine;
mod keeper;
mod listeners;
mod pid_file;
mod plugins;
mod prepare;
mod shards;
mod spread;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{broadcast, mpsc};
use tokio::task;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::config::{Change, Config, Listen, ServerChange};
use crate::mail::{Budget, Storage};
use crate::net::recent::Keep;
pub use crate::net::{BindError, TlsError};
use crate::net::{Passed, Policy, Sockets};
use crate::observe::{Log, LogError, PreparedLog};
use crate::pipeline;
use crate::plugins::ffi::host::figures;
pub use builder::Builder;
pub use error::StartError;
pub(crate) use examine::{Examination, offered};
pub(crate) use keeper::SocketKeeper;
use listeners::{Listeners, Shared};
pub use pid_file::{PidFile, PidFileError};
use plugins::PluginFiles;
pub use plugins::PluginsError;
pub(crate) use plugins::builtins;
pub(crate) use prepare::bind_ahead;
use prepare::{Prepared, Present, prepare, threads};
pub(crate) use shards::Pulse;
use shards::Shards;
pub use watch::PluginWatch;

/// What its listening sockets have beyond the life of the process.
#[derive(Clone, Default)]
pub(crate) struct Handover {
    /// They were there before.
    pub(crate) passed: Passed,
    /// They are kept for the next one.
    pub(crate) keeper: Option<Arc<dyn SocketKeeper>>,
}

/// A running daemon.
pub struct Daemon {
    config: Arc<Config>,
    shards: Shards,
    listeners: Listeners,
    /// Sockets that were there before the daemon and have no server yet.
    passed: Passed,
    policy: Arc<ArcSwap<Policy>>,
    files: PluginFiles,
    budget: Arc<Budget>,
    log: Option<Log>,
    admin: Option<Admin>,
    observed: admin::Daemon,
    stopper: Stopper,
    changes: broadcast::Sender<Change>,
}

/// How the daemon has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every connection has come to its end.
    Drained,
    /// So many connections had not by the deadline and were cut.
    Cut(u32),
}

/// Ends a daemon that waits ([`Daemon::wait`]) in another part of the program.
#[derive(Clone, Debug, Default)]
pub struct Stopper(CancellationToken);

impl Stopper {
    /// Lets it end.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

impl Daemon {
    fn start(
        config: Config,
        log: Option<Log>,
        files: PluginFiles,
        handover: Handover,
    ) -> Result<Self, StartError> {
        let Handover { passed, keeper } = handover;
        let threads = threads();
        let shards = Shards::start(threads).map_err(StartError::Threads)?;
        let present =
            Present { log: log.clone(), files, passed: passed.clone(), ..Present::default() };
        let prepared = prepare(&config, &present, threads)?;
        let Prepared { pipeline, log: lines, admin, files, servers } = prepared;
        let policy =
            Policy { allowed_hosts: config.allowed_hosts.clone(), pipeline: Arc::new(pipeline) };
        let policy = Arc::new(ArcSwap::from_pointee(policy));
        let budget = Arc::new(Budget::new(config.spool.max_memory));
        let observed = admin::Daemon {
            servers: Arc::default(),
            policy: Arc::clone(&policy),
            budget: Arc::clone(&budget),
            reloads: Arc::default(),
            requests: Arc::default(),
            shown: Arc::default(),
            began: admin::since_1970(),
        };
        let mut daemon = Self {
            budget,
            config: Arc::new(config),
            shards,
            listeners: Listeners::kept_by(keeper),
            passed,
            policy,
            files,
            log,
            admin: None,
            observed,
            stopper: Stopper::default(),
            changes: broadcast::Sender::new(MOST_UNREAD),
        };
        daemon.log_by(lines);
        daemon.listen(servers);
        let listen = daemon.config.admin.clone();
        daemon.show(listen.as_ref(), admin);
        Ok(daemon)
    }

    /// Puts a new configuration in the place of the present one, and looks at plugin files and certificates anew.
    /// Answers what has changed.
    ///
    /// May be dropped before it has answered: then nothing changes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use guerrilla::config::{Change, Config};
    /// use guerrilla::daemon::Daemon;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let config = |host: &str| {
    ///     let text = format!(r#"{{"allowed_hosts": ["{host}"],
    ///         "servers": [{{"is_enabled": true, "listen_interface": "127.0.0.1:0"}}]}}"#);
    ///     Config::from_json(&text, "example").map(|loaded| loaded.config)
    /// };
    /// let mut daemon = Daemon::builder().config(config("one.example")?).start()?;
    /// let mut changes = daemon.subscribe();
    /// daemon.reload(config("two.example")?).await?;
    /// assert_eq!(changes.recv().await?, Change::Config);
    /// assert_eq!(changes.recv().await?.to_string(), "config_change:allowed_hosts");
    /// daemon.shutdown(Duration::from_secs(5)).await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When anything of it cannot be had; nothing has changed then.
    pub async fn reload(&mut self, config: Config) -> Result<Vec<Change>, StartError> {
        let present = Present {
            pipeline: Some(Arc::clone(&self.policy.load().pipeline)),
            log: self.log.clone(),
            files: self.files.clone(),
            servers: self.listeners.servers(),
            addresses: self.listeners.addresses(),
            admin: self.config.admin.clone(),
            passed: self.passed.clone(),
        };
        let config = Arc::new(config);
        let wanted = Arc::clone(&config);
        let prepared = task::spawn_blocking(move || {
            prepare(&wanted, &present, threads()).map(|prepared| (prepared, present))
        });
        let prepared = prepared.await.unwrap_or_else(|lost| Err(StartError::Threads(lost.into())));
        self.observed.reloads.note(prepared.is_ok());
        let (prepared, present) = prepared?;
        let changes = self.put(config, prepared, &present);
        // It has happened; this only lets the caller know when the last socket is closed.
        let _ = tokio::time::timeout(SOCKETS_CLOSE, self.listeners.closed()).await;
        Ok(changes)
    }

    /// Reloads that somebody asks for at the admin interface from now on: whoever has read the configuration is to
    /// obey. Without a call of this they are refused.
    pub(crate) fn reload_requests(&self) -> mpsc::Receiver<admin::Request> {
        self.observed.requests.taken()
    }

    /// Counts a reload that has come to nothing before there was a configuration.
    pub(crate) fn refuse_reload(&self) {
        self.observed.reloads.note(false);
    }

    fn put(&mut self, config: Arc<Config>, prepared: Prepared, present: &Present) -> Vec<Change> {
        let mut changes = self.config.changes(&config);
        prepared.note_files(&config, present, &mut changes);
        let Prepared { pipeline, log, admin, files, servers } = prepared;
        self.log_by(log);
        if config.admin != self.config.admin {
            self.admin = None;
            self.show(config.admin.as_ref(), admin);
        }
        self.budget.set_limit(config.spool.max_memory);
        let allowed_hosts = config.allowed_hosts.clone();
        self.policy.store(Arc::new(Policy { allowed_hosts, pipeline: Arc::new(pipeline) }));
        self.files = files;
        self.config = config;
        self.listen(servers);
        for change in &changes {
            self.tell(change.clone());
        }
        changes
    }

    /// Serves the admin interface on these sockets, if there are any.
    fn show(&mut self, listen: Option<&Listen>, sockets: Option<Sockets>) {
        let Some(sockets) = sockets else { return };
        match (&sockets, listen) {
            (Sockets::Tcp(address, _), _) => tracing::info!("admin interface on {address}"),
            (Sockets::Unix(_), Some(listen)) => tracing::info!("admin interface on {listen}"),
            (Sockets::Unix(_), None) => {}
        }
        match Admin::serve(sockets, self.observed.clone()) {
            Ok(admin) => self.admin = Some(admin),
            Err(error) => tracing::error!("admin_listen: cannot start a thread: {error}"),
        }
    }

    fn log_by(&self, prepared: Option<PreparedLog>) {
        if let (Some(log), Some(prepared)) = (&self.log, prepared) {
            log.put(prepared);
        }
    }

    fn listen(&mut self, servers: Vec<prepare::PreparedServer>) {
        let storage = Storage {
            threshold: self.config.spool.threshold,
            dir: self.config.spool.dir.clone(),
            budget: Arc::clone(&self.budget),
        };
        let shared = Shared {
            policy: Arc::clone(&self.policy),
            storage,
            shown: Arc::clone(&self.observed.shown),
            log: self.log.clone(),
        };
        self.observed.shown.recent.keep(
            match (&self.config.admin, self.config.admin_show_bodies) {
                (None, _) => Keep::Nothing,
                (Some(_), false) => Keep::Envelopes,
                (Some(_), true) => Keep::Bodies,
            },
        );
        self.listeners.put(&self.config, servers, &shared, &self.shards);
        let servers = self.listeners.servers().into_iter().map(|(_, server)| server);
        self.observed.servers.store(Arc::new(servers.collect()));
        for socket in self.passed.idle() {
            tracing::warn!(
                "the service manager listens on {socket}, which is no server's: nobody answers there; stop that socket, or name it in a server's socket_name"
            );
        }
        if self.listeners.servers().is_empty() {
            tracing::warn!("no server is enabled: nothing is listened on");
        }
    }

    /// Opens the log files anew under their names, after somebody has moved the old ones away.
    ///
    /// # Errors
    /// Those that cannot be opened; lines go on into the old files.
    pub fn reopen_logs(&self) -> Result<(), Vec<LogError>> {
        let Some(log) = &self.log else { return Ok(()) };
        let reopened = log.reopen()?;
        if reopened.contains(&self.config.log.target) {
            self.tell(Change::LogReopened);
        }
        for server in self.config.servers.iter().filter(|server| reopened.contains(&server.log)) {
            let listen = server.listen.clone();
            self.tell(Change::Server { listen, what: ServerChange::LogReopened });
        }
        Ok(())
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The TCP addresses listened on, in the order of the configuration; port 0 has become a real one.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// Tells of every change from now on. Whoever does not read for long loses the oldest and is told how many
    /// ([`RecvError::Lagged`](broadcast::error::RecvError::Lagged)); the daemon never waits.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn tell(&self, change: Change) {
        // An error says that nobody listens.
        let _ = self.changes.send(change);
    }

    /// Tells whether the threads that serve connections are alive.
    pub(crate) fn pulse(&self) -> Pulse {
        self.shards.pulse()
    }

    /// What another part of the program can end it with.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until somebody stops it, then ends it as [`shutdown`](Self::shutdown) does.
    pub async fn wait(self, deadline: Duration) -> Ended {
        self.stopper.0.cancelled().await;
        self.shutdown(deadline).await
    }

    /// Ends the daemon: no new clients; messages in flight are finished and answered, then 421. Returns as soon as all
    /// is quiet; at the latest after the deadline, and the few seconds that processors and threads have for their end. A
    /// thread that hangs in a processor is left behind.
    pub async fn shutdown(mut self, deadline: Duration) -> Ended {
        self.listeners.end_all();
        // Not ready any more: whoever balances load sends no more clients.
        self.observed.servers.store(Arc::default());
        let ended = match tokio::time::timeout(deadline, self.listeners.ended()).await {
            Ok(()) => Ended::Drained,
            Err(_) => Ended::Cut(self.listeners.active()),
        };
        // Neither keeps the caller's thread: whoever hears the second signal is on it.
        let pipeline = Arc::clone(&self.policy.load().pipeline);
        if task::spawn_blocking(move || pipeline.stop(STAGES_END)).await.is_err() {
            tracing::error!("the end of the processors has panicked");
        }
        self.shards.stop().await;
        for stage in pipeline::figures() {
            tracing::info!("{stage}");
        }
        for (name, family) in figures().families() {
            for (processor, figure) in family {
                tracing::info!("{processor}: {name} {figure}");
            }
        }
        ended
    }
}

/// How long the closing of sockets is waited for: the next turn of each thread's loop.
const SOCKETS_CLOSE: Duration = Duration::from_secs(1);

/// How long a stage may take to finish what it has in hand at the end.
const STAGES_END: Duration = Duration::from_secs(5);

/// Changes that wait for a slow subscriber: several reloads of everything.
const MOST_UNREAD: usize = 1024;

//! `guerrillad serve`: the life of the daemon, from its config to its last connection.

use std::process::ExitCode;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{CONFIG, ServeArgs, complain};
use crate::config::{Config, ConfigError, Loaded, default_path};
use crate::daemon::{Daemon, Ended, PidFile, StartError};
use crate::observe;

/// Runs until a signal ends it.
pub(super) fn run(args: &ServeArgs, verbose: bool) -> ExitCode {
    let (config, notes) = match configuration(args) {
        Ok(found) => found,
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    let _log = match observe::start(&config.log, verbose) {
        Ok(guard) => guard,
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    for note in notes {
        tracing::warn!("{note}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(live(&config)),
        Err(error) => Err(Failure { code: 1, why: format!("cannot start a runtime: {error}") }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!("{}", failure.why);
            complain(&failure.why);
            ExitCode::from(failure.code)
        }
    }
}

/// What ends the process with an error.
struct Failure {
    code: u8,
    why: String,
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match error {
            StartError::Bind { .. } | StartError::Threads(_) => 1,
            StartError::Plugins(_)
            | StartError::Chains(_)
            | StartError::Tls { .. }
            | StartError::FileLimit { .. } => CONFIG,
        };
        Self { code, why: error.to_string() }
    }
}

/// Starts, waits for a signal, ends.
async fn live(config: &Config) -> Result<(), Failure> {
    // Before anything else: a signal that comes during the start must not be lost, nor kill.
    let mut signals =
        Signals::new().map_err(|error| Failure { code: 1, why: format!("signals: {error}") })?;
    let _pid_file = match &config.pid_file {
        Some(path) => Some(
            PidFile::create(path).map_err(|error| Failure { code: 1, why: error.to_string() })?,
        ),
        None => None,
    };
    tracing::info!("guerrillad {} starting", env!("CARGO_PKG_VERSION"));
    raise_file_limit();
    let daemon = Daemon::start(config)?;
    tracing::info!("ready");
    let name = signals.end().await;
    tracing::info!("{name}: no new clients; waiting for messages in flight, at most {GRACE:?}");
    let ended = tokio::select! {
        ended = daemon.shutdown(GRACE) => ended,
        name = signals.end() => {
            return Err(Failure { code: 1, why: format!("{name} again: ended at once") });
        }
    };
    match ended {
        Ended::Drained => {
            tracing::info!("ended");
            Ok(())
        }
        Ended::Cut(clients) => Err(Failure {
            code: 1,
            why: format!("{clients} connections had not ended after {GRACE:?} and were cut"),
        }),
    }
}

/// Services are started with a soft limit of 1,024 open files, which is for programs that use `select`.
fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!("the limit of open files stays at {soft}: {error}");
    }
}

/// The signals the daemon knows.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user1: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for one that ends the daemon; its name.
    async fn end(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.quit.recv() => return "SIGQUIT",
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP: this version does not reload; restart to apply a changed config");
                }
                _ = self.user1.recv() => {
                    tracing::warn!("SIGUSR1: this version does not reopen its log; restart after rotating it");
                }
            }
        }
    }
}

/// The config with the flags applied, and what is to be said about it once there is a log.
fn configuration(args: &ServeArgs) -> Result<(Config, Vec<String>), ConfigError> {
    let mut notes = Vec::new();
    let path = match &args.config {
        Some(path) => Some(path.clone()),
        None => default_path().map(|found| {
            notes.extend(found.warning.map(|warning| warning.to_string()));
            found.path
        }),
    };
    let mut config = match path {
        Some(path) => {
            let Loaded { config, warnings } = Config::load(&path)?;
            let origin = path.display();
            notes.extend(warnings.iter().map(|warning| format!("{origin}: {warning}")));
            config
        }
        None => {
            notes.push(
                "no config file (goguerrilla.conf.json): starting on the defaults".to_owned(),
            );
            Config::defaults()
        }
    };
    if let Some(dir) = &args.plugins_dir {
        config.plugins_dir = Some(dir.clone());
    }
    if let Some(path) = &args.pid_file {
        config.pid_file = Some(path.clone());
    }
    Ok((config, notes))
}

/// How long messages in flight have to come to their end.
const GRACE: Duration = Duration::from_secs(60);

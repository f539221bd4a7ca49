//! `guerrillad serve`: the life of the daemon, from its config to its last connection.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task;

mod footing;
mod signals;

use super::{CONFIG, ServeArgs, complain};
use crate::admin::Reloaded;
use crate::config::{Change, Config, ConfigError, Loaded, LogTarget, default_path};
use crate::daemon::{Daemon, Ended, PidFile, PidFileError, PluginWatch, StartError};
use crate::observe::Log;
use crate::service::manager::Manager;
use crate::service::watchdog;
use footing::Footing;
use signals::{Signals, Wish};

/// Runs until a signal ends it.
pub(super) fn run(args: &ServeArgs, verbose: bool) -> ExitCode {
    let (config, notes) = match configuration(args) {
        Ok(found) => found,
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    // While there is one thread; logs and all else belong to whom it has become then.
    let footing = match footing::gain(&config, config_path(args).as_deref()) {
        Ok(footing) => footing,
        Err(failure) => {
            complain(&failure.why);
            return ExitCode::from(failure.code);
        }
    };
    let log = match Log::open(&config.log, verbose) {
        Ok(log) => log,
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    log.install();
    let logs_to_stderr = config.log.target == LogTarget::Stderr;
    for note in notes {
        tracing::warn!("{note}");
    }
    footing.tell();
    if footing.has_become.is_some()
        && let Err(error) = configuration(args)
    {
        for line in error.to_string().lines() {
            tracing::warn!("reloads will be refused, for the user cannot read it: {line}");
        }
    }
    let outcome = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let outcome = runtime.block_on(live(args, config, &log, footing));
            // A reload that hangs in a plugin does not keep the process.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Failure { code: 1, why: format!("cannot start a runtime: {error}") }),
    };
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.why.lines() {
                tracing::error!("{line}");
            }
            // Once is enough where both go to the same place.
            if !logs_to_stderr {
                complain(&failure.why);
            }
            ExitCode::from(failure.code)
        }
    };
    log.close();
    code
}

/// What ends the process with an error.
struct Failure {
    code: u8,
    why: String,
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match error {
            StartError::Bind { .. } | StartError::Admin(_) | StartError::Threads(_) => 1,
            StartError::Plugins(_)
            | StartError::Chains(_)
            | StartError::Tls { .. }
            | StartError::Log(_)
            | StartError::Spool { .. }
            | StartError::FileLimit { .. } => CONFIG,
        };
        Self { code, why: error.to_string() }
    }
}

impl From<PidFileError> for Failure {
    fn from(error: PidFileError) -> Self {
        Self { code: 1, why: error.to_string() }
    }
}

/// Starts, obeys signals, ends.
async fn live(
    args: &ServeArgs,
    config: Config,
    log: &Log,
    footing: Footing,
) -> Result<(), Failure> {
    // Before anything else: a signal that comes during the start must not be lost, nor kill.
    let mut signals =
        Signals::watch().map_err(|error| Failure { code: 1, why: format!("signals: {error}") })?;
    let Footing { manager, handover, pid_file, restricted, .. } = footing;
    let is_restricted = restricted.writable.is_some();
    let pid_file = match (pid_file, config.pid_file.as_deref()) {
        (None, Some(path)) => Some(PidFile::create(path)?),
        (pid_file, _) => pid_file,
    };
    tracing::info!("guerrillad {} starting", env!("CARGO_PKG_VERSION"));
    raise_file_limit();
    let mut watch = PluginWatch::of(&config);
    let builder = Daemon::builder().config(config).log(log.clone()).handover(handover);
    let starting = task::spawn_blocking(move || builder.start());
    let daemon = tokio::select! {
        biased;
        name = signals.end() => {
            tracing::info!("{name} before it has begun to serve: ended");
            return Ok(());
        }
        started = starting => {
            let started = started.map_err(|lost| StartError::Threads(lost.into()))?;
            started.map_err(|error| {
                let Failure { code, why } = Failure::from(error);
                Failure { code, why: with_hint(why, is_restricted) }
            })?
        }
    };
    let mut requests = daemon.reload_requests();
    tracing::info!("ready");
    tokio::spawn(watchdog::feed(manager.clone(), daemon.pulse()));
    let mut running = Running { args, daemon, pid_file, manager, is_restricted };
    running.tell_ready(None);
    let name = loop {
        let mut asked = None;
        let wish = tokio::select! {
            biased;
            wish = signals.next() => wish,
            Some(request) = requests.recv() => {
                asked = Some(request);
                Wish::Reload
            }
            () = watch.changed() => {
                tracing::info!("the plugins directory has changed");
                Wish::Reload
            }
        };
        match wish {
            Wish::End(name) => break name,
            Wish::ReopenLogs => running.reopen_logs(),
            Wish::Reload => {
                watch.taking();
                tokio::select! {
                    biased;
                    name = signals.end() => break name,
                    outcome = running.reload() => {
                        watch.follow(running.daemon.config());
                        if let Some(request) = asked {
                            request.answer(outcome);
                        }
                    }
                }
            }
        }
    };
    tracing::info!("{name}: no new clients; waiting for messages in flight, at most {GRACE:?}");
    // Whoever waits for a reload hears that there will be none.
    drop(requests);
    let Running { daemon, pid_file: _pid_file, manager, .. } = running;
    if let Some(manager) = manager {
        manager.stopping();
    }
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

/// A daemon as an operator has it.
struct Running<'a> {
    args: &'a ServeArgs,
    daemon: Daemon,
    pid_file: Option<PidFile>,
    manager: Option<Manager>,
    /// By landlock.
    is_restricted: bool,
}

impl Running<'_> {
    /// Reads the configuration anew. What cannot be used changes nothing.
    async fn reload(&mut self) -> Result<Reloaded, String> {
        if let Some(manager) = &self.manager {
            manager.reloading();
        }
        let outcome = self.try_reload().await;
        if let Err(why) = &outcome {
            for line in why.lines() {
                tracing::error!("{line}");
            }
            // Whoever is woken by this line alone is to see why.
            let first = why.lines().next().unwrap_or_default();
            let more = match why.lines().count() {
                0 | 1 => String::new(),
                several => format!(" (the first of {several} lines)"),
            };
            tracing::error!("not reloaded, everything stays as it was: {first}{more}");
        }
        self.tell_ready(outcome.as_ref().err().map(String::as_str));
        outcome
    }

    /// Tells the service manager that mail is taken, and why the last reload was refused.
    fn tell_ready(&self, refused: Option<&str>) {
        let Some(manager) = &self.manager else { return };
        let servers = self.daemon.config().servers.iter().filter(|server| server.enabled);
        let listens: Vec<_> = servers.map(|server| server.listen.to_string()).collect();
        let mut status = format!("listening on {}", listens.join(", "));
        if let Some(line) = refused.and_then(|why| why.lines().next()) {
            status.push_str("; the last reload was refused: ");
            status.push_str(line);
        }
        manager.ready(&status);
    }

    async fn try_reload(&mut self) -> Result<Reloaded, String> {
        // The file may be on a disk that does not answer: signals are obeyed all the same.
        let args = self.args.clone();
        let read = task::spawn_blocking(move || configuration(&args)).await;
        let (config, mut warnings) = match read {
            Ok(read) => self.usable(read)?,
            Err(lost) => {
                return self.usable(Err(format!("the configuration was not read: {lost}")));
            }
        };
        let changed = config.rights.changed_keys(&self.daemon.config().rights);
        warnings.extend(changed.into_iter().map(|key| {
            format!("{key}: settled at the start; the new value takes effect with the next one")
        }));
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let path = config.pid_file.clone();
        // Another name for the file that is locked already: it is the file that counts.
        let is_kept = match (&self.pid_file, &path) {
            (Some(file), Some(path)) => file.is_at(path),
            _ => false,
        };
        let moved = !is_kept && path != self.daemon.config().pid_file;
        let new = match path.as_deref().filter(|_| moved) {
            Some(path) => Some(self.usable(PidFile::create(path))?),
            None => None,
        };
        let changes = self.daemon.reload(config).await;
        let changes = changes.map_err(|error| self.explained(error.to_string()))?;
        if moved {
            self.pid_file = new;
        } else if let (true, Some(file), Some(path)) = (is_kept, &mut self.pid_file, path) {
            file.call(&path);
        }
        let changes: Vec<String> = changes.iter().map(told).collect();
        for change in &changes {
            tracing::info!("{change}");
        }
        tracing::info!("reloaded, changes: {}", changes.len());
        Ok(Reloaded { changes, warnings })
    }

    fn explained(&self, why: String) -> String {
        with_hint(why, self.is_restricted)
    }

    /// What the daemon is not even asked to take counts as a reload that it has refused.
    fn usable<T, E: std::fmt::Display>(&self, found: Result<T, E>) -> Result<T, String> {
        found.map_err(|error| {
            self.daemon.refuse_reload();
            error.to_string()
        })
    }

    fn reopen_logs(&self) {
        match self.daemon.reopen_logs() {
            Ok(()) => tracing::info!("log files opened anew"),
            Err(errors) => {
                for error in errors {
                    tracing::error!("{error}; lines go on into the old file");
                }
            }
        }
    }
}

/// The system says the same of a file that landlock keeps from the process as of one whose mode does. Who says it may be a
/// plugin, in words of its own: the hint is a line behind.
fn with_hint(why: String, is_restricted: bool) -> String {
    if is_restricted && why.contains("Permission denied") {
        format!(
            "{why}\nlandlock: is on, and refuses what no list has: what is to be written belongs into landlock_write, what is only read into landlock_read"
        )
    } else {
        why
    }
}

/// A change with the server it is about.
fn told(change: &Change) -> String {
    match change {
        Change::Server { listen, .. } => format!("{change} {listen}"),
        _ => change.to_string(),
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

/// The config file, if there is one.
fn config_path(args: &ServeArgs) -> Option<PathBuf> {
    args.config.clone().or_else(|| default_path().map(|found| found.path))
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
    config.plugins.safe_mode = args.safe_mode;
    if let Some(path) = &args.pid_file {
        config.pid_file = Some(path.clone());
    }
    Ok((config, notes))
}

/// How long messages in flight have to come to their end.
const GRACE: Duration = Duration::from_secs(60);

//! The daemon's log: where lines go, which of them, and in what form; all of it can change while it runs.
//!
//! Lines are formatted where they arise and written by a thread of their own, so that a slow disk does not slow mail.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::line::Form;
use super::output::Output;
use super::route::{self, Route};
use crate::config::{Config, Log as Settings, LogLevel, LogTarget};

/// The log of a process.
///
/// [`Log::install`] makes it the one that everything in the process writes to; a program with a subscriber of its own
/// adds [`Log::layer`] to that, or does without.
///
/// ```
/// use guerrilla::config::{Log as Settings, LogTarget};
/// use guerrilla::observe::Log;
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let settings = Settings { target: LogTarget::Off, ..Settings::default() };
/// let log = Log::open(&settings, false)?;
/// // Beside layers of the program's own:
/// let subscriber = tracing_subscriber::Registry::default().with(log.layer());
/// tracing::subscriber::with_default(subscriber, || tracing::info!("hello"));
/// log.close();
/// # Ok::<(), guerrilla::observe::LogError>(())
/// ```
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    level: reload::Handle<LevelFilter, Registry>,
    /// Until it is added to a subscriber.
    filter: Mutex<Option<reload::Layer<LevelFilter, Registry>>>,
    /// Whatever the configuration says.
    verbose: bool,
    form: Form,
    outputs: ArcSwap<Outputs>,
}

/// Where lines go.
#[derive(Default)]
struct Outputs {
    /// The daemon's own; none when it is off.
    daemon: Option<Arc<Output>>,
    /// Those of servers that have another.
    servers: HashMap<LogTarget, Option<Arc<Output>>>,
}

/// A log cannot be written where it is configured to go.
#[derive(Debug, thiserror::Error)]
#[error("log_file: cannot open {}: {source}; {}", path.display(), self.hint())]
pub struct LogError {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

impl LogError {
    /// What to do about it.
    fn hint(&self) -> &'static str {
        match self.source.raw_os_error() {
            Some(libc::ENXIO) => {
                "it is a socket, or a pipe that nobody reads; \"stderr\" is the way to the daemon's own"
            }
            // No more threads are to be had; files do not say this.
            Some(libc::EAGAIN) => "it needs a thread: allow more (ulimit -u, TasksMax)",
            _ => "check the directory and its owner, or use \"stderr\"",
        }
    }
}

/// Settings that will work: every file is open.
pub(crate) struct PreparedLog {
    outputs: Outputs,
    settings: Settings,
}

impl Log {
    /// A log as configured; `verbose` keeps its level at debug.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub fn open(settings: &Settings, verbose: bool) -> Result<Self, LogError> {
        let (filter, level) = reload::Layer::new(LevelFilter::OFF);
        let log = Self(Arc::new(Inner {
            level,
            filter: Mutex::new(Some(filter)),
            verbose,
            form: Form::default(),
            outputs: ArcSwap::default(),
        }));
        let daemon = Output::open(&settings.target, &log.0.form)?;
        let outputs = Outputs { daemon, ..Outputs::default() };
        log.put(PreparedLog { outputs, settings: settings.clone() });
        Ok(log)
    }

    /// Makes it the log of the whole process; only the first one counts.
    pub fn install(&self) {
        let subscriber = Registry::default().with(self.layer());
        // An embedder may have a subscriber of its own; then that one gets the lines.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }

    /// What writes the lines, to be added to a subscriber (once).
    pub fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(self.0.form.clone())
            .with_writer(Lines(Arc::clone(&self.0)));
        let filter = self.0.filter.lock().map(|mut filter| filter.take());
        lines.with_filter(filter.ok().flatten())
    }

    /// Opens what a configuration writes to and is not open yet.
    pub(crate) fn prepare(&self, config: &Config) -> Result<PreparedLog, LogError> {
        let present = self.0.outputs.load();
        let open = |target| match present.find(target) {
            Some(output) => Ok(output.clone()),
            None => Output::open(target, &self.0.form),
        };
        let daemon = open(&config.log.target)?;
        let mut servers = HashMap::new();
        for server in config.servers.iter().filter(|server| server.enabled) {
            let target = &server.log;
            if *target != config.log.target && !servers.contains_key(target) {
                servers.insert(target.clone(), open(target)?);
            }
        }
        let outputs = Outputs { daemon, servers };
        Ok(PreparedLog { outputs, settings: config.log.clone() })
    }

    /// Writes by these settings from now on. What is no longer written to is emptied and closed.
    pub(crate) fn put(&self, prepared: PreparedLog) {
        let PreparedLog { outputs, settings } = prepared;
        self.0.form.set(settings.format);
        self.0.outputs.store(Arc::new(outputs));
        let level =
            if self.0.verbose { LogLevel::Debug.max(settings.level) } else { settings.level };
        // It fails when the layer is gone: then there is nothing to filter.
        let _ = self.0.level.modify(|filter| *filter = level_filter(level));
    }

    /// Writes what is queued and writes no more.
    pub fn close(&self) {
        let outputs = self.0.outputs.swap(Arc::default());
        outputs.all().for_each(|output| output.close());
    }

    /// Where the clients of a server are written of.
    pub(crate) fn route(&self, target: &LogTarget) -> Route {
        match self.0.outputs.load().servers.get(target) {
            Some(output) => Route::to(output.clone()),
            None => Route::default(),
        }
    }

    /// Opens every file anew under its name, after somebody has moved the old ones away.
    ///
    /// # Errors
    /// Those that cannot be opened; lines go on into the old files.
    pub fn reopen(&self) -> Result<Vec<LogTarget>, Vec<LogError>> {
        let outputs = self.0.outputs.load();
        let (mut reopened, mut failed) = (Vec::new(), Vec::new());
        for output in outputs.all() {
            match output.reopen() {
                Ok(true) => reopened.push(output.target.clone()),
                Ok(false) => {}
                Err(error) => failed.push(error),
            }
        }
        if failed.is_empty() { Ok(reopened) } else { Err(failed) }
    }
}

impl Outputs {
    /// Everything that is open.
    fn all(&self) -> impl Iterator<Item = &Arc<Output>> {
        self.daemon.iter().chain(self.servers.values().flatten())
    }

    /// What is open for a target.
    fn find(&self, target: &LogTarget) -> Option<&Option<Arc<Output>>> {
        let daemon = self.daemon.as_ref().is_some_and(|output| output.target == *target);
        if daemon { Some(&self.daemon) } else { self.servers.get(target) }
    }
}

/// Finds the queue for each line.
struct Lines(Arc<Inner>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Queue;

    fn make_writer(&'a self) -> Queue {
        Queue(route::queue(self.0.outputs.load().daemon.as_ref()))
    }
}

/// Takes one line.
struct Queue(Option<NonBlocking>);

impl io::Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(queue) => queue.write(line),
            None => Ok(line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

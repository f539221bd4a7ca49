//! What a processor may ask of the host at any time.

use std::fmt::Arguments;
use std::thread::{self, JoinHandle};
use std::{io, panic};

use guerrilla_plugin_abi as abi;
use guerrilla_plugin_abi::Status;

use crate::panics::guard;

/// The host, as one instance of a processor sees it. Cheap to copy, usable from any thread.
#[derive(Clone, Copy)]
pub struct Host {
    raw: abi::Host,
}

impl Host {
    pub(crate) fn new(raw: abi::Host) -> Self {
        Self { raw }
    }

    /// Number of this instance, never given twice by a daemon: for keys of notes that other instances must not touch.
    pub fn instance(&self) -> u64 {
        self.raw.token
    }

    /// Whether a line of this level would be written.
    pub fn log_enabled(&self, level: Level) -> bool {
        self.raw.vt.log_enabled()(self.raw.token, level.number())
    }

    /// Writes a line to the daemon's log, under the processor's name. Formats only what is written.
    pub fn log(&self, level: Level, text: Arguments<'_>) {
        if !self.log_enabled(level) {
            return;
        }
        match text.as_str() {
            Some(text) => self.write(level, "", text),
            None => self.write(level, "", &text.to_string()),
        }
    }

    /// Something failed and somebody should look.
    pub fn error(&self, text: Arguments<'_>) {
        self.log(Level::Error, text);
    }

    /// Something is odd but handled.
    pub fn warn(&self, text: Arguments<'_>) {
        self.log(Level::Warn, text);
    }

    /// What an operator wants to see on an ordinary day.
    pub fn info(&self, text: Arguments<'_>) {
        self.log(Level::Info, text);
    }

    /// For finding a fault.
    pub fn debug(&self, text: Arguments<'_>) {
        self.log(Level::Debug, text);
    }

    /// Adds to a counter of the instance's own. Names are lower case with underscores.
    pub fn count(&self, name: &str, add: u64) {
        self.raw.vt.counter_add()(self.raw.token, name.into(), add);
    }

    /// Sets a gauge of the instance's own.
    pub fn gauge(&self, name: &str, value: f64) {
        self.raw.vt.gauge_set()(self.raw.token, name.into(), value);
    }

    /// Records a value (seconds, bytes) in a histogram of the instance's own.
    pub fn observe(&self, name: &str, value: f64) {
        self.raw.vt.histogram()(self.raw.token, name.into(), value);
    }

    /// Milliseconds of Unix time, by the host's clock (which tests may set).
    pub fn now_ms(&self) -> u64 {
        self.raw.vt.now_ms()(self.raw.token)
    }

    /// Starts a thread of the plugin's own. Its panics and its `tracing` events go to the daemon's log under this instance's
    /// name. It must have ended when [`Plugin::stop`](crate::Plugin::stop) returns: join it there.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let host = *self;
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || match guard(host, work) {
            Ok(result) => result,
            Err(what) => {
                let thread = thread::current();
                let name = thread.name().unwrap_or_default();
                host.error(format_args!("panicked in thread {name}: {what}"));
                // Whoever joins it is told too; this way the panic hook is not.
                panic::resume_unwind(Box::new(what))
            }
        })
    }

    /// Writes a line about a transaction, under the processor's name and with the session's id.
    pub(crate) fn log_about(&self, txn: abi::Txn<'_>, level: Level, text: Arguments<'_>) {
        if !self.log_enabled(level) {
            return;
        }
        let log = self.raw.vt.log_about();
        let write = |text: &str| log(self.raw.token, txn, level.number(), "".into(), text.into());
        match text.as_str() {
            Some(text) => write(text),
            None => write(&text.to_string()),
        }
    }

    #[cfg(feature = "fake-1-1")]
    pub(crate) fn appended(&self) -> Option<u64> {
        self.raw.vt.appended().map(|appended| appended(self.raw.token))
    }

    pub(crate) fn explain(&self, why: &str) {
        self.raw.vt.explain()(self.raw.token, why.into());
    }

    pub(crate) fn complete(&self, token: u64, status: Status) {
        self.raw.vt.complete()(self.raw.token, token, status);
    }

    /// Writes a line of a module, whether or not anybody wants it.
    pub(crate) fn write(&self, level: Level, module: &str, text: &str) {
        self.raw.vt.log()(self.raw.token, level.number(), module.into(), text.into());
    }
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed and somebody should look.
    Error,
    /// Something is odd but handled.
    Warn,
    /// What an operator wants to see on an ordinary day.
    Info,
    /// For finding a fault.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    const fn number(self) -> abi::Level {
        match self {
            Self::Error => abi::Level::ERROR,
            Self::Warn => abi::Level::WARN,
            Self::Info => abi::Level::INFO,
            Self::Debug => abi::Level::DEBUG,
            Self::Trace => abi::Level::TRACE,
        }
    }
}

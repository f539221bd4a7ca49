//! What a daemon is started with, by `guerrillad` and by programs that have one inside.

use std::path::Path;
use std::sync::Arc;

use guerrilla_plugin_api::__border::{FileInfo, ProcessorInfo, create_by};
use guerrilla_plugin_api::{Host, Plugin};

use super::plugins::{PluginFiles, builtins};
use super::{Daemon, Handover, StartError};
use crate::config::{Config, ConfigError};
use crate::observe::Log;
use crate::plugins::ffi::Constructor;
use crate::plugins::{Manifest, Processor};

/// A daemon that is about to be started.
#[must_use = "it does nothing before `start`"]
pub struct Builder {
    config: Config,
    log: Option<Log>,
    code: Vec<(Processor, Constructor)>,
    problems: Vec<String>,
    handover: Handover,
}

impl Daemon {
    /// Begins with the defaults: one server on `127.0.0.1:2525` that takes mail for this machine's name and logs it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use guerrilla::config::Config;
    /// use guerrilla::daemon::{Daemon, Ended};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let config = r#"{"servers": [{"is_enabled": true, "listen_interface": "127.0.0.1:0"}]}"#;
    /// let config = Config::from_json(config, "example")?.config;
    /// let daemon = Daemon::builder().config(config).start()?;
    /// assert_ne!(daemon.addresses()[0].port(), 0);
    /// assert_eq!(daemon.shutdown(Duration::from_secs(5)).await, Ended::Drained);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> Builder {
        Builder {
            config: Config::defaults(),
            log: None,
            code: Vec::new(),
            problems: Vec::new(),
            handover: Handover::default(),
        }
    }
}

impl Builder {
    /// By this configuration. Its `pid_file` is left to the program.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// By this file, as `guerrillad serve -c` reads it. Its `pid_file` is left to the program.
    ///
    /// # Errors
    /// When the file cannot be read or anything in it is wrong.
    pub fn config_file(self, path: &Path) -> Result<Self, ConfigError> {
        Ok(self.config(Config::load(path)?.config))
    }

    /// Writes to this log, which goes by the configuration now and after each reload. Without one, lines go to the
    /// program's own `tracing` subscriber and the configuration's `log_*` keys mean nothing.
    pub fn log(mut self, log: Log) -> Self {
        self.log = Some(log);
        self
    }

    /// With sockets that were there before, and somebody who keeps them.
    pub(crate) fn handover(mut self, handover: Handover) -> Self {
        self.handover = handover;
        self
    }

    /// Adds a processor of the program's own, which chains may name as if it came from a plugin file.
    pub fn processor<P: Plugin>(self) -> Self {
        self.processor_by::<P>(P::create)
    }

    /// The same, made by a function that may capture what is the program's: a channel, a cache, a counter.
    ///
    /// ```
    /// use std::sync::mpsc::{Sender, channel};
    /// use guerrilla::daemon::Daemon;
    /// use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Transaction, Verdict};
    ///
    /// struct Inbox(Sender<Vec<u8>>);
    ///
    /// impl Plugin for Inbox {
    ///     const NAME: &'static str = "Inbox";
    ///     const PHASES: &'static [Phase] = &[Phase::Save];
    ///     const BLOCKING: Blocking = Blocking::Never;
    ///     type Config = NoConfig;
    ///
    ///     fn create(_: Host, _: NoConfig) -> Result<Self, String> {
    ///         Err("made by the program".to_owned())
    ///     }
    ///
    ///     fn save(&self, txn: Transaction<'_>) -> Verdict {
    ///         match self.0.send(txn.body().to_vec()) {
    ///             Ok(()) => Verdict::CONTINUE,
    ///             Err(_) => Verdict::DEFER,
    ///         }
    ///     }
    /// }
    ///
    /// let (sender, mails) = channel();
    /// let builder = Daemon::builder().processor_by(move |_, _| Ok(Inbox(sender.clone())));
    /// # drop((builder, mails));
    /// ```
    pub fn processor_by<P: Plugin>(
        mut self,
        make: impl Fn(Host, P::Config) -> Result<P, String> + Send + Sync + 'static,
    ) -> Self {
        let taken = |name: &str| {
            builtins().find(name).is_some()
                || self.code.iter().any(|(other, _)| other.answers_to(name))
        };
        match described::<P>() {
            Ok(processor) if processor.names().any(taken) => {
                let what = "its name or an alias is that of another processor";
                self.problems.push(format!("processor {}: {what}", P::NAME));
            }
            Ok(processor) => {
                let create =
                    move |host: &_, config: &_, out: &mut _| create_by(&make, host, config, out);
                self.code.push((processor, Constructor::Code(Arc::new(create))));
            }
            Err(why) => self.problems.push(format!("processor {}: {why}", P::NAME)),
        }
        self
    }

    /// Starts it. Blocks while plugins are tried and started.
    ///
    /// # Errors
    /// When anything of it cannot be had; nothing is left running then.
    pub fn start(self) -> Result<Daemon, StartError> {
        if !self.problems.is_empty() {
            return Err(StartError::Chains(self.problems.join("\n")));
        }
        Daemon::start(self.config, self.log, PluginFiles::beside(self.code), self.handover)
    }
}

/// What a plugin file's manifest would say of it.
fn described<P: Plugin>() -> Result<Processor, String> {
    let info = FileInfo {
        name: "this-program",
        version: "0.0.0",
        authors: "",
        license: "",
        description: "",
        panic_abort: false,
        processors: &[const { ProcessorInfo::of::<P>() }],
    };
    let (manifest, _) = Manifest::parse(&info.to_json()).map_err(|error| error.to_string())?;
    manifest.processors.into_iter().next().ok_or_else(|| "it has no manifest".to_owned())
}

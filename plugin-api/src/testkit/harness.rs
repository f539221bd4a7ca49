//! One instance of a processor and its host.

use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi_stable::std_types::{RNone, ROption};
use guerrilla_plugin_abi as abi;
use guerrilla_plugin_abi::{Instance_TO, InstanceBox, Status};
use serde_json::Value;

use super::connection::{Connection, Delivery};
use super::host_table::{self, LogLine, Told};
use super::mail::{Mail, Session};
use super::transit::InTransit;
use crate::export;
use crate::host::Level;
use crate::manifest::{FileInfo, ProcessorInfo};
use crate::plugin::Plugin;

/// An instance of `P`, made and started as by the daemon; it is drained and stopped when dropped.
///
/// See the [module](super) for what to do with it.
pub struct Harness<P: Plugin> {
    /// Taken only when the harness ends.
    instance: Option<InstanceBox>,
    told: Arc<Told>,
    started: AtomicBool,
    numbers: AtomicU64,
    plugin: PhantomData<fn() -> P>,
}

impl<P: Plugin> Harness<P> {
    /// Makes and starts an instance. The configuration is JSON: a text, or a `serde_json::Value`.
    ///
    /// # Errors
    /// What the daemon would write to its log: the configuration cannot be used, names a key that
    /// [`Plugin::CONFIG_SCHEMA`] does not have, or the instance does not start.
    pub fn new(config: impl Display) -> Result<Self, String> {
        let config = config.to_string();
        check_schema::<P>(&config)?;
        let harness = Self::create(&config)?;
        harness.start()?;
        Ok(harness)
    }

    /// The same with an instance from a built file, the `.so` that is shipped: loaded by the border, as the daemon does.
    /// It is never unloaded. Feature `built`.
    ///
    /// ```no_run
    /// # use guerrilla_plugin_api::testkit::{Harness, Mail};
    /// # use guerrilla_plugin_api::{Host, NoConfig, Plugin, Phase};
    /// # struct Hello;
    /// # impl Plugin for Hello {
    /// #     const NAME: &'static str = "Hello";
    /// #     const PHASES: &'static [Phase] = &[Phase::Save];
    /// #     type Config = NoConfig;
    /// #     fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let harness = Harness::<Hello>::of_file("target/debug/libhello_plugin.so", "{}")?;
    /// assert!(harness.deliver(Mail::new()).is_accepted());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new); also when the file is no plugin of this border, or has no processor of that name.
    #[cfg(feature = "built")]
    pub fn of_file(
        file: impl AsRef<std::path::Path>,
        config: impl Display,
    ) -> Result<Self, String> {
        let config = config.to_string();
        check_schema::<P>(&config)?;
        let root = super::built::root(file.as_ref())?;
        let harness = Self::create_by(|host, out| {
            root.create()(host, P::NAME.into(), config.as_str().into(), out)
        })?;
        harness.start()?;
        Ok(harness)
    }

    /// Delivers one message of an ordinary client on a connection of its own.
    pub fn deliver(&self, mail: Mail) -> Delivery<'_, P> {
        self.connect(Session::new()).deliver(mail)
    }

    /// Begins one message of an ordinary client on a connection of its own, without asking anything.
    pub fn begin(&self, mail: Mail) -> InTransit<'_, P> {
        self.connect(Session::new()).begin(mail)
    }

    /// Connects a client: tells `opened` and asks `connect` and `helo`, as far as the processor wants it.
    pub fn connect(&self, session: Session) -> Connection<'_, P> {
        Connection::open(self, session, self.next_number())
    }

    /// The lines written to the log so far.
    pub fn log(&self) -> Vec<LogLine> {
        self.told.log()
    }

    /// Whether a line of the log contains this.
    pub fn has_logged(&self, text: &str) -> bool {
        self.told.log().iter().any(|line| line.text.contains(text))
    }

    /// Value of a counter; 0 for one that was never counted.
    pub fn counter(&self, name: &str) -> u64 {
        self.told.counter(name)
    }

    /// Value of a gauge.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        self.told.gauge(name)
    }

    /// Values that were recorded in a histogram.
    pub fn histogram(&self, name: &str) -> Vec<f64> {
        self.told.histogram(name)
    }

    /// Changes the log level, as an operator may at any time. Everything is written unless said otherwise.
    pub fn set_log_level(&self, level: Level) {
        self.told.set_level(level);
    }

    /// Sets the host's clock, in milliseconds of Unix time.
    pub fn set_now_ms(&self, ms: u64) {
        self.told.set_now_ms(ms);
    }

    /// Says that no more questions will come.
    pub fn drain(&self, deadline_ms: u64) {
        self.instance().drain(deadline_ms);
    }

    /// Stops the instance, without draining it first, and keeps what it has told.
    pub fn stop(&self) {
        if self.started.swap(false, Ordering::Relaxed) {
            self.instance().stop();
        }
    }

    pub(super) fn instance(&self) -> &InstanceBox {
        // It is taken in `drop` only.
        self.instance.as_ref().expect("a harness has its instance until it is dropped")
    }

    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// As in the manifest of a file.
    const PROCESSORS: &'static [ProcessorInfo] = &[ProcessorInfo::of::<P>()];

    fn create(config: &str) -> Result<Self, String> {
        #[cfg(feature = "tracing")]
        crate::tracing_bridge::install();
        Self::create_by(|host, out| export::create::<P>(host, config, out))
    }

    fn create_by(
        make: impl FnOnce(&abi::Host, &mut ROption<InstanceBox>) -> Status,
    ) -> Result<Self, String> {
        let told = Told::new();
        let mut made = RNone;
        let status = make(&told.host(), &mut made);
        let harness = Self {
            instance: made.into_option(),
            told,
            started: AtomicBool::new(false),
            numbers: AtomicU64::new(1),
            plugin: PhantomData,
        };
        match (status, &harness.instance) {
            (Status::CONTINUE, Some(_)) => Ok(harness),
            _ => Err(host_table::explained().unwrap_or_else(|| "not made".to_owned())),
        }
    }

    fn start(&self) -> Result<(), String> {
        match Instance_TO::start(self.instance()) {
            Status::CONTINUE => {
                self.started.store(true, Ordering::Relaxed);
                Ok(())
            }
            _ => Err(host_table::explained().unwrap_or_else(|| "not started".to_owned())),
        }
    }
}

impl<P: Plugin> Drop for Harness<P> {
    fn drop(&mut self) {
        if self.started.load(Ordering::Relaxed) {
            self.drain(DRAIN_MS);
            self.stop();
        }
        drop(self.instance.take());
        self.told.retire();
    }
}

/// What the daemon checks before any code of the plugin runs, as far as it can be done here.
fn check_schema<P: Plugin>(config: &str) -> Result<(), String> {
    let file = FileInfo {
        name: "test",
        version: "",
        authors: "",
        license: "",
        description: "",
        panic_abort: false,
        processors: Harness::<P>::PROCESSORS,
    };
    let manifest: Value = serde_json::from_slice(&file.to_json())
        .map_err(|error| format!("CONFIG_SCHEMA of {} is no JSON: {error}", P::NAME))?;
    let config: Value = serde_json::from_str(config).map_err(|e| format!("no JSON: {e}"))?;
    let known = &manifest["processors"][0]["config_schema"]["properties"];
    let keys = config.as_object().ok_or("the configuration must be a JSON object")?.keys();
    match keys.into_iter().find(|key| known.get(key.as_str()).is_none()) {
        Some(key) => {
            Err(format!("{key}: not among the properties in CONFIG_SCHEMA of {}", P::NAME))
        }
        None => Ok(()),
    }
}

/// Longer than any test takes.
const DRAIN_MS: u64 = 60_000;

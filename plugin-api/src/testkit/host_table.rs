//! The border's functions for a plugin's whole life, for tests: they write down what they are told.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi_stable::prefix_type::WithMetadata;
use abi_stable::std_types::RStr;
use guerrilla_plugin_abi as abi;
use guerrilla_plugin_abi::{HostVt, HostVt_Ref, Status};

use super::lent;
use crate::host::Level;

/// A line that the plugin has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Severity.
    pub level: Level,
    /// Module it comes from; empty unless it came through `tracing`.
    pub module: String,
    /// The text.
    pub text: String,
    /// Id of the session, where the line was written about a transaction ([`Transaction::log`](crate::Transaction::log)).
    pub session: Option<String>,
}

/// What one instance has told its host.
pub(super) struct Told {
    token: u64,
    inner: Mutex<Inner>,
}

struct Inner {
    level: Level,
    now_ms: u64,
    log: Vec<LogLine>,
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, f64>,
    histograms: BTreeMap<String, Vec<f64>>,
}

impl Told {
    /// For an instance to come.
    pub(super) fn new() -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let inner = Inner {
            level: Level::Trace,
            now_ms: 1_767_225_600_000,
            log: Vec::new(),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            histograms: BTreeMap::new(),
        };
        let token = NEXT.fetch_add(1, Ordering::Relaxed);
        let told = Arc::new(Self { token, inner: Mutex::new(inner) });
        instances().insert(token, Arc::clone(&told));
        told
    }

    /// The host as the plugin gets it.
    pub(super) fn host(&self) -> abi::Host {
        abi::Host { token: self.token, vt: TABLE }
    }

    /// From now on the host is deaf to it.
    pub(super) fn retire(&self) {
        instances().remove(&self.token);
    }

    pub(super) fn log(&self) -> Vec<LogLine> {
        self.inner().log.clone()
    }

    pub(super) fn counter(&self, name: &str) -> u64 {
        self.inner().counters.get(name).copied().unwrap_or_default()
    }

    pub(super) fn gauge(&self, name: &str) -> Option<f64> {
        self.inner().gauges.get(name).copied()
    }

    pub(super) fn histogram(&self, name: &str) -> Vec<f64> {
        self.inner().histograms.get(name).cloned().unwrap_or_default()
    }

    pub(super) fn set_level(&self, level: Level) {
        self.inner().level = level;
    }

    pub(super) fn set_now_ms(&self, ms: u64) {
        self.inner().now_ms = ms;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const TABLE: HostVt_Ref = HostVt_Ref(VALUE.static_as_prefix());

const VALUE: &WithMetadata<HostVt> = &WithMetadata::new(HostVt {
    log_enabled,
    log,
    log_about,
    counter_add,
    gauge_set,
    histogram,
    now_ms,
    explain,
    complete,
    #[cfg(feature = "fake-1-1")]
    appended,
});

fn instances() -> MutexGuard<'static, BTreeMap<u64, Arc<Told>>> {
    static INSTANCES: Mutex<BTreeMap<u64, Arc<Told>>> = Mutex::new(BTreeMap::new());
    INSTANCES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<T: Default>(token: u64, call: impl FnOnce(&mut Inner) -> T) -> T {
    let told = instances().get(&token).map(Arc::clone);
    told.map(|told| call(&mut told.inner())).unwrap_or_default()
}

fn level_of(level: abi::Level) -> Level {
    match level {
        abi::Level::ERROR => Level::Error,
        abi::Level::WARN => Level::Warn,
        abi::Level::DEBUG => Level::Debug,
        abi::Level::TRACE => Level::Trace,
        _ => Level::Info,
    }
}

extern "C" fn log_enabled(token: u64, level: abi::Level) -> bool {
    with(token, |inner| level_of(level) <= inner.level)
}

extern "C" fn log<'a>(token: u64, level: abi::Level, module: RStr<'a>, text: RStr<'a>) {
    write(token, None, level, module, text);
}

extern "C" fn log_about<'t, 'a>(
    token: u64,
    txn: abi::Txn<'t>,
    level: abi::Level,
    module: RStr<'a>,
    text: RStr<'a>,
) {
    let session = lent::find(txn.ctx).map(|lent| lent.state().envelope.session_id.to_owned());
    write(token, session, level, module, text);
}

fn write(token: u64, session: Option<String>, level: abi::Level, module: RStr<'_>, text: RStr<'_>) {
    let (level, module, text) = (level_of(level), module.to_string(), text.to_string());
    with(token, |inner| inner.log.push(LogLine { level, module, text, session }));
}

extern "C" fn counter_add<'a>(token: u64, name: RStr<'a>, add: u64) {
    with(token, |inner| *inner.counters.entry(name.to_string()).or_default() += add);
}

extern "C" fn gauge_set<'a>(token: u64, name: RStr<'a>, value: f64) {
    with(token, |inner| inner.gauges.insert(name.to_string(), value));
}

extern "C" fn histogram<'a>(token: u64, name: RStr<'a>, value: f64) {
    with(token, |inner| inner.histograms.entry(name.to_string()).or_default().push(value));
}

extern "C" fn now_ms(token: u64) -> u64 {
    with(token, |inner| inner.now_ms)
}

extern "C" fn explain<'a>(_token: u64, why: RStr<'a>) {
    EXPLAINED.set(Some(why.to_string()));
}

/// Takes what was said on this thread about a fault to come.
pub(super) fn explained() -> Option<String> {
    EXPLAINED.take()
}

/// Also for a retired instance: what it still holds must come back.
extern "C" fn complete(_token: u64, held: u64, status: Status) {
    lent::complete(held, status, explained());
}

#[cfg(feature = "fake-1-1")]
extern "C" fn appended(_token: u64) -> u64 {
    guerrilla_plugin_abi::API_MINOR.into()
}

thread_local! {
    static EXPLAINED: Cell<Option<String>> = const { Cell::new(None) };
}

//! The functions a plugin logs, counts and completes with.
//!
//! A plugin names itself by a token. Records are never freed: a thread of a plugin that was retired may
//! still call, finds its record retired, and nothing happens.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use abi_stable::prefix_type::WithMetadata;
use abi_stable::std_types::RStr;
use arc_swap::ArcSwap;
use guerrilla_plugin_abi::{HostVt, HostVt_Ref, Level, Status, Txn};

use super::instance::{self, Origin};
use super::txn;
use crate::mail::SessionId;
use crate::plugins::figures::{Figure, Figures};

/// The table every instance gets.
pub(super) static TABLE: HostVt_Ref = HostVt_Ref(VALUE.static_as_prefix());

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

/// What the host knows of one instance.
pub(crate) struct Record {
    /// Its number.
    pub(super) token: u64,
    processor: String,
    /// Which plugin this is, for the last words of the process.
    culprit: Culprit,
    alive: AtomicBool,
    figures: Mutex<BTreeMap<String, Figure>>,
}

/// Which plugin is being called on this thread, and for which session, so that its log lines can be found with the
/// session's. Read by a signal handler.
struct Call {
    token: u64,
    session: Option<SessionId>,
    culprit: &'static Culprit,
    /// Why it will answer with a fault.
    explanation: Cell<Option<String>>,
}

/// What the last words of the process say of a plugin.
pub(super) struct Culprit {
    /// `in plugin x (processor Y, generation 0)`
    pub(super) place: String,
    /// Where it comes from, for the record of crashes.
    pub(super) origin: Option<Origin>,
}

/// Ends a call when dropped.
struct Calling(*const Call);

impl Drop for Calling {
    fn drop(&mut self) {
        CALL.set(self.0);
    }
}

impl Call {
    fn new(token: u64, session: Option<SessionId>, culprit: &'static Culprit) -> Self {
        Self { token, session, culprit, explanation: Cell::new(None) }
    }

    /// Does something that is, on this thread and while it lasts, a call of the plugin.
    #[inline]
    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let _calling = Calling(CALL.replace(self));
        work()
    }

    /// Looks at the one that this thread is in. Async-signal-safe, if that is.
    fn current<T>(look: impl FnOnce(Option<&Self>) -> T) -> T {
        // SAFETY: null, or the call of a frame of this thread that has not returned: `during` borrows it, and puts back
        // what was there before when it ends, also by unwinding.
        look(unsafe { CALL.get().as_ref() })
    }

    /// The same, if it is one of this instance.
    fn current_of<T>(token: u64, look: impl FnOnce(Option<&Self>) -> T) -> T {
        Self::current(|call| look(call.filter(|call| call.token == token)))
    }
}

thread_local! {
    /// A pointer, for the call itself would be copied there and back: 20 ns instead of 2.
    static CALL: Cell<*const Call> = const { Cell::new(ptr::null()) };
    /// What an instance has said, outside of a call of it, about the completion that it is about to make.
    static ABOUT_TO_COMPLETE: Cell<Option<(u64, String)>> = const { Cell::new(None) };
}

/// Loads a plugin file, which runs code of it.
pub(in crate::plugins) fn loading<T>(origin: Origin, work: impl FnOnce() -> T) -> T {
    let Origin { plugin, generation, .. } = origin;
    let place = format!("in plugin {plugin} (being loaded, generation {generation})");
    // Leaked, for what is loaded is never unloaded either.
    let culprit = Box::leak(Box::new(Culprit { place, origin: Some(origin) }));
    // No record has this number.
    Call::new(u64::MAX, None, culprit).during(work)
}

/// Which plugin is being called on this thread. Async-signal-safe.
pub(super) fn culprit() -> Option<&'static Culprit> {
    Call::current(|call| call.map(|call| call.culprit))
}

impl Record {
    /// Calls the instance, for a session if there is one; with what it has said about its failure.
    #[inline]
    pub(super) fn calling<T>(
        &'static self,
        session: Option<SessionId>,
        work: impl FnOnce() -> T,
    ) -> (T, Option<String>) {
        let call = Call::new(self.token, session, &self.culprit);
        let answer = call.during(work);
        (answer, call.explanation.take())
    }

    /// From now on the host is deaf to the instance.
    pub(super) fn retire(&self) {
        self.alive.store(false, Ordering::Release);
    }

    fn figure(&self, name: RStr<'_>, start: Figure, change: impl FnOnce(&mut Figure)) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(figure) = figures.get_mut(name.as_str()) {
            change(figure);
        } else if figures.len() < MAX_FIGURES && is_figure_name(name.as_str()) {
            let mut figure = start;
            change(&mut figure);
            figures.insert(name.as_str().to_owned(), figure);
        }
    }
}

/// Makes a record for an instance of the named processor.
pub(super) fn register(processor: &str, origin: Option<Origin>) -> &'static Record {
    let place = match origin {
        Some(Origin { plugin, generation, .. }) => {
            format!("in plugin {plugin} (processor {processor}, generation {generation})")
        }
        None => format!("in the built-in processor {processor}"),
    };
    let culprit = Culprit { place, origin };
    let _registering = REGISTERING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<&'static Record> = RECORDS.load().as_ref().clone();
    let record: &'static Record = Box::leak(Box::new(Record {
        token: all.len() as u64,
        processor: processor.to_owned(),
        culprit,
        alive: AtomicBool::new(true),
        figures: Mutex::new(BTreeMap::new()),
    }));
    all.push(record);
    RECORDS.store(Arc::new(all));
    record
}

/// Figures of all instances there have been.
pub(crate) fn figures() -> Figures {
    let mut all = Figures::default();
    for record in RECORDS.load().iter() {
        for (name, figure) in &*record.figures.lock().unwrap_or_else(PoisonError::into_inner) {
            all.add(&record.processor, name, figure);
        }
    }
    all
}

static RECORDS: LazyLock<ArcSwap<Vec<&'static Record>>> = LazyLock::new(ArcSwap::default);
static REGISTERING: Mutex<()> = Mutex::new(());

/// Most figures of one instance: each is a series that somebody stores.
const MAX_FIGURES: usize = 256;

fn is_figure_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Finds the living instance and does something for it; a panic must not cross the border.
fn with<T>(token: u64, otherwise: T, call: impl FnOnce(&Record) -> T) -> T {
    let records = RECORDS.load();
    let record = usize::try_from(token).ok().and_then(|i| records.get(i).copied());
    match record {
        Some(record) if record.alive.load(Ordering::Acquire) => {
            catch_unwind(AssertUnwindSafe(|| call(record))).unwrap_or(otherwise)
        }
        _ => otherwise,
    }
}

extern "C" fn log_enabled(token: u64, level: Level) -> bool {
    with(token, false, |_| match level {
        Level::ERROR => tracing::enabled!(target: "plugin", tracing::Level::ERROR),
        Level::WARN => tracing::enabled!(target: "plugin", tracing::Level::WARN),
        Level::DEBUG => tracing::enabled!(target: "plugin", tracing::Level::DEBUG),
        Level::TRACE => tracing::enabled!(target: "plugin", tracing::Level::TRACE),
        _ => tracing::enabled!(target: "plugin", tracing::Level::INFO),
    })
}

extern "C" fn log<'a>(token: u64, level: Level, target: RStr<'a>, text: RStr<'a>) {
    with(token, (), |record| {
        let session = Call::current_of(token, |call| call.and_then(|call| call.session));
        write(record, session, level, target, text);
    });
}

extern "C" fn log_about<'t, 'a>(
    token: u64,
    txn: Txn<'t>,
    level: Level,
    target: RStr<'a>,
    text: RStr<'a>,
) {
    with(token, (), |record| write(record, Some(txn::session(txn)), level, target, text));
}

fn write(
    record: &Record,
    session: Option<SessionId>,
    level: Level,
    target: RStr<'_>,
    text: RStr<'_>,
) {
    let (processor, text) = (&record.processor, text.as_str());
    let module = Some(target.as_str()).filter(|module| !module.is_empty());
    let session = session.map(tracing::field::display);
    match level {
        Level::ERROR => tracing::error!(target: "plugin", session, module, "{processor}: {text}"),
        Level::WARN => tracing::warn!(target: "plugin", session, module, "{processor}: {text}"),
        Level::DEBUG => tracing::debug!(target: "plugin", session, module, "{processor}: {text}"),
        Level::TRACE => tracing::trace!(target: "plugin", session, module, "{processor}: {text}"),
        _ => tracing::info!(target: "plugin", session, module, "{processor}: {text}"),
    }
}

extern "C" fn counter_add<'a>(token: u64, name: RStr<'a>, add: u64) {
    with(token, (), |record| {
        record.figure(name, Figure::Counter(0), |figure| {
            if let Figure::Counter(count) = figure {
                *count = count.wrapping_add(add);
            }
        });
    });
}

extern "C" fn gauge_set<'a>(token: u64, name: RStr<'a>, value: f64) {
    with(token, (), |record| {
        record.figure(name, Figure::Gauge(0.0), |figure| {
            if let Figure::Gauge(gauge) = figure {
                *gauge = value;
            }
        });
    });
}

extern "C" fn histogram<'a>(token: u64, name: RStr<'a>, value: f64) {
    with(token, (), |record| {
        record.figure(name, Figure::Histogram { count: 0, sum: 0.0 }, |figure| {
            if let Figure::Histogram { count, sum } = figure {
                *count += 1;
                *sum += value;
            }
        });
    });
}

extern "C" fn now_ms(_token: u64) -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

extern "C" fn explain<'a>(token: u64, why: RStr<'a>) {
    with(token, (), |_| {
        let why = why.as_str().replace(char::is_control, " ");
        Call::current_of(token, |call| match call {
            Some(call) => call.explanation.set(Some(why)),
            None => ABOUT_TO_COMPLETE.set(Some((token, why))),
        });
    });
}

/// Also for a retired instance: what it still holds must come back.
extern "C" fn complete(token: u64, held: u64, status: Status) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let said = Call::current_of(token, |call| match call {
            Some(call) => call.explanation.take(),
            None => ABOUT_TO_COMPLETE.take().filter(|(by, _)| *by == token).map(|(_, why)| why),
        });
        instance::complete(held, status, said);
    }));
}

#[cfg(feature = "fake-1-1")]
extern "C" fn appended(_token: u64) -> u64 {
    guerrilla_plugin_abi::API_MINOR.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn each_call_has_its_own_explanation() {
        let record = register("Example", None);
        let both_have_said = Barrier::new(2);
        let call = |why: &str| {
            let said = || {
                explain(record.token, why.into());
                both_have_said.wait();
            };
            record.calling(None, said).1
        };
        let (one, other) = thread::scope(|scope| {
            let other = scope.spawn(|| call("other"));
            (call("one\nline"), other.join().expect("no panic"))
        });
        assert_eq!((one.as_deref(), other.as_deref()), (Some("one line"), Some("other")));
        assert_eq!(record.calling(None, || ()).1, None, "nothing is left over");
    }

    #[test]
    fn who_speaks_outside_of_a_call_means_the_completion_to_come() {
        let record = register("Example", None);
        explain(record.token, "said in a thread".into());
        assert_eq!(record.calling(None, || ()).1, None);
        let taken = ABOUT_TO_COMPLETE.take();
        assert_eq!(taken, Some((record.token, "said in a thread".to_owned())));
    }
}

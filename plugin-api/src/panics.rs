//! Panics of a plugin: caught before they reach the border, and told to the host in one line.
//!
//! A panic that reached an `extern "C"` function would end the daemon, and one that nobody catches would end a thread
//! without a word in the daemon's log.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;
use std::thread;

use crate::current::{self, Working};
use crate::host::Host;

/// Runs code of the plugin for an instance. A panic comes back as what it said and where.
#[inline]
pub(crate) fn guard<T>(host: Host, call: impl FnOnce() -> T) -> Result<T, String> {
    let _working = Working::on(host, true);
    catch_unwind(AssertUnwindSafe(call)).map_err(describe)
}

/// Keeps panics of a `.so` off the daemon's stderr: each `.so` has a standard library, and so a panic hook, of
/// its own. Built-in processors share the host's and do not come here.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(told)));
}

/// A panic begins. Where a guard will catch it, the place is kept for it; elsewhere this is the only chance to tell.
fn told(info: &PanicHookInfo<'_>) {
    let location = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
    if current::is_guarded() {
        LOCATION.with(|slot| {
            if let Ok(mut slot) = slot.try_borrow_mut() {
                *slot = location;
            }
        });
    } else if let Some(host) = current::host() {
        let text = with_location(said(info.payload()), location);
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        host.error(format_args!("panicked in thread {name}: {text}"));
    }
}

/// What a panic said, and where. Forgets the payload: dropping foreign data may panic again.
#[cold]
fn describe(payload: Box<dyn Any + Send>) -> String {
    let text = said(payload.as_ref());
    std::mem::forget(payload);
    with_location(text, LOCATION.take())
}

fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    one_line(text.unwrap_or("(not a text)"))
}

fn with_location(text: String, location: Option<String>) -> String {
    match location {
        Some(location) => format!("{text} ({location})"),
        None => text,
    }
}

pub(crate) fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

thread_local! {
    /// Where the last panic of this thread was raised; the payload does not say.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

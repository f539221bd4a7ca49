//! Between the SDK and C: the functions of `guerrilla_plugin.h`, in both directions.
//!
//! # Safety
//!
//! What C gets are pointers to values on the stack of the call that it is in; it must not keep them (the header says so).
//! What it gives are pointers that the header describes. Nothing unwinds: C cannot, and each function that C calls is
//! guarded.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use guerrilla_plugin_api::{Level, Reply, Transaction, Verdict};
use serde_json::Value;

/// `struct guerrilla_text`.
#[repr(C)]
pub(crate) struct Text {
    data: *const c_char,
    length: usize,
}

/// `struct guerrilla_config`: the settings, as texts.
struct Config {
    settings: Vec<(String, String)>,
}

/// `struct guerrilla_mail`.
struct Mail<'a> {
    txn: Transaction<'a>,
    /// The reply that goes with the verdict.
    reply: Option<Reply>,
}

unsafe extern "C" {
    fn plugin_create(
        config: *const c_void,
        state: *mut *mut c_void,
        error: *mut c_char,
        error_size: usize,
    ) -> c_int;
    fn plugin_save(state: *mut c_void, mail: *mut c_void) -> u32;
    fn plugin_destroy(state: *mut c_void);
}

/// What `plugin_create` has made.
pub(crate) struct State(*mut c_void);

// SAFETY: the header demands that the functions in C may be called from any thread, and from several at once.
unsafe impl Send for State {}
// SAFETY: as above.
unsafe impl Sync for State {}

impl State {
    /// Makes an instance.
    ///
    /// # Errors
    /// What C has said.
    pub(crate) fn create(settings: serde_json::Map<String, Value>) -> Result<Self, String> {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let settings = settings.into_iter().map(|(key, value)| (key, text(value))).collect();
        let config = Config { settings };
        let mut state = ptr::null_mut();
        let mut error = [0_u8; 256];
        let (config, room) = ((&raw const config).cast(), error.as_mut_ptr().cast());
        // SAFETY: all pointers are to values of this function; the array has as many bytes as is said.
        let code = unsafe { plugin_create(config, &raw mut state, room, error.len()) };
        if code == 0 {
            return Ok(Self(state));
        }
        let said = CStr::from_bytes_until_nul(&error).unwrap_or_default();
        Err(said.to_string_lossy().into_owned())
    }

    /// Asks what is to become of a message.
    pub(crate) fn save(&self, txn: Transaction<'_>) -> Verdict {
        let mut mail = Mail { txn, reply: None };
        // SAFETY: the state is what `plugin_create` has made and has not been destroyed; the mail is ours for the call.
        let status = unsafe { plugin_save(self.0, (&raw mut mail).cast()) };
        match (status, mail.reply.take()) {
            (0, _) => Verdict::CONTINUE,
            (1, Some(reply)) => Verdict::accept(reply),
            (1, None) => Verdict::ACCEPT,
            (2, Some(reply)) => Verdict::defer(reply),
            (2, None) => Verdict::DEFER,
            (3, Some(reply)) => Verdict::reject(reply),
            (3, None) => Verdict::REJECT,
            (4, _) => Verdict::DISCARD,
            (other, _) => panic!("plugin_save answered {other}, which is no verdict"),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: as above, and nobody can use it any more.
        unsafe { plugin_destroy(self.0) }
    }
}

const NO_TEXT: Text = Text { data: ptr::null(), length: 0 };

impl Text {
    fn of(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(NO_TEXT, |bytes| Self { data: bytes.as_ptr().cast(), length: bytes.len() })
    }
}

/// Runs a function for C: a panic must not reach it.
fn guarded<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(otherwise)
}

/// The message that C was given in `plugin_save`, and passes on.
///
/// # Safety
/// It is that one, and the call still lasts. Changing needs the whole of it: no other reference is alive then, for C runs on
/// one thread and keeps none.
unsafe fn mail<'a>(mail: *mut c_void) -> &'a mut Mail<'a> {
    // SAFETY: as the caller says.
    unsafe { &mut *mail.cast() }
}

/// A text that C gives.
///
/// # Safety
/// It is null or a C string that lives as long as `'a`.
unsafe fn given<'a>(text: *const c_char) -> std::borrow::Cow<'a, str> {
    if text.is_null() {
        return "".into();
    }
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(text) }.to_string_lossy()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn guerrilla_setting(config: *const c_void, key: *const c_char) -> Text {
    guarded(NO_TEXT, || {
        // SAFETY: C passes on what it was given in `plugin_create`, and a C string.
        let (config, key) = unsafe { (&*config.cast::<Config>(), given(key)) };
        let found = config.settings.iter().find(|(known, _)| *known == key);
        Text::of(found.map(|(_, value)| value.as_bytes()))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn guerrilla_text(lent: *mut c_void, field: u32) -> Text {
    guarded(NO_TEXT, || {
        // SAFETY: C passes on what it was given in `plugin_save`.
        let txn = &unsafe { mail(lent) }.txn;
        let text = match field {
            1 => Some(txn.session_id()),
            3 => Some(txn.remote_ip()),
            5 => txn.helo(),
            13 => txn.sender(),
            15 => Some(txn.queued_id()),
            16 => txn.subject(),
            _ => None,
        };
        Text::of(text.map(str::as_bytes))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn guerrilla_recipients(lent: *mut c_void) -> usize {
    // SAFETY: as in `guerrilla_text`.
    guarded(0, || unsafe { mail(lent) }.txn.recipients().len())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn guerrilla_recipient(lent: *mut c_void, index: usize) -> Text {
    guarded(NO_TEXT, || {
        // SAFETY: as in `guerrilla_text`.
        let txn = &unsafe { mail(lent) }.txn;
        Text::of(txn.recipients().nth(index).map(|recipient| recipient.address().as_bytes()))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn guerrilla_header(lent: *mut c_void, name: *const c_char) -> Text {
    guarded(NO_TEXT, || {
        // SAFETY: as in `guerrilla_text`, and a C string.
        let (txn, name) = unsafe { (&mail(lent).txn, given(name)) };
        Text::of(txn.header(&name))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn guerrilla_body(lent: *mut c_void) -> Text {
    // SAFETY: as in `guerrilla_text`.
    guarded(NO_TEXT, || Text::of(Some(unsafe { mail(lent) }.txn.body())))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn guerrilla_add_header(
    lent: *mut c_void,
    name: *const c_char,
    value: *const c_char,
) -> c_int {
    guarded(1, || {
        // SAFETY: as in `guerrilla_text`, and C strings; texts that C was lent are void from here on, as the header says.
        let (txn, name, value) = unsafe { (&mut mail(lent).txn, given(name), given(value)) };
        c_int::from(txn.add_header(&name, &value).is_err())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn guerrilla_reply(
    lent: *mut c_void,
    code: u16,
    enhanced: *const c_char,
    text: *const c_char,
) {
    guarded((), || {
        // SAFETY: as in `guerrilla_text`, and C strings.
        let (reply, enhanced, text) =
            unsafe { (&mut mail(lent).reply, given(enhanced), given(text)) };
        *reply = Some(Reply::new(code, enhanced.into_owned(), text.into_owned()));
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn guerrilla_log(lent: *mut c_void, level: u32, text: *const c_char) {
    guarded((), || {
        let level = match level {
            1 => Level::Error,
            2 => Level::Warn,
            4 => Level::Debug,
            _ => Level::Info,
        };
        // SAFETY: as in `guerrilla_text`, and a C string.
        let (txn, text) = unsafe { (&mail(lent).txn, given(text)) };
        txn.log(level, format_args!("{text}"));
    });
}

//! A host of one transaction: just enough of the border to ask a processor questions and to see its answers.
//!
//! The state is the thread's, so that no pointer needs to be followed; what getters lend is leaked.

use std::cell::RefCell;
use std::collections::HashMap;

use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_types::RRef;
use abi_stable::std_types::{RNone, ROption, RSlice, RSome, RStr};
use guerrilla_plugin_abi::{
    BytesField, Event, HeldTxn, Host, HostVt, Instance_TO, InstanceBox, ItemField, Level, List,
    NumberField, Phase, Scope, Status, TextField, Txn, TxnVt,
};
use guerrilla_plugin_api::Plugin;

/// One mail and what was said about it.
#[derive(Default)]
struct Mail {
    protocol: &'static str,
    recipients: Vec<(&'static str, &'static str)>,
    verdicts: HashMap<usize, Status>,
    outcome: Option<Status>,
    pieces: Vec<&'static [u8]>,
    notes: HashMap<String, &'static [u8]>,
    reply: Option<(u16, String)>,
    explained: String,
    log: Vec<String>,
}

thread_local! {
    static MAIL: RefCell<Mail> = RefCell::default();
}

fn with<T>(f: impl FnOnce(&mut Mail) -> T) -> T {
    MAIL.with_borrow_mut(f)
}

/// A processor under test.
pub(crate) struct Processor(InstanceBox);

impl Processor {
    /// Makes an instance; an error is what it explained.
    pub(crate) fn create<P: Plugin>(config: &str) -> Result<Self, String> {
        let mut made = RNone;
        let status = guerrilla_plugin_api::__border::create::<P>(&host(), config, &mut made);
        match made.into_option() {
            Some(instance) if status == Status::CONTINUE => Ok(Self(instance)),
            _ => Err(with(|mail| mail.explained.clone())),
        }
    }

    /// Starts it; an error is what it explained.
    pub(crate) fn start(&self) -> Result<(), String> {
        match Instance_TO::start(&self.0) {
            Status::CONTINUE => Ok(()),
            _ => Err(with(|mail| mail.explained.clone())),
        }
    }

    /// Asks a question: the status and the code of the reply, 0 for none.
    pub(crate) fn ask(&self, phase: Phase) -> (Status, u16) {
        with(|mail| mail.reply = None);
        let status = self.0.process(phase, txn());
        (status, with(|mail| mail.reply.as_ref().map_or(0, |(code, _)| *code)))
    }

    /// Tells that the chain has settled.
    pub(crate) fn settle(&self, outcome: Status) -> Status {
        with(|mail| mail.outcome = Some(outcome));
        self.0.event(Event::SETTLED, txn())
    }

    /// Stops it.
    pub(crate) fn stop(&self) {
        assert_eq!(self.0.stop(), Status::CONTINUE);
    }
}

/// Begins a mail to some recipients, as `user@domain`.
pub(crate) fn begin(protocol: &'static str, recipients: &[&'static str]) {
    let split = |recipient: &&'static str| recipient.rsplit_once('@').unwrap_or((recipient, ""));
    let recipients = recipients.iter().map(split).collect();
    let pieces: Vec<&[u8]> = vec![b"Received: here\r\n", b"Subject: x\r\n\r\nbody\r\n"];
    with(|mail| *mail = Mail { protocol, recipients, pieces, ..Mail::default() });
}

/// Refuses a recipient, as another stage may.
pub(crate) fn refuse(recipient: usize) {
    with(|mail| mail.verdicts.insert(recipient, Status::REJECT));
}

/// What was said about a recipient.
pub(crate) fn verdict(recipient: usize) -> Option<Status> {
    with(|mail| mail.verdicts.get(&recipient).copied())
}

/// The lines written to the log.
pub(crate) fn log() -> Vec<String> {
    with(|mail| mail.log.clone())
}

fn host() -> Host {
    let vt = HostVt {
        log_enabled,
        log: write_log,
        counter_add,
        gauge_set: measure,
        histogram: measure,
        now_ms,
        explain,
        complete,
    };
    Host { token: 1, vt: vt.leak_into_prefix() }
}

extern "C" fn log_enabled(_: u64, _: Level) -> bool {
    true
}
extern "C" fn write_log(_: u64, _: Level, _: RStr<'_>, text: RStr<'_>) {
    with(|mail| mail.log.push(text.to_string()));
}
extern "C" fn counter_add(_: u64, _: RStr<'_>, _: u64) {}
extern "C" fn measure(_: u64, _: RStr<'_>, _: f64) {}
extern "C" fn now_ms(_: u64) -> u64 {
    0
}
extern "C" fn explain(_: u64, text: RStr<'_>) {
    with(|mail| mail.explained = text.to_string());
}
extern "C" fn complete(_: u64, _: u64, _: Status) {}

fn txn() -> Txn<'static> {
    let vt = TxnVt {
        text,
        number,
        len,
        item,
        item_number,
        bytes,
        note,
        set_text,
        set_note,
        push,
        set_reply,
        set_recipient,
        add_header,
        remove_header,
        hold,
    };
    Txn { ctx: RRef::new(&()), vt: vt.leak_into_prefix() }
}

extern "C" fn text(_: RRef<'_, ()>, field: TextField) -> ROption<RStr<'_>> {
    match field {
        TextField::PROTOCOL => RSome(with(|mail| mail.protocol).into()),
        TextField::SERVER_NAME => RSome("mx.example.com".into()),
        _ => RNone,
    }
}
extern "C" fn number(_: RRef<'_, ()>, field: NumberField) -> ROption<u64> {
    let outcome = with(|mail| mail.outcome);
    outcome.filter(|_| field == NumberField::OUTCOME).map(|status| status.0.into()).into()
}
extern "C" fn len(_: RRef<'_, ()>, list: List) -> usize {
    with(|mail| match list {
        List::RECIPIENTS => mail.recipients.len(),
        List::PIECES => mail.pieces.len(),
        _ => 0,
    })
}
extern "C" fn item(_: RRef<'_, ()>, _: List, at: usize, field: ItemField) -> ROption<RStr<'_>> {
    let (user, domain) = with(|mail| mail.recipients[at]);
    match field {
        ItemField::LOCAL_PART => RSome(user.into()),
        ItemField::DOMAIN => RSome(domain.into()),
        _ => RNone,
    }
}
extern "C" fn item_number(_: RRef<'_, ()>, _: List, at: usize, field: ItemField) -> ROption<u64> {
    assert_eq!(field, ItemField::VERDICT);
    verdict(at).map(|status| status.0.into()).into()
}
extern "C" fn bytes(_: RRef<'_, ()>, field: BytesField, at: usize) -> ROption<RSlice<'_, u8>> {
    assert_eq!(field, BytesField::PIECE);
    with(|mail| mail.pieces.get(at).copied()).map(RSlice::from_slice).into()
}
extern "C" fn note<'a>(_: RRef<'a, ()>, _: Scope, key: RStr<'_>) -> ROption<RSlice<'a, u8>> {
    with(|mail| mail.notes.get(key.as_str()).copied()).map(RSlice::from_slice).into()
}
extern "C" fn set_text(_: RRef<'_, ()>, _: TextField, _: RStr<'_>) -> Status {
    Status::UNSUPPORTED
}
extern "C" fn set_note(_: RRef<'_, ()>, _: Scope, key: RStr<'_>, value: RSlice<'_, u8>) -> Status {
    with(|mail| match value.is_empty() {
        true => mail.notes.remove(key.as_str()),
        false => mail.notes.insert(key.to_string(), value.to_vec().leak()),
    });
    Status::CONTINUE
}
extern "C" fn push(_: RRef<'_, ()>, _: List, _: RStr<'_>) -> Status {
    Status::UNSUPPORTED
}
extern "C" fn set_reply(_: RRef<'_, ()>, code: u16, _: RStr<'_>, text: RStr<'_>) -> Status {
    with(|mail| mail.reply = Some((code, text.to_string())));
    Status::CONTINUE
}
extern "C" fn set_recipient(
    _: RRef<'_, ()>,
    at: usize,
    status: Status,
    _: u16,
    _: RStr<'_>,
    _: RStr<'_>,
) -> Status {
    with(|mail| mail.verdicts.insert(at, status));
    Status::CONTINUE
}
extern "C" fn add_header(_: RRef<'_, ()>, _: RStr<'_>, _: RStr<'_>) -> Status {
    Status::UNSUPPORTED
}
extern "C" fn remove_header(_: RRef<'_, ()>, _: RStr<'_>) -> usize {
    0
}
extern "C" fn hold(_: RRef<'_, ()>) -> ROption<HeldTxn> {
    RNone
}

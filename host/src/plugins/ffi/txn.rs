//! The functions a plugin reads and changes a transaction with.
//!
//! *Trust*: plugins are trusted with memory but not with sense: every value is checked before it is kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use abi_stable::prefix_type::WithMetadata;
use abi_stable::sabi_types::RRef;
use abi_stable::std_types::{RNone, ROption, RSlice, RSome, RStr};
use guerrilla_plugin_abi::{
    BytesField, HeldTxn, ItemField, List, NumberField, Scope, Status, TextField, Txn, TxnVt,
    TxnVt_Ref,
};

use super::instance;
use crate::mail::{ChosenReply, Client, Envelope, MAX_SESSION_NOTE, SessionId, Transaction};

/// The table that goes with every transaction.
pub(super) static TABLE: TxnVt_Ref = TxnVt_Ref(VALUE.static_as_prefix());

const VALUE: &WithMetadata<TxnVt> = &WithMetadata::new(TxnVt {
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
    #[cfg(feature = "fake-1-1")]
    appended,
});

/// A transaction as a plugin gets it.
pub(super) fn lend<'a>(txn: *mut Transaction) -> Txn<'a> {
    // SAFETY: the pointer comes from a box (see the module `ffi`) that is not turned back before the plugin is done.
    let ctx = unsafe { RRef::from_raw(txn.cast_const().cast::<()>()) };
    Txn { ctx, vt: TABLE }
}

/// The session of a transaction that a plugin was lent, or holds.
pub(super) fn session(txn: Txn<'_>) -> SessionId {
    shared(txn.ctx).client.session
}

/// The transaction behind a context, for reading.
fn shared<'a>(ctx: RRef<'a, ()>) -> &'a Transaction {
    // SAFETY: `lend` made the context from a pointer to a live transaction; setters, which alone change it, are
    // called when no view is left (contract of the border).
    unsafe { &*ctx.as_ptr().cast::<Transaction>() }
}

/// The transaction behind a context, for changing.
fn exclusive(ctx: RRef<'_, ()>) -> *mut Transaction {
    ctx.as_ptr().cast::<Transaction>().cast_mut()
}

/// Runs a function of the host: a panic must not cross the border, it would end the process.
fn shielded<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(otherwise)
}

fn some_str<'a>(text: Option<&'a str>) -> ROption<RStr<'a>> {
    text.map_or(RNone, |text| RSome(text.into()))
}

extern "C" fn text<'a>(ctx: RRef<'a, ()>, field: TextField) -> ROption<RStr<'a>> {
    shielded(RNone, || {
        let Transaction { client, envelope, .. } = shared(ctx);
        some_str(match field {
            TextField::SENDER
            | TextField::SENDER_PARAMETERS
            | TextField::SENDER_LOCAL_PART
            | TextField::SENDER_DOMAIN => sender_text(envelope, field),
            TextField::QUEUED_ID => Some(envelope.queued_id()).filter(|id| !id.is_empty()),
            TextField::SUBJECT => envelope.subject(),
            TextField::DELIVERY_HEADER => Some(envelope.delivery_header()),
            _ => client_text(client, field),
        })
    })
}

fn client_text(client: &Client, field: TextField) -> Option<&str> {
    let tls = client.tls.as_ref();
    match field {
        TextField::SESSION_ID => Some(client.session.as_str()),
        TextField::LISTENER => Some(&client.listener),
        TextField::REMOTE_IP => Some(&client.remote_ip),
        TextField::LOCAL_IP => Some(&client.local_ip),
        TextField::HELO => client.helo.as_deref(),
        TextField::TLS_VERSION => tls.map(|tls| tls.version.as_str()),
        TextField::TLS_CIPHER => tls.map(|tls| tls.cipher.as_str()),
        TextField::TLS_CLIENT => tls.and_then(|tls| tls.client.as_deref()),
        TextField::TLS_SNI => tls.and_then(|tls| tls.sni.as_deref()),
        TextField::PROTOCOL => Some(client.protocol),
        TextField::SERVER_NAME => Some(&client.server_name),
        TextField::REMOTE_NAME => client.remote_name.as_deref(),
        _ => None,
    }
}

fn sender_text(envelope: &Envelope, field: TextField) -> Option<&str> {
    let sender = envelope.sender()?;
    Some(match field {
        TextField::SENDER => envelope.address(sender),
        TextField::SENDER_LOCAL_PART => envelope.local_part(sender),
        TextField::SENDER_DOMAIN => envelope.domain(sender),
        _ => envelope.sender_parameters(),
    })
}

extern "C" fn number<'a>(ctx: RRef<'a, ()>, field: NumberField) -> ROption<u64> {
    shielded(RNone, || {
        let Transaction { client, envelope, deadline, outcome, .. } = shared(ctx);
        let has_message = envelope.sender().is_some();
        let value = match field {
            NumberField::REMOTE_PORT => client.remote.map(|a| a.port().into()),
            NumberField::LOCAL_PORT => client.local.map(|a| a.port().into()),
            NumberField::ESMTP => Some(client.esmtp.into()),
            NumberField::TLS => Some(client.tls.is_some().into()),
            NumberField::BODY_SIZE => has_message.then(|| envelope.body.len() as u64),
            NumberField::ARRIVED_MS => has_message.then(|| envelope.arrived_ms()),
            NumberField::OUTCOME => outcome.map(|status| status.0.into()),
            NumberField::DEADLINE_MS => deadline.map(|at| {
                let left = at.saturating_duration_since(Instant::now());
                u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
            }),
            NumberField::MESSAGES => Some(client.messages),
            NumberField::ANSWERS_EACH => Some((client.lmtp || envelope.each_answered).into()),
            _ => None,
        };
        value.map_or(RNone, RSome)
    })
}

extern "C" fn len<'a>(ctx: RRef<'a, ()>, list: List) -> usize {
    shielded(0, || {
        let envelope = &shared(ctx).envelope;
        match list {
            List::RECIPIENTS => envelope.recipients().len(),
            List::HEADERS => envelope.headers().fields().len(),
            List::HASHES => envelope.hashes().len(),
            List::PIECES => envelope.pieces(),
            _ => 0,
        }
    })
}

extern "C" fn item<'a>(
    ctx: RRef<'a, ()>,
    list: List,
    index: usize,
    field: ItemField,
) -> ROption<RStr<'a>> {
    shielded(RNone, || {
        let envelope = &shared(ctx).envelope;
        some_str(match list {
            List::RECIPIENTS => envelope.recipients().get(index).and_then(|recipient| {
                let mailbox = recipient.mailbox();
                match field {
                    ItemField::VALUE => Some(envelope.address(mailbox)),
                    ItemField::LOCAL_PART => Some(envelope.local_part(mailbox)),
                    ItemField::DOMAIN => Some(envelope.domain(mailbox)),
                    ItemField::PARAMETERS => Some(envelope.parameters(recipient)),
                    _ => None,
                }
            }),
            List::HASHES if field == ItemField::VALUE => {
                envelope.hashes().get(index).map(String::as_str)
            }
            _ => None,
        })
    })
}

extern "C" fn item_number<'a>(
    ctx: RRef<'a, ()>,
    list: List,
    index: usize,
    field: ItemField,
) -> ROption<u64> {
    shielded(RNone, || {
        let recipient = match (list, field) {
            (List::RECIPIENTS, ItemField::VERDICT) => shared(ctx).envelope.recipients().get(index),
            _ => None,
        };
        let verdict = recipient.and_then(|r| r.verdict.as_ref());
        verdict.map_or(RNone, |(status, _)| RSome(status.0.into()))
    })
}

extern "C" fn bytes<'a>(
    ctx: RRef<'a, ()>,
    field: BytesField,
    index: usize,
) -> ROption<RSlice<'a, u8>> {
    shielded(RNone, || {
        let envelope = &shared(ctx).envelope;
        let body = envelope.body.as_slice();
        let header = || envelope.headers().fields().get(index);
        let bytes = match field {
            BytesField::BODY => (index == 0).then_some(body),
            BytesField::PIECE => envelope.piece(index),
            BytesField::HEADER_NAME => header().map(|h| &body[h.name()]),
            BytesField::HEADER_VALUE => header().map(|h| &body[h.value()]),
            _ => None,
        };
        bytes.map_or(RNone, |bytes| RSome(bytes.into()))
    })
}

extern "C" fn note<'a, 'k>(
    ctx: RRef<'a, ()>,
    scope: Scope,
    key: RStr<'k>,
) -> ROption<RSlice<'a, u8>> {
    shielded(RNone, || {
        let Transaction { client, envelope, .. } = shared(ctx);
        let value = match scope {
            Scope::MAIL => envelope.note(key.as_str()),
            Scope::SESSION => client.notes.get(key.as_str()),
            _ => None,
        };
        value.map_or(RNone, |value| RSome(value.into()))
    })
}

extern "C" fn set_text<'a, 'v>(ctx: RRef<'a, ()>, field: TextField, value: RStr<'v>) -> Status {
    change(ctx, |envelope| match field {
        TextField::QUEUED_ID => taken(envelope.set_queued_id(value.as_str())),
        TextField::DELIVERY_HEADER => taken(envelope.set_delivery_header(value.as_str())),
        TextField::SUBJECT => {
            envelope.set_subject(value.as_str());
            Status::CONTINUE
        }
        _ => Status::UNSUPPORTED,
    })
}

extern "C" fn set_note<'a, 'k, 'v>(
    ctx: RRef<'a, ()>,
    scope: Scope,
    key: RStr<'k>,
    value: RSlice<'v, u8>,
) -> Status {
    shielded(Status::INTERNAL, || {
        if RESERVED.iter().any(|prefix| key.as_str().starts_with(prefix)) {
            return Status::BAD_VALUE;
        }
        let (txn, key, value) = (exclusive(ctx), key.as_str(), value.as_slice());
        let set = match scope {
            // SAFETY: as in `change`.
            Scope::MAIL => unsafe { &mut (*txn).envelope }.set_note(key, value),
            Scope::SESSION => {
                // SAFETY: as in `change`; the client's notes are another field of the same transaction.
                let notes = unsafe { &mut (*txn).client.notes };
                notes.set(key, value, MAX_SESSION_NOTE)
            }
            _ => return Status::UNSUPPORTED,
        };
        taken(set.is_ok())
    })
}

extern "C" fn push<'a, 'v>(ctx: RRef<'a, ()>, list: List, value: RStr<'v>) -> Status {
    change(ctx, |envelope| match list {
        List::HASHES => taken(envelope.push_hash(value.as_str())),
        _ => Status::UNSUPPORTED,
    })
}

extern "C" fn set_reply<'a, 'v>(
    ctx: RRef<'a, ()>,
    code: u16,
    enhanced: RStr<'v>,
    text: RStr<'v>,
) -> Status {
    shielded(Status::INTERNAL, || {
        match ChosenReply::new(code, enhanced.as_str(), text.as_str()) {
            Ok(reply) => {
                // SAFETY: as in `change`.
                unsafe { (*exclusive(ctx)).reply = Some(reply) };
                Status::CONTINUE
            }
            Err(why) => {
                tracing::warn!("a plugin chose a reply that cannot be sent: {why}");
                Status::BAD_VALUE
            }
        }
    })
}

extern "C" fn set_recipient<'a, 'v>(
    ctx: RRef<'a, ()>,
    index: usize,
    verdict: Status,
    code: u16,
    enhanced: RStr<'v>,
    text: RStr<'v>,
) -> Status {
    let reply = match code {
        0 => None,
        code => match ChosenReply::new(code, enhanced.as_str(), text.as_str()) {
            Ok(reply) => Some(reply),
            Err(_) => return Status::BAD_VALUE,
        },
    };
    let known = matches!(
        verdict,
        Status::CONTINUE | Status::ACCEPT | Status::DEFER | Status::REJECT | Status::DISCARD
    );
    change(ctx, |envelope| match envelope.recipients_mut().get_mut(index) {
        Some(recipient) if known => {
            recipient.verdict = Some((verdict, reply));
            Status::CONTINUE
        }
        _ => Status::BAD_VALUE,
    })
}

extern "C" fn add_header<'a, 'v>(ctx: RRef<'a, ()>, name: RStr<'v>, value: RStr<'v>) -> Status {
    change(ctx, |envelope| taken(envelope.add_header(name.as_str(), value.as_str())))
}

extern "C" fn remove_header<'a, 'v>(ctx: RRef<'a, ()>, name: RStr<'v>) -> usize {
    let mut removed = 0;
    change(ctx, |envelope| {
        removed = envelope.remove_header(name.as_str());
        Status::CONTINUE
    });
    removed
}

extern "C" fn hold<'a>(ctx: RRef<'a, ()>) -> ROption<HeldTxn> {
    shielded(RNone, || {
        let txn = exclusive(ctx);
        let Some(token) = instance::hold(shared(ctx)) else { return RNone };
        RSome(HeldTxn { token, txn: lend(txn) })
    })
}

#[cfg(feature = "fake-1-1")]
extern "C" fn appended<'a>(_ctx: RRef<'a, ()>) -> u64 {
    guerrilla_plugin_abi::API_MINOR.into()
}

/// Notes that a trusted proxy has filled: no plugin may pretend to be one.
const RESERVED: [&str; 2] = ["proxy.", "xforward."];

/// Changes the envelope; there must be one.
fn change(ctx: RRef<'_, ()>, edit: impl FnOnce(&mut Envelope) -> Status) -> Status {
    shielded(Status::INTERNAL, || {
        // SAFETY: setters are called when no view of the transaction is left and on one thread (contract of the
        // border), so this is the only reference to the envelope while it lasts.
        let envelope = unsafe { &mut (*exclusive(ctx)).envelope };
        if envelope.sender().is_none() {
            return Status::UNSUPPORTED;
        }
        edit(envelope)
    })
}

fn taken(fine: bool) -> Status {
    if fine { Status::CONTINUE } else { Status::BAD_VALUE }
}

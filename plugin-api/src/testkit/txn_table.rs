//! The border's functions on a transaction, for tests.

use std::sync::PoisonError;

use abi_stable::prefix_type::WithMetadata;
use abi_stable::sabi_types::RRef;
use abi_stable::std_types::{RNone, ROption, RSlice, RSome, RStr};
use guerrilla_plugin_abi::{
    BytesField, HeldTxn, ItemField, List, NumberField, Phase, Scope, Status, TextField, TxnVt,
    TxnVt_Ref,
};

use super::envelope::{Envelope, fields};
use super::lent::{State, find, keep};
use crate::verdict::Reply;

pub(super) const TABLE: TxnVt_Ref = TxnVt_Ref(VALUE.static_as_prefix());

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

/// Reads from the transaction of a context; from none of which the host knows, nothing.
fn read<T>(ctx: RRef<'_, ()>, read: impl FnOnce(&State) -> Option<T>) -> ROption<T> {
    find(ctx).and_then(|lent| read(&lent.state())).into()
}

/// Changes the message; there must be one.
fn change(ctx: RRef<'_, ()>, edit: impl FnOnce(&mut Envelope) -> Status) -> Status {
    let Some(lent) = find(ctx) else { return Status::UNSUPPORTED };
    let mut state = lent.state();
    match state.envelope.sender {
        Some(_) => edit(&mut state.envelope),
        None => Status::UNSUPPORTED,
    }
}

fn taken(fine: bool) -> Status {
    if fine { Status::CONTINUE } else { Status::BAD_VALUE }
}

extern "C" fn text<'a>(ctx: RRef<'a, ()>, field: TextField) -> ROption<RStr<'a>> {
    read(ctx, |state| {
        let envelope = &state.envelope;
        let sender = envelope.sender;
        let text = match field {
            TextField::SENDER => sender?.address,
            TextField::SENDER_LOCAL_PART => sender?.local_part,
            TextField::SENDER_DOMAIN => sender?.domain,
            TextField::SENDER_PARAMETERS => sender.map(|_| envelope.sender_parameters)?,
            TextField::QUEUED_ID => Some(envelope.queued_id).filter(|id| !id.is_empty())?,
            TextField::SUBJECT => envelope.subject?,
            TextField::DELIVERY_HEADER => envelope.delivery_header,
            TextField::SESSION_ID => envelope.session_id,
            field => return session_text(state, field),
        };
        Some(text.into())
    })
}

fn session_text(state: &State, field: TextField) -> Option<RStr<'static>> {
    let session = &state.envelope.session;
    let tls = session.tls.as_ref();
    let text = match field {
        TextField::LISTENER => &session.listener,
        TextField::REMOTE_IP => &session.remote_ip,
        TextField::LOCAL_IP => "127.0.0.1",
        TextField::HELO if state.phase != Phase::CONNECT => &session.helo,
        TextField::TLS_VERSION => &tls?.version,
        TextField::TLS_CIPHER => tls.map(|_| "TLS13_AES_256_GCM_SHA384")?,
        TextField::TLS_CLIENT => tls?.client.as_deref()?,
        TextField::TLS_SNI => tls?.sni.as_deref()?,
        TextField::PROTOCOL => &session.protocol,
        TextField::SERVER_NAME => &session.server_name,
        TextField::REMOTE_NAME => session.remote_name.as_deref()?,
        _ => return None,
    };
    Some(keep(text).into())
}

extern "C" fn number<'a>(ctx: RRef<'a, ()>, field: NumberField) -> ROption<u64> {
    read(ctx, |state| {
        let envelope = &state.envelope;
        let session = &envelope.session;
        match field {
            NumberField::REMOTE_PORT => Some(session.remote_port.into()),
            NumberField::LOCAL_PORT => Some(25),
            NumberField::ESMTP => Some((session.protocol != "SMTP").into()),
            NumberField::TLS => Some(session.tls.is_some().into()),
            NumberField::BODY_SIZE => envelope.sender.map(|_| body(state).len() as u64),
            NumberField::ARRIVED_MS => envelope.sender.map(|_| ARRIVED_MS),
            NumberField::OUTCOME => envelope.outcome.map(|status| status.0.into()),
            NumberField::DEADLINE_MS => Some(session.deadline_ms),
            NumberField::MESSAGES => Some(envelope.messages),
            NumberField::ANSWERS_EACH => Some(session.is_lmtp().into()),
            _ => None,
        }
    })
}

extern "C" fn len<'a>(ctx: RRef<'a, ()>, list: List) -> usize {
    let length = read(ctx, |state| {
        Some(match list {
            List::RECIPIENTS => state.envelope.recipients.len(),
            List::HEADERS => fields(body(state)).len(),
            List::HASHES => state.envelope.hashes.len(),
            List::PIECES => state.envelope.pieces(),
            _ => 0,
        })
    });
    length.unwrap_or(0)
}

extern "C" fn item<'a>(
    ctx: RRef<'a, ()>,
    list: List,
    index: usize,
    field: ItemField,
) -> ROption<RStr<'a>> {
    read(ctx, |state| {
        if list == List::HASHES && field == ItemField::VALUE {
            return state.envelope.hashes.get(index).map(|hash| RStr::from(*hash));
        }
        let recipient =
            (list == List::RECIPIENTS).then(|| state.envelope.recipients.get(index))??;
        let text = match field {
            ItemField::VALUE => recipient.mailbox.address,
            ItemField::LOCAL_PART => recipient.mailbox.local_part,
            ItemField::DOMAIN => recipient.mailbox.domain,
            ItemField::PARAMETERS => recipient.parameters,
            _ => return None,
        };
        Some(text.into())
    })
}

extern "C" fn item_number<'a>(
    ctx: RRef<'a, ()>,
    list: List,
    index: usize,
    field: ItemField,
) -> ROption<u64> {
    read(ctx, |state| match (list, field) {
        (List::RECIPIENTS, ItemField::VERDICT) => {
            let recipient = state.envelope.recipients.get(index)?;
            recipient.verdict.as_ref().map(|(status, _)| status.0.into())
        }
        _ => None,
    })
}

extern "C" fn bytes<'a>(
    ctx: RRef<'a, ()>,
    field: BytesField,
    index: usize,
) -> ROption<RSlice<'a, u8>> {
    read(ctx, |state| {
        let body = body(state);
        let header = || fields(body).into_iter().nth(index);
        let bytes = match field {
            BytesField::BODY => (index == 0).then_some(body)?,
            BytesField::PIECE => state.envelope.piece(index)?,
            BytesField::HEADER_NAME => &body[header()?.name],
            BytesField::HEADER_VALUE => &body[header()?.value],
            _ => return None,
        };
        Some(RSlice::from_slice(bytes))
    })
}

/// What there is of the body: it comes after all questions but `save`.
fn body(state: &State) -> &'static [u8] {
    if state.phase == Phase::SAVE { state.envelope.body } else { b"" }
}

extern "C" fn note<'a, 'k>(
    ctx: RRef<'a, ()>,
    scope: Scope,
    key: RStr<'k>,
) -> ROption<RSlice<'a, u8>> {
    read(ctx, |state| {
        let value = match scope {
            Scope::MAIL => state.envelope.notes.get(key.as_str()).copied(),
            Scope::SESSION => {
                let notes = &state.envelope.session_notes;
                notes.lock().unwrap_or_else(PoisonError::into_inner).get(key.as_str()).copied()
            }
            _ => None,
        };
        value.map(RSlice::from_slice)
    })
}

extern "C" fn set_text<'a, 'v>(ctx: RRef<'a, ()>, field: TextField, value: RStr<'v>) -> Status {
    change(ctx, |envelope| match field {
        TextField::QUEUED_ID => taken(envelope.set_queued_id(value.as_str())),
        TextField::DELIVERY_HEADER => taken(envelope.set_delivery_header(value.as_str())),
        TextField::SUBJECT => {
            envelope.subject = Some(keep(value.as_str()));
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
    let Some(lent) = find(ctx) else { return Status::UNSUPPORTED };
    let (mut state, key, value) = (lent.state(), key.as_str(), value.as_slice());
    match scope {
        Scope::MAIL => {
            taken(Envelope::set_note(&mut state.envelope.notes, key, value, MAX_MAIL_NOTE))
        }
        Scope::SESSION => {
            let notes = &state.envelope.session_notes;
            let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            taken(Envelope::set_note(&mut notes, key, value, MAX_SESSION_NOTE))
        }
        _ => Status::UNSUPPORTED,
    }
}

extern "C" fn push<'a, 'v>(ctx: RRef<'a, ()>, list: List, value: RStr<'v>) -> Status {
    change(ctx, |envelope| match list {
        List::HASHES if value.len() <= 255 => {
            envelope.hashes.push(keep(value.as_str()));
            Status::CONTINUE
        }
        List::HASHES => Status::BAD_VALUE,
        _ => Status::UNSUPPORTED,
    })
}

extern "C" fn set_reply<'a, 'v>(
    ctx: RRef<'a, ()>,
    code: u16,
    enhanced: RStr<'v>,
    text: RStr<'v>,
) -> Status {
    let (Some(lent), Some(reply)) = (find(ctx), reply(code, enhanced.as_str(), text.as_str()))
    else {
        return Status::BAD_VALUE;
    };
    lent.state().envelope.reply = Some(reply);
    Status::CONTINUE
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
        code => match reply(code, enhanced.as_str(), text.as_str()) {
            Some(reply) => Some(reply),
            None => return Status::BAD_VALUE,
        },
    };
    let known = matches!(
        verdict,
        Status::CONTINUE | Status::ACCEPT | Status::DEFER | Status::REJECT | Status::DISCARD
    );
    change(ctx, |envelope| match envelope.recipients.get_mut(index) {
        Some(recipient) if known => {
            recipient.verdict = Some((verdict, reply));
            Status::CONTINUE
        }
        _ => Status::BAD_VALUE,
    })
}

/// A reply that can be sent (RFC 5321 section 4.2, RFC 3463 section 2).
fn reply(code: u16, enhanced: &str, text: &str) -> Option<Reply> {
    let class = match code {
        200..=259 | 400..=459 | 500..=559 => code / 100,
        _ => return None,
    };
    let is_number = |part: &str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts: Vec<&str> = enhanced.split('.').collect();
    let fits = parts.len() == 3
        && parts.iter().all(|part| is_number(part))
        && parts[0].parse() == Ok(class);
    let text = text.replace(|c: char| c.is_control() && c != '\n', " ");
    (enhanced.is_empty() || fits).then(|| Reply::new(code, enhanced.to_owned(), text))
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
    match find(ctx).and_then(|lent| lent.hold()) {
        Some(held) => RSome(held),
        None => RNone,
    }
}

#[cfg(feature = "fake-1-1")]
extern "C" fn appended<'a>(_ctx: RRef<'a, ()>) -> u64 {
    guerrilla_plugin_abi::API_MINOR.into()
}

/// When every message of a test has begun: 2026-01-01 00:00 UTC.
const ARRIVED_MS: u64 = 1_767_225_600_000;

/// As the daemon's.
const MAX_MAIL_NOTE: usize = 1 << 30;
const MAX_SESSION_NOTE: usize = 64 * 1024;

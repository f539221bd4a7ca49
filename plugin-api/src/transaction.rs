//! What a processor sees of a connection and its message.

use std::cell::Cell;
use std::fmt::Arguments;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use abi_stable::std_types::{RSlice, RStr};
use guerrilla_plugin_abi as abi;
use guerrilla_plugin_abi::{BytesField, ItemField, List, NumberField, TextField};

use crate::held::Held;
use crate::host::{Host, Level};
use crate::recipient::{Recipient, parameters};
use crate::refused::{Refused, refused};
use crate::verdict::{Reply, Verdict};
use crate::vocabulary::Scope;

/// One connection and, from MAIL on, the message it brings.
///
/// Getters borrow the transaction shared and setters borrow it exclusively, so no view can outlive a
/// change. What a phase cannot know yet is absent: there is no sender at `connect`, no body before `save`.
pub struct Transaction<'a> {
    raw: abi::Txn<'a>,
    host: Host,
    /// Set when it is taken hold of, for the call that it was lent for.
    is_held: Option<&'a AtomicBool>,
    /// The host keeps caches behind getters: one thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(raw: abi::Txn<'a>, host: Host) -> Self {
        Self { raw, host, is_held: None, not_sync: PhantomData }
    }

    /// One that is lent for a call, which wants to know when it is taken hold of.
    pub(crate) fn lent(raw: abi::Txn<'a>, host: Host, is_held: &'a AtomicBool) -> Self {
        Self { is_held: Some(is_held), ..Self::new(raw, host) }
    }

    /// Id of the connection; log lines of the host begin with it.
    pub fn session_id(&self) -> &str {
        self.text(TextField::SESSION_ID).unwrap_or_default()
    }

    /// Name of the listener the client came in by (`listen_interface`).
    pub fn listener(&self) -> &str {
        self.text(TextField::LISTENER).unwrap_or_default()
    }

    /// Host name of the server (`host_name`).
    pub fn server_name(&self) -> &str {
        self.text(TextField::SERVER_NAME).unwrap_or_default()
    }

    /// Address of the client without port, such as `192.0.2.7`; empty on a Unix socket.
    pub fn remote_ip(&self) -> &str {
        self.text(TextField::REMOTE_IP).unwrap_or_default()
    }

    /// TCP port of the client.
    pub fn remote_port(&self) -> Option<u16> {
        self.number(NumberField::REMOTE_PORT).and_then(|port| u16::try_from(port).ok())
    }

    /// Name of the client, where a trusted proxy has told it.
    pub fn remote_name(&self) -> Option<&str> {
        self.text(TextField::REMOTE_NAME)
    }

    /// Address the client connected to.
    pub fn local_ip(&self) -> &str {
        self.text(TextField::LOCAL_IP).unwrap_or_default()
    }

    /// TCP port the client connected to.
    pub fn local_port(&self) -> Option<u16> {
        self.number(NumberField::LOCAL_PORT).and_then(|port| u16::try_from(port).ok())
    }

    /// Name given with HELO, EHLO or LHLO.
    pub fn helo(&self) -> Option<&str> {
        self.text(TextField::HELO)
    }

    /// Whether the client spoke EHLO or LHLO.
    pub fn is_esmtp(&self) -> bool {
        self.number(NumberField::ESMTP) == Some(1)
    }

    /// Protocol as the Received field names it (RFC 3848): `SMTP`, `ESMTPS`, `LMTP`, ...
    pub fn protocol(&self) -> &str {
        self.text(TextField::PROTOCOL).unwrap_or("SMTP")
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.number(NumberField::TLS) == Some(1)
    }

    /// TLS version, such as `TLSv1.3`.
    pub fn tls_version(&self) -> Option<&str> {
        self.text(TextField::TLS_VERSION)
    }

    /// Name of the TLS cipher suite.
    pub fn tls_cipher(&self) -> Option<&str> {
        self.text(TextField::TLS_CIPHER)
    }

    /// Server name the client asked for in TLS: its own words.
    pub fn tls_sni(&self) -> Option<&str> {
        self.text(TextField::TLS_SNI)
    }

    /// Subject of the client's verified certificate.
    pub fn tls_client(&self) -> Option<&str> {
        self.text(TextField::TLS_CLIENT)
    }

    /// Reverse-path without brackets: empty for the null reverse-path, absent before MAIL.
    pub fn sender(&self) -> Option<&str> {
        self.text(TextField::SENDER)
    }

    /// Local part of the reverse-path, unquoted.
    pub fn sender_local_part(&self) -> Option<&str> {
        self.text(TextField::SENDER_LOCAL_PART)
    }

    /// Domain of the reverse-path as given.
    pub fn sender_domain(&self) -> Option<&str> {
        self.text(TextField::SENDER_DOMAIN)
    }

    /// Parameters of MAIL, such as `("BODY", Some("8BITMIME"))`.
    pub fn sender_parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        parameters(self.text(TextField::SENDER_PARAMETERS).unwrap_or_default())
    }

    /// Recipients in order; at `rcpt` the last is the one in question.
    pub fn recipients(&self) -> impl DoubleEndedIterator<Item = Recipient<'_>> + ExactSizeIterator {
        (0..self.len(List::RECIPIENTS)).map(move |index| Recipient::new(self, index))
    }

    /// The body as received: CRLF kept, dots unstuffed, in one piece; empty before `save`.
    pub fn body(&self) -> &[u8] {
        self.bytes(BytesField::BODY, 0).unwrap_or_default()
    }

    /// Whether the client hears a reply for each recipient (LMTP, PRDR): then
    /// [`set_recipient`](Self::set_recipient) refuses one without the others. Otherwise one reply stands for all.
    pub fn answers_each(&self) -> bool {
        self.number(NumberField::ANSWERS_EACH) == Some(1)
    }

    /// Messages accepted on this connection before this one.
    pub fn messages(&self) -> u64 {
        self.number(NumberField::MESSAGES).unwrap_or_default()
    }

    /// The message as it is to be stored, piece by piece: delivery header, added header fields, and the body
    /// without the removed ones. Write the pieces one after the other.
    pub fn message(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len(List::PIECES))
            .map(move |index| self.bytes(BytesField::PIECE, index).unwrap_or_default())
    }

    /// Header fields in order: name as written, value still folded and encoded.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        (0..self.len(List::HEADERS)).map(move |index| {
            (
                self.bytes(BytesField::HEADER_NAME, index).unwrap_or_default(),
                self.bytes(BytesField::HEADER_VALUE, index).unwrap_or_default(),
            )
        })
    }

    /// Value of the first header field of that name, in any case; still folded and encoded.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let is_it = |index: &usize| {
            let found = self.bytes(BytesField::HEADER_NAME, *index).unwrap_or_default();
            found.eq_ignore_ascii_case(name.as_bytes())
        };
        let index = (0..self.len(List::HEADERS)).find(is_it)?;
        self.bytes(BytesField::HEADER_VALUE, index)
    }

    /// Decoded subject, once a stage (`HeadersParser`) has set it.
    pub fn subject(&self) -> Option<&str> {
        self.text(TextField::SUBJECT)
    }

    /// Hashes that stages have made for the message (`Hasher`).
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len(List::HASHES))
            .map(move |index| self.item(List::HASHES, index, ItemField::VALUE).unwrap_or_default())
    }

    /// Id the message will be acknowledged with.
    pub fn queued_id(&self) -> &str {
        self.text(TextField::QUEUED_ID).unwrap_or_default()
    }

    /// Lines to store in front of the message, each ending in CRLF (`Header`).
    pub fn delivery_header(&self) -> &str {
        self.text(TextField::DELIVERY_HEADER).unwrap_or_default()
    }

    /// When the transaction began, in milliseconds of Unix time.
    pub fn arrived_ms(&self) -> Option<u64> {
        self.number(NumberField::ARRIVED_MS)
    }

    /// Milliseconds left until the host gives up on this chain.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.number(NumberField::DEADLINE_MS)
    }

    /// How long work for this answer may take so that the client still hears it: [`deadline_ms`](Self::deadline_ms) less a second,
    /// or less a quarter of short ones, for what comes behind. A host that tells no deadline is taken to wait for 30 seconds.
    ///
    /// An answer that comes after the deadline counts as a fault of the processor; one that says "not now" in time does not.
    pub fn time_left(&self) -> Duration {
        let left = self.deadline_ms().map_or(UNTOLD, Duration::from_millis);
        left - (left / 4).min(Duration::from_secs(1))
    }

    /// In `settled`: whether the whole chain came to an acceptance.
    pub fn is_accepted(&self) -> bool {
        matches!(self.number(NumberField::OUTCOME), Some(0 | 1))
    }

    /// A note left by an earlier stage or phase.
    pub fn note(&self, scope: Scope, key: &str) -> Option<&[u8]> {
        self.raw.vt.note()(self.raw.ctx, scope.number(), key.into()).into_option().map(as_bytes)
    }

    /// Leaves a note for later stages and phases; an empty value removes it.
    ///
    /// # Errors
    /// When the host takes no note of that size or name.
    pub fn set_note(&mut self, scope: Scope, key: &str, value: &[u8]) -> Result<(), Refused> {
        refused(self.raw.vt.set_note()(self.raw.ctx, scope.number(), key.into(), value.into()))
    }

    /// Sets the decoded subject.
    ///
    /// # Errors
    /// When there is no message yet.
    pub fn set_subject(&mut self, subject: &str) -> Result<(), Refused> {
        self.set_text(TextField::SUBJECT, subject)
    }

    /// Sets the id the message is acknowledged with.
    ///
    /// # Errors
    /// When it is empty, longer than 255 bytes or not printable ASCII.
    pub fn set_queued_id(&mut self, id: &str) -> Result<(), Refused> {
        self.set_text(TextField::QUEUED_ID, id)
    }

    /// Sets the lines to store in front of the message.
    ///
    /// # Errors
    /// When they are not whole header lines, each ending in CRLF.
    pub fn set_delivery_header(&mut self, lines: &str) -> Result<(), Refused> {
        self.set_text(TextField::DELIVERY_HEADER, lines)
    }

    /// Adds a hash.
    ///
    /// # Errors
    /// When there is no message yet.
    pub fn push_hash(&mut self, hash: &str) -> Result<(), Refused> {
        refused(self.raw.vt.push()(self.raw.ctx, List::HASHES, hash.into()))
    }

    /// Adds a header field in front of the message. A value of several lines is folded already.
    ///
    /// # Errors
    /// When name or value would break the header.
    pub fn add_header(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        refused(self.raw.vt.add_header()(self.raw.ctx, name.into(), value.into()))
    }

    /// Removes all header fields of that name, in any case, from the message as it is stored; answers how many.
    pub fn remove_header(&mut self, name: &str) -> usize {
        self.raw.vt.remove_header()(self.raw.ctx, name.into())
    }

    /// Gives one recipient a verdict of its own. Clients that hear a reply for each ([`answers_each`](Self::answers_each))
    /// are told: those of LMTP, and of SMTP when they have asked for PRDR. The others have one reply for all, so there the
    /// worst verdict of any recipient, deferring before rejecting, becomes the verdict of all, and nothing is kept for anybody.
    ///
    /// # Errors
    /// When there is no such recipient, or verdict and reply do not fit.
    pub fn set_recipient(&mut self, index: usize, verdict: &Verdict) -> Result<(), Refused> {
        let (code, enhanced, text) = match &verdict.reply {
            Some(reply) => (reply.code, reply.enhanced.as_ref(), reply.text.as_ref()),
            None => (0, "", ""),
        };
        let set = self.raw.vt.set_recipient();
        refused(set(self.raw.ctx, index, verdict.status, code, enhanced.into(), text.into()))
    }

    /// Writes a line about this connection and message to the daemon's log: under the processor's name, with the id of the
    /// session, also where the transaction is held and this is a thread of the plugin's own. Formats only what is written.
    ///
    /// ```
    /// # use guerrilla_plugin_api::{Level, Transaction, Verdict};
    /// fn save(txn: Transaction<'_>) -> Verdict {
    ///     txn.log(Level::Info, format_args!("{} bytes", txn.body().len()));
    ///     Verdict::CONTINUE
    /// }
    /// ```
    pub fn log(&self, level: Level, text: Arguments<'_>) {
        self.host.log_about(self.raw, level, text);
    }

    /// Takes hold of the transaction, to complete it later from any thread. Return [`Verdict::PENDING`] then: any other verdict of the
    /// call counts for nothing, but for a line in the log.
    /// `None` where it cannot be held: in an event other than an awaited `settled`, or when it is held already.
    pub fn hold(self) -> Option<Held> {
        let held = self.raw.vt.hold()(self.raw.ctx).into_option()?;
        if let Some(is_held) = self.is_held {
            // Another thread than the call's is joined before the call returns: this was lent for no longer.
            is_held.store(true, Ordering::Relaxed);
        }
        Some(Held::new(held, self.host))
    }

    /// What this host has appended to its tables; `None` for one that has not.
    #[cfg(feature = "fake-1-1")]
    #[doc(hidden)]
    pub fn appended(&self) -> Option<(u64, u64)> {
        let of_txn = self.raw.vt.appended().map(|appended| appended(self.raw.ctx));
        of_txn.zip(self.host.appended())
    }

    pub(crate) fn set_reply(&mut self, reply: &Reply) {
        let set = self.raw.vt.set_reply();
        // A refused reply leaves the host's own for the verdict; the host logs why.
        let _ = set(
            self.raw.ctx,
            reply.code,
            reply.enhanced.as_ref().into(),
            reply.text.as_ref().into(),
        );
    }

    fn set_text(&mut self, field: TextField, value: &str) -> Result<(), Refused> {
        refused(self.raw.vt.set_text()(self.raw.ctx, field, value.into()))
    }

    #[inline]
    fn text(&self, field: TextField) -> Option<&str> {
        self.raw.vt.text()(self.raw.ctx, field).into_option().map(as_str)
    }

    #[inline]
    fn number(&self, field: NumberField) -> Option<u64> {
        self.raw.vt.number()(self.raw.ctx, field).into_option()
    }

    #[inline]
    fn bytes(&self, field: BytesField, index: usize) -> Option<&[u8]> {
        self.raw.vt.bytes()(self.raw.ctx, field, index).into_option().map(as_bytes)
    }

    #[inline]
    fn len(&self, list: List) -> usize {
        self.raw.vt.len()(self.raw.ctx, list)
    }

    pub(crate) fn recipient_verdict(&self, index: usize) -> Option<u64> {
        let get = self.raw.vt.item_number();
        get(self.raw.ctx, List::RECIPIENTS, index, ItemField::VERDICT).into_option()
    }

    #[inline]
    pub(crate) fn item(&self, list: List, index: usize, field: ItemField) -> Option<&str> {
        self.raw.vt.item()(self.raw.ctx, list, index, field).into_option().map(as_str)
    }
}

fn as_bytes(slice: RSlice<'_, u8>) -> &[u8] {
    slice.as_slice()
}

fn as_str(text: RStr<'_>) -> &str {
    text.as_str()
}

/// How long a host waits that tells no deadline.
const UNTOLD: Duration = Duration::from_secs(30);

//! Sender, recipients and body of one message, and what the stages of a chain have made of it.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Body, ChosenReply, HeaderField, HeaderIndex, MAX_MAIL_NOTE, NoteRefused, Notes};
use guerrilla_plugin_abi::Status;

/// One message on its way. It is reused for the next one, so that an ordinary message costs no allocation.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// All paths and parameters, one after the other; the spans below point into it.
    text: String,
    sender: Option<Mailbox>,
    sender_parameters: Span,
    recipients: Vec<Recipient>,
    /// Whether the client hears a reply for each recipient (LMTP, PRDR) and not one for all.
    pub each_answered: bool,
    arrived_ms: u64,
    queued_id: String,
    /// The body.
    pub body: Body,
    headers: OnceLock<HeaderIndex>,
    subject: Option<String>,
    hashes: Vec<String>,
    delivery_header: String,
    added_headers: String,
    /// In their order; a hostile header has thousands.
    removed: Vec<Range<usize>>,
    notes: Notes,
}

/// A mailbox, as spans of the envelope's text.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    address: Span,
    local_part: Span,
    domain: Span,
}

/// A part of the envelope's text. Half as large as a range: an idle connection has some, and a message many. There is no text of
/// 4 GiB, for recipients and their paths are limited (`max_rcpt`, RFC 5321 section 4.5.3.1.3).
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

/// One recipient.
#[derive(Clone, Debug)]
pub struct Recipient {
    mailbox: Mailbox,
    parameters: Span,
    /// What a stage decided about it alone.
    pub verdict: Option<(Status, Option<ChosenReply>)>,
}

impl Envelope {
    /// An envelope without a message.
    pub const fn new() -> Self {
        Self {
            text: String::new(),
            sender: None,
            sender_parameters: Span { start: 0, end: 0 },
            recipients: Vec::new(),
            each_answered: false,
            arrived_ms: 0,
            queued_id: String::new(),
            body: Body::new(),
            headers: OnceLock::new(),
            subject: None,
            hashes: Vec::new(),
            delivery_header: String::new(),
            added_headers: String::new(),
            removed: Vec::new(),
            notes: Notes::new(),
        }
    }

    /// Begins a message, forgetting the last one.
    pub fn begin(&mut self, address: &str, local_part: &str, domain: &str, parameters: &str) {
        self.clear();
        self.sender = Some(self.mailbox(address, local_part, domain));
        self.sender_parameters = self.keep(parameters);
        self.arrived_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
    }

    /// Who it is from and to and what it is called, without what it says.
    pub fn outline(&self) -> Self {
        Self {
            text: self.text.clone(),
            sender: self.sender.clone(),
            sender_parameters: self.sender_parameters,
            recipients: self.recipients.clone(),
            each_answered: self.each_answered,
            arrived_ms: self.arrived_ms,
            queued_id: self.queued_id.clone(),
            ..Self::default()
        }
    }

    /// Forgets the message and keeps the buffers.
    pub fn clear(&mut self) {
        self.text.clear();
        self.sender = None;
        self.sender_parameters = Span::default();
        self.recipients.clear();
        self.each_answered = false;
        self.queued_id.clear();
        self.body.clear();
        self.headers.take();
        self.subject = None;
        self.hashes.clear();
        self.delivery_header.clear();
        self.added_headers.clear();
        self.removed.clear();
        self.notes.clear();
    }

    /// Bytes of the buffers that stay when the message is forgotten.
    pub(super) fn room(&self) -> usize {
        self.text.capacity()
            + self.recipients.capacity() * size_of::<Recipient>()
            + self.queued_id.capacity()
            + self.hashes.capacity() * size_of::<String>()
            + self.delivery_header.capacity()
            + self.added_headers.capacity()
            + self.removed.capacity() * size_of::<Range<usize>>()
            + self.notes.room()
    }

    /// Adds a recipient.
    pub fn push_recipient(
        &mut self,
        address: &str,
        local_part: &str,
        domain: &str,
        parameters: &str,
    ) {
        let mailbox = self.mailbox(address, local_part, domain);
        let parameters = self.keep(parameters);
        self.recipients.push(Recipient { mailbox, parameters, verdict: None });
    }

    /// Takes back the last recipient: it was refused.
    pub fn pop_recipient(&mut self) {
        if let Some(recipient) = self.recipients.pop() {
            self.text.truncate(recipient.mailbox.address.start as usize);
        }
    }

    /// The recipients.
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// The recipients, to set their verdicts.
    pub fn recipients_mut(&mut self) -> &mut [Recipient] {
        &mut self.recipients
    }

    /// The reverse-path; none before MAIL.
    pub fn sender(&self) -> Option<&Mailbox> {
        self.sender.as_ref()
    }

    /// The mailbox without brackets; empty for the null reverse-path.
    pub fn address(&self, mailbox: &Mailbox) -> &str {
        mailbox.address.of(&self.text)
    }

    /// The local part, unquoted.
    pub fn local_part(&self, mailbox: &Mailbox) -> &str {
        mailbox.local_part.of(&self.text)
    }

    /// The domain.
    pub fn domain(&self, mailbox: &Mailbox) -> &str {
        mailbox.domain.of(&self.text)
    }

    /// Parameters of MAIL, blank-separated.
    pub fn sender_parameters(&self) -> &str {
        self.sender_parameters.of(&self.text)
    }

    /// Parameters of RCPT, blank-separated.
    pub fn parameters(&self, recipient: &Recipient) -> &str {
        recipient.parameters.of(&self.text)
    }

    /// When the message began, in milliseconds of Unix time.
    pub fn arrived_ms(&self) -> u64 {
        self.arrived_ms
    }

    /// Id it is acknowledged with.
    pub fn queued_id(&self) -> &str {
        &self.queued_id
    }

    /// Sets that id; `false` when it is empty, over-long or would not be safe in a reply.
    pub fn set_queued_id(&mut self, id: &str) -> bool {
        let fine = (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        if fine {
            self.queued_id.clear();
            self.queued_id.push_str(id);
        }
        fine
    }

    /// Decoded subject.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Sets it.
    pub fn set_subject(&mut self, subject: &str) {
        self.subject = Some(subject.to_owned());
    }

    /// Hashes made so far.
    pub fn hashes(&self) -> &[String] {
        &self.hashes
    }

    /// Adds a hash; `false` when there are more than recipients could need.
    pub fn push_hash(&mut self, hash: &str) -> bool {
        let fine = self.hashes.len() < MAX_HASHES && hash.len() <= 255;
        if fine {
            self.hashes.push(hash.to_owned());
        }
        fine
    }

    /// Lines stored in front of the message.
    pub fn delivery_header(&self) -> &str {
        &self.delivery_header
    }

    /// Sets them; `false` unless they are whole header lines.
    pub fn set_delivery_header(&mut self, lines: &str) -> bool {
        let fine = lines.is_empty() || is_header_block(lines);
        if fine {
            self.delivery_header.clear();
            self.delivery_header.push_str(lines);
        }
        fine
    }

    /// Adds a header field in front of the message; `false` when it would break the header.
    pub fn add_header(&mut self, name: &str, value: &str) -> bool {
        let line = format!("{name}: {value}\r\n");
        let named = name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        let one_field = named && HeaderIndex::scan(line.as_bytes()).fields().len() == 1;
        let fine = one_field && is_header_block(&line) && self.added_headers.len() < MAX_ADDED;
        if fine {
            self.added_headers.push_str(&line);
        }
        fine
    }

    /// Removes all fields of that name from the message as stored; answers how many.
    pub fn remove_header(&mut self, name: &str) -> usize {
        let body = self.body.as_slice();
        let found: Vec<Range<usize>> = self
            .headers()
            .fields()
            .iter()
            .filter(|field| body[field.name()].eq_ignore_ascii_case(name.as_bytes()))
            .map(HeaderField::whole)
            .filter(|whole| self.removed.binary_search_by_key(&whole.start, |r| r.start).is_err())
            .collect();
        self.removed.extend_from_slice(&found);
        self.removed.sort_by_key(|r| r.start);
        found.len()
    }

    /// The header fields, found when first asked for.
    pub fn headers(&self) -> &HeaderIndex {
        self.headers.get_or_init(|| HeaderIndex::scan(self.body.as_slice()))
    }

    /// A note of the message.
    pub fn note(&self, key: &str) -> Option<&[u8]> {
        self.notes.get(key)
    }

    /// Sets a note of the message; an empty value removes it.
    ///
    /// # Errors
    /// When key, value or their number exceed the limits, or the memory for messages in flight is used up.
    pub fn set_note(&mut self, key: &str, value: &[u8]) -> Result<(), NoteRefused> {
        let body = &mut self.body;
        self.notes.set_where_room(key, value, MAX_MAIL_NOTE, |bytes| body.has_room_for_notes(bytes))
    }

    /// Number of pieces of the message as it is to be stored.
    pub fn pieces(&self) -> usize {
        2 + self.removed.len() + 1
    }

    /// One piece: delivery header, added fields, then the body between the removed fields.
    pub fn piece(&self, index: usize) -> Option<&[u8]> {
        let gap = match index {
            0 => return Some(self.delivery_header.as_bytes()),
            1 => return Some(self.added_headers.as_bytes()),
            _ => index - 2,
        };
        let body = self.body.as_slice();
        let start = if gap == 0 { 0 } else { self.removed.get(gap - 1)?.end };
        let end = self.removed.get(gap).map_or(body.len(), |r| r.start);
        (gap <= self.removed.len()).then(|| &body[start..end])
    }

    fn mailbox(&mut self, address: &str, local_part: &str, domain: &str) -> Mailbox {
        let address = self.keep(address);
        Mailbox { address, local_part: self.keep(local_part), domain: self.keep(domain) }
    }

    fn keep(&mut self, text: &str) -> Span {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        Span { start, end: self.text.len() as u32 }
    }
}

impl Recipient {
    /// Its mailbox.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }
}

/// Whether this is nothing but header lines: each ends in CRLF, none is empty, the first is a field, no stray control bytes.
fn is_header_block(lines: &str) -> bool {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', lines.as_bytes()) {
        // A bare LF leaves its line without the CR that is looked for; a bare CR is a control byte.
        let Some(line) = lines[start..end].strip_suffix('\r') else { return false };
        // Without an early end, so that the compiler takes many bytes at a time.
        let stray = line.bytes().fold(false, |any, byte| any | ((byte < 32) & (byte != b'\t')));
        if stray || line.trim().is_empty() {
            return false;
        }
        start = end + 1;
    }
    start > 0 && start == lines.len() && !lines.starts_with([' ', '\t'])
}

/// Most hashes of one message: go-guerrilla makes one per recipient.
const MAX_HASHES: usize = 10_000;

/// Most bytes of added header fields.
const MAX_ADDED: usize = 256 * 1024;

#[cfg(test)]
mod tests;

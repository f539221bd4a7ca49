//! A client and its message, with the checks of the daemon.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use guerrilla_plugin_abi::Status;

use super::lent::{keep, keep_bytes};
use super::mail::Session;
use crate::verdict::Reply;

/// Notes of one scope.
pub(super) type Notes = BTreeMap<String, &'static [u8]>;

/// All that the border's functions work on.
pub(super) struct Envelope {
    pub(super) session: Arc<Session>,
    pub(super) session_id: &'static str,
    pub(super) session_notes: Arc<Mutex<Notes>>,
    /// Messages accepted before on the connection.
    pub(super) messages: u64,
    pub(super) sender: Option<Mailbox>,
    pub(super) sender_parameters: &'static str,
    pub(super) recipients: Vec<Recipient>,
    pub(super) body: &'static [u8],
    pub(super) queued_id: &'static str,
    pub(super) subject: Option<&'static str>,
    pub(super) delivery_header: &'static str,
    pub(super) added: &'static str,
    removed: Vec<Range<usize>>,
    pub(super) hashes: Vec<&'static str>,
    pub(super) notes: Notes,
    pub(super) reply: Option<Reply>,
    pub(super) outcome: Option<Status>,
}

#[derive(Clone, Copy)]
pub(super) struct Mailbox {
    pub(super) address: &'static str,
    pub(super) local_part: &'static str,
    pub(super) domain: &'static str,
}

pub(super) struct Recipient {
    pub(super) mailbox: Mailbox,
    pub(super) parameters: &'static str,
    pub(super) verdict: Option<(Status, Option<Reply>)>,
}

/// A header field, as ranges of the body.
pub(super) struct Field {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    whole: Range<usize>,
}

impl Envelope {
    /// A client without a message.
    pub(super) fn new(
        session: Arc<Session>,
        session_id: &'static str,
        session_notes: Arc<Mutex<Notes>>,
        messages: u64,
    ) -> Self {
        Self {
            session,
            session_id,
            session_notes,
            messages,
            sender: None,
            sender_parameters: "",
            recipients: Vec::new(),
            body: b"",
            queued_id: "",
            subject: None,
            delivery_header: "",
            added: "",
            removed: Vec::new(),
            hashes: Vec::new(),
            notes: Notes::new(),
            reply: None,
            outcome: None,
        }
    }

    /// Takes a recipient down. A bare `<postmaster>` is the server's own (RFC 5321 section 4.5.1), so it gets the server's name.
    pub(super) fn push_recipient(&mut self, address: &str, parameters: &str) {
        let mailbox = if address.eq_ignore_ascii_case("postmaster") {
            Mailbox::new(&format!("{address}@{}", self.session.server_name))
        } else {
            Mailbox::new(address)
        };
        self.recipients.push(Recipient { mailbox, parameters: keep(parameters), verdict: None });
    }

    pub(super) fn set_queued_id(&mut self, id: &str) -> bool {
        let fine = (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        if fine {
            self.queued_id = keep(id);
        }
        fine
    }

    pub(super) fn set_delivery_header(&mut self, lines: &str) -> bool {
        let fine = lines.is_empty() || is_header_block(lines);
        if fine {
            self.delivery_header = keep(lines);
        }
        fine
    }

    pub(super) fn add_header(&mut self, name: &str, value: &str) -> bool {
        let line = format!("{name}: {value}\r\n");
        let named = name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        let fine = named && is_header_block(&line) && fields(line.as_bytes()).len() == 1;
        if fine {
            self.added = keep(&format!("{}{line}", self.added));
        }
        fine
    }

    pub(super) fn remove_header(&mut self, name: &str) -> usize {
        let is_it = |f: &Field| self.body[f.name.clone()].eq_ignore_ascii_case(name.as_bytes());
        let all = fields(self.body).into_iter().filter(is_it).map(|field| field.whole);
        let new: Vec<_> = all.filter(|whole| !self.removed.contains(whole)).collect();
        self.removed.extend_from_slice(&new);
        self.removed.sort_by_key(|whole| whole.start);
        new.len()
    }

    pub(super) fn set_note(notes: &mut Notes, key: &str, value: &[u8], most: usize) -> bool {
        if key.is_empty() || key.len() > 255 || value.len() > most {
            return false;
        }
        if value.is_empty() {
            notes.remove(key);
            return true;
        }
        let fits = notes.contains_key(key) || notes.len() < MAX_NOTES;
        if fits {
            notes.insert(key.to_owned(), keep_bytes(value));
        }
        fits
    }

    /// Number of pieces of the message as stored.
    pub(super) fn pieces(&self) -> usize {
        3 + self.removed.len()
    }

    /// One of them: delivery header, added fields, then the body between the removed fields.
    pub(super) fn piece(&self, index: usize) -> Option<&'static [u8]> {
        let gap = match index {
            0 => return Some(self.delivery_header.as_bytes()),
            1 => return Some(self.added.as_bytes()),
            index => index - 2,
        };
        if gap > self.removed.len() {
            return None;
        }
        let start = gap.checked_sub(1).map_or(0, |before| self.removed[before].end);
        let end = self.removed.get(gap).map_or(self.body.len(), |removed| removed.start);
        Some(&self.body[start..end])
    }

    /// The message as it would be stored.
    pub(super) fn stored(&self) -> Vec<u8> {
        (0..self.pieces()).filter_map(|index| self.piece(index)).collect::<Vec<_>>().concat()
    }
}

impl Mailbox {
    pub(super) fn new(address: &str) -> Self {
        let (local_part, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        Self {
            address: keep(address),
            local_part: keep(&unquoted(local_part)),
            domain: keep(domain),
        }
    }
}

/// A quoted local part without its quotes (RFC 5321 section 4.1.2).
fn unquoted(local_part: &str) -> String {
    let inner = local_part.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else { return local_part.to_owned() };
    let mut unquoted = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        unquoted.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    unquoted
}

/// The header fields of a message: up to an empty line or the first line that is no field.
pub(super) fn fields(body: &[u8]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut start = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.len();
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let Some(field) = fields.last_mut() else { break };
            field.value.end = end - line_end(line);
            field.whole.end = end;
        } else {
            let Some(field) = field(line, start) else { break };
            fields.push(field);
        }
        start = end;
    }
    fields
}

/// Reads `name: value` from a line that begins at `start`.
fn field(line: &[u8], start: usize) -> Option<Field> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line[..colon].trim_ascii_end();
    if name.is_empty() || !name.iter().all(|byte| matches!(byte, 33..=126)) {
        return None;
    }
    let text = &line[colon + 1..line.len() - line_end(line)];
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let value = start + colon + 1 + blanks..start + colon + 1 + text.len();
    Some(Field { name: start..start + name.len(), value, whole: start..start + line.len() })
}

fn line_end(line: &[u8]) -> usize {
    if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) }
}

/// Whether this is nothing but header lines: each ends in CRLF, none is empty, no stray control bytes.
fn is_header_block(lines: &str) -> bool {
    let whole = lines.ends_with("\r\n") && !lines.starts_with([' ', '\t']);
    let is_line = |line: &str| {
        !line.trim().is_empty() && !line.bytes().any(|byte| byte < 32 && byte != b'\t')
    };
    whole && lines.split_terminator("\r\n").all(is_line)
}

/// Most notes of one scope.
const MAX_NOTES: usize = 64;

//! Records: how requests and answers are cut into pieces on a FastCGI connection.
//!
//! Standards: FastCGI 1.0 sections 3.3 (records), 3.4 (names and values), 5 and 8 (types and numbers).
//!
//! Limits: of each stream [`KEPT`] octets are kept and the rest is read past.

/// Appends a record. `content` has at most 65535 octets.
pub(crate) fn push(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    debug_assert!(content.len() <= usize::from(u16::MAX), "a record's length has two octets");
    let padding = content.len().wrapping_neg() % 8;
    let [high, low] = (content.len() as u16).to_be_bytes();
    out.extend_from_slice(&[VERSION, kind, 0, REQUEST as u8, high, low, padding as u8, 0]);
    out.extend_from_slice(content);
    out.resize(out.len() + padding, 0);
}

/// Appends the record that begins a request for an answer (role RESPONDER).
pub(crate) fn push_begin(out: &mut Vec<u8>, keep_connection: bool) {
    push(out, BEGIN_REQUEST, &[0, RESPONDER, keep_connection.into(), 0, 0, 0, 0, 0]);
}

/// Appends a name and a value as they stand in a stream of parameters.
pub(crate) fn push_pair(out: &mut Vec<u8>, name: &str, value: &str) {
    for length in [name.len(), value.len()] {
        match u8::try_from(length) {
            Ok(short @ 0..=127) => out.push(short),
            _ => out.extend_from_slice(&(length as u32 | 1 << 31).to_be_bytes()),
        }
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_bytes());
}

/// Reads an answer from records, however they are cut.
#[derive(Debug, Default)]
pub(crate) struct Answering {
    /// The start of what the script has printed.
    pub(crate) stdout: Vec<u8>,
    /// The start of what it had to complain about.
    pub(crate) stderr: Vec<u8>,
    head: Vec<u8>,
    kind: u8,
    /// Octets to come of the record's content.
    content: usize,
    /// Octets to come behind it.
    padding: usize,
    end: Vec<u8>,
    excess: bool,
}

impl Answering {
    /// Takes what was read from the connection.
    pub(crate) fn receive(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            if self.ended().is_some() {
                self.excess = true;
                return Ok(());
            }
            if self.content > 0 {
                let content = split(&mut bytes, self.content);
                self.content -= content.len();
                self.keep(content);
            } else if self.padding > 0 {
                self.padding -= split(&mut bytes, self.padding).len();
            } else {
                let head = split(&mut bytes, HEAD - self.head.len());
                self.head.extend_from_slice(head);
                if self.head.len() == HEAD {
                    self.begin()?;
                }
            }
        }
        Ok(())
    }

    /// How the request has ended, once it has.
    pub(crate) fn ended(&self) -> Option<End> {
        let whole = self.end.len() == HEAD && self.content == 0 && self.padding == 0;
        let &[a, b, c, d, protocol, ..] = self.end.as_slice() else { return None };
        whole.then(|| End { application: u32::from_be_bytes([a, b, c, d]), protocol })
    }

    /// Whether something came behind the end that nobody has asked for.
    pub(crate) fn has_excess(&self) -> bool {
        self.excess
    }

    fn begin(&mut self) -> Result<(), Malformed> {
        let &[version, kind, id_high, id_low, high, low, padding, _] = self.head.as_slice() else {
            return Ok(());
        };
        self.head.clear();
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        self.content = u16::from_be_bytes([high, low]).into();
        self.padding = padding.into();
        self.kind = kind;
        match (u16::from_be_bytes([id_high, id_low]), kind) {
            // Of the connection and not of a request: we have asked for nothing.
            (0, _) => self.kind = 0,
            (REQUEST, STDOUT | STDERR) => {}
            (REQUEST, END_REQUEST) if self.content >= HEAD => {}
            (REQUEST, _) => return Err(Malformed::Record { kind, length: self.content }),
            (other, _) => return Err(Malformed::Request(other)),
        }
        Ok(())
    }

    fn keep(&mut self, content: &[u8]) {
        let (kept, most) = match self.kind {
            STDOUT => (&mut self.stdout, KEPT),
            STDERR => (&mut self.stderr, KEPT),
            END_REQUEST => (&mut self.end, HEAD),
            _ => return,
        };
        let room = most - kept.len();
        kept.extend_from_slice(&content[..content.len().min(room)]);
    }
}

/// What stands in END_REQUEST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The script's exit status.
    pub(crate) application: u32,
    /// 0 when the request was carried out.
    pub(crate) protocol: u8,
}

/// This is not FastCGI, or not for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("not FastCGI: version {0} instead of 1")]
    Version(u8),
    #[error("a record for request {0}, which we have not made")]
    Request(u16),
    #[error("an unexpected record of type {kind} with {length} octets")]
    Record { kind: u8, length: usize },
}

/// Takes up to `most` octets off the front.
fn split<'a>(bytes: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (front, rest) = bytes.split_at(most.min(bytes.len()));
    *bytes = rest;
    front
}

/// What is kept of each stream of an answer.
pub(crate) const KEPT: usize = 64 * 1024;

pub(crate) const PARAMS: u8 = 4;
pub(crate) const STDIN: u8 = 5;
const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

const VERSION: u8 = 1;
const RESPONDER: u8 = 1;
/// There is never more than one request on a connection: PHP-FPM and most others cannot do more.
const REQUEST: u16 = 1;
/// Octets in front of each record, and of the content of END_REQUEST.
const HEAD: usize = 8;

#[cfg(test)]
mod tests;

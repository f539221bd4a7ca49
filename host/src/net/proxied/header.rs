//! The bytes of a header: which they are, and what they say. No sockets, no time.
//!
//! *Trust*: the peer is a trusted proxy, what it passes on is not; a header that is not whole and well-formed says nothing.
//! *Never*: takes a byte for the header that comes behind it.

use std::net::SocketAddr;

use proxy_header::{ParseConfig, ProxyHeader};

use crate::mail::{MAX_SESSION_NOTE, Notes};

/// A header as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Header {
    bytes: Vec<u8>,
}

/// What a proxy has said.
#[derive(Debug, Default)]
pub(in crate::net) struct Introduction {
    /// The client and the address it connected to; none when the proxy speaks for itself (a health check).
    pub(in crate::net) addresses: Option<(SocketAddr, SocketAddr)>,
    /// For the session.
    pub(in crate::net) notes: Notes,
}

/// No header, and no beginning of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no PROXY header: the first bytes are something else; send one, or set proxy_protocol to \"accept\""
)]
pub(in crate::net) struct Malformed;

impl Header {
    /// How many of the bytes that come next (at least one) belong to the header, and whether it ends with them; `None`
    /// when the connection begins with something else.
    pub(super) fn part_of(&self, seen: &[u8]) -> Option<(usize, bool)> {
        match self.bytes.first().or_else(|| seen.first())? {
            b'P' => Some(version_1(seen)),
            b'\r' => Some(self.version_2(seen)),
            _ => None,
        }
    }

    /// Takes bytes that belong to it.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > LONGEST || self.is_hopeless() { Err(Malformed) } else { Ok(()) }
    }

    /// The bytes so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Of version 2 there are 16 bytes, of which the last two tell how many follow.
    fn version_2(&self, seen: &[u8]) -> (usize, bool) {
        let header = &self.bytes;
        let at = |index: usize| header.get(index).or_else(|| seen.get(index - header.len()));
        let missing = match (at(14), at(15)) {
            (Some(high), Some(low)) => {
                16 + usize::from(u16::from_be_bytes([*high, *low])) - header.len()
            }
            _ => 16 - header.len(),
        };
        let whole = at(15).is_some() && missing <= seen.len();
        (missing.min(seen.len()), whole)
    }

    /// Whether this begins like version 2 and can never be a header: another signature, or a length beyond all reason.
    fn is_hopeless(&self) -> bool {
        let header = &self.bytes;
        let signature = header.len().min(SIGNATURE.len());
        let announced = header.get(14..16).map(|length| u16::from_be_bytes([length[0], length[1]]));
        header.starts_with(b"\r")
            && (header[..signature] != SIGNATURE[..signature]
                || announced.is_some_and(|length| usize::from(length) + 16 > LONGEST))
    }

    /// What the whole header says.
    pub(super) fn read(&self) -> Result<Introduction, Malformed> {
        // The parser takes any byte behind the word of version 1 for its blank.
        let is_version_1 = self.bytes.starts_with(b"PROXY");
        let too_long = self.bytes.len() > LONGEST_VERSION_1;
        if is_version_1 && (too_long || !self.bytes.starts_with(b"PROXY ")) {
            return Err(Malformed);
        }
        let (header, _) =
            ProxyHeader::parse(&self.bytes, ParseConfig::default()).map_err(|_| Malformed)?;
        if header.tlvs().any(|tlv| tlv.is_err()) {
            return Err(Malformed);
        }
        let mut notes = Notes::default();
        let mut keep = |key: &str, value: Option<&[u8]>| {
            // A value beyond the limit of notes is left out: nobody is let in or kept out by it.
            let _ = notes.set(key, value.unwrap_or_default(), MAX_SESSION_NOTE);
        };
        keep("proxy.alpn", header.alpn());
        keep("proxy.authority", header.authority().map(str::as_bytes));
        keep("proxy.unique_id", header.unique_id());
        if let Some(ssl) = header.ssl() {
            keep("proxy.ssl_version", ssl.version().map(str::as_bytes));
            keep("proxy.ssl_cipher", ssl.cipher().map(str::as_bytes));
            // The name means something only when the proxy has verified the certificate.
            let verified = ssl.client_cert_sess() && ssl.verify() == 0;
            keep("proxy.ssl_cn", ssl.cn().filter(|_| verified).map(str::as_bytes));
        }
        let addresses = header.proxied_address().map(|a| (a.source, a.destination));
        Ok(Introduction { addresses, notes })
    }
}

/// How many of these bytes belong to a version 1 header, and whether it ends with them.
fn version_1(seen: &[u8]) -> (usize, bool) {
    match memchr::memchr(b'\n', seen) {
        Some(end) => (end + 1, true),
        None => (seen.len(), false),
    }
}

/// What a version 2 header begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Longest header: TLVs of a few kilobytes at most; version 1 has 107 bytes.
const LONGEST: usize = 4096;

/// With its CRLF, as the specification counts it; the parser lets more pass behind UNKNOWN.
const LONGEST_VERSION_1: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> bool {
        let mut header = Header::default();
        header.push(bytes).is_ok() && header.read().is_ok()
    }

    #[test]
    fn the_word_of_version_1_ends_in_a_blank() {
        assert!(read(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n"));
        assert!(!read(b"PROXY\xfeTCP4 192.0.2.1 192.0.2.2 1234 25\r\n"));
        let unknown =
            |rest: usize| read(format!("PROXY UNKNOWN {}\r\n", "x".repeat(rest)).as_bytes());
        assert!(unknown(91) && !unknown(92));
        assert!(!read(b"PROXYTCP4 192.0.2.1 192.0.2.2 1234 25\r\n"));
    }
}

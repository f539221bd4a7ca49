//! The messages that are sent: made up in given sizes, or read from a directory. Each is rendered once as it goes over the
//! wire: dot-stuffed with its end behind it (RFC 5321 section 4.5.2), or as BDAT commands with their octets (RFC 3030).

use std::ops::Range;
use std::path::Path;
use std::{fs, io};

/// A message as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// All of it.
    pub wire: Vec<u8>,
    /// What is sent before a reply is waited for, when the server offers no PIPELINING.
    pub pieces: Vec<Range<usize>>,
    /// Octets of the message itself.
    pub size: usize,
}

/// A size and how often it comes, compared with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Octets.
    pub size: usize,
    /// How many of the messages, compared with the shares of other sizes.
    pub weight: u32,
}

impl Letter {
    /// For DATA.
    pub fn for_data(message: &[u8]) -> Self {
        let mut wire = Vec::with_capacity(message.len() + 64);
        for line in message.split_inclusive(|octet| *octet == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
        }
        if !wire.is_empty() && !wire.ends_with(b"\r\n") {
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        let pieces = std::iter::once(0..wire.len()).collect();
        Self { pieces, wire, size: message.len() }
    }

    /// For BDAT, in chunks of so many octets.
    pub fn for_bdat(message: &[u8], chunk: usize) -> Self {
        let mut wire = Vec::with_capacity(message.len() + 64);
        let mut pieces = Vec::new();
        let mut rest = message;
        loop {
            let (octets, behind) = rest.split_at(rest.len().min(chunk.max(1)));
            let begin = wire.len();
            let last = if behind.is_empty() { " LAST" } else { "" };
            wire.extend_from_slice(format!("BDAT {}{last}\r\n", octets.len()).as_bytes());
            wire.extend_from_slice(octets);
            pieces.push(begin..wire.len());
            rest = behind;
            if rest.is_empty() {
                return Self { wire, pieces, size: message.len() };
            }
        }
    }
}

/// `10k` or `2k:20,6k:30,1m:1`: sizes with their shares.
pub fn parse_sizes(text: &str) -> Result<Vec<Share>, String> {
    text.split(',')
        .map(|entry| {
            let (size, weight) = entry.split_once(':').unwrap_or((entry, "1"));
            let weight = weight.parse().ok().filter(|weight| (1..=1000).contains(weight));
            let weight = weight.ok_or_else(|| format!("`{entry}`: a share is 1 to 1000"))?;
            Ok(Share { size: parse_size(size)?, weight })
        })
        .collect()
}

/// Octets: `512`, `10k`, `1m`.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let size = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    size.filter(|size| *size <= LARGEST).ok_or_else(|| {
        format!("`{text}` is not a size: write octets, or 10k or 1m, up to {} MB", LARGEST >> 20)
    })
}

/// A message of exactly `size` octets (but at least as many as its header has): what a newsletter looks like to a server.
pub fn made_up(size: usize) -> Vec<u8> {
    let mut message = HEADER.as_bytes().to_vec();
    let mut number = 0usize;
    while message.len() < size {
        number += 1;
        let line = format!(
            "{number:06} The quick brown fox jumps over the lazy dog, and so on and on and on.\r\n"
        );
        message.extend_from_slice(line.as_bytes());
    }
    if message.len() > size && size >= HEADER.len() + 2 {
        message.truncate(size - 2);
        // The cut may have left a bare CR.
        if message.last() == Some(&b'\r') {
            message.pop();
            message.push(b'x');
        }
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// Every file of a directory, in order of their names. Bare line ends become CRLF: files on disk have those of the system.
pub fn read(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths.iter().map(|path| Ok(with_crlf(&fs::read(path)?))).collect()
}

fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(text.len() + text.len() / 32);
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        let end =
            line.len() - line.iter().rev().take_while(|octet| b"\r\n".contains(octet)).count();
        whole.extend(line[..end].iter().map(|octet| if *octet == b'\r' { b' ' } else { *octet }));
        whole.extend_from_slice(b"\r\n");
    }
    whole
}

const LARGEST: usize = 1 << 30;
const HEADER: &str = "From: Sender <sender@client.example>\r\nTo: Receiver <receiver@example.com>\r\n\
    Subject: =?utf-8?Q?Your_weekly_news=3A_=C2=A7_1?=\r\nDate: Mon, 02 Nov 2026 08:00:00 +0000\r\n\
    Message-ID: <1234567890.42@client.example>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\
    List-Unsubscribe: <https://client.example/unsubscribe>\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled_and_the_end_is_written_behind() {
        assert_eq!(Letter::for_data(b".a\r\nb.\r\n..").wire, b"..a\r\nb.\r\n...\r\n.\r\n");
        assert_eq!(Letter::for_data(b"").wire, b".\r\n");
    }

    #[test]
    fn chunks_hold_all_octets() {
        let letter = Letter::for_bdat(b"0123456789", 4);
        assert_eq!(letter.wire, b"BDAT 4\r\n0123BDAT 4\r\n4567BDAT 2 LAST\r\n89");
        assert_eq!(letter.pieces.len(), 3);
        assert_eq!(Letter::for_bdat(b"ab", 2).wire, b"BDAT 2 LAST\r\nab");
        assert_eq!(Letter::for_bdat(b"", 2).wire, b"BDAT 0 LAST\r\n");
    }

    #[test]
    fn messages_have_the_size_asked_for_and_whole_line_ends() {
        for size in (600..900).chain([10_240, 1 << 20]) {
            let message = made_up(size);
            assert_eq!(message.len(), size);
            assert_eq!(with_crlf(&message), message, "size {size}");
        }
    }

    #[test]
    fn sizes_and_shares_are_read() {
        assert_eq!(parse_sizes("10k").unwrap(), [Share { size: 10_240, weight: 1 }]);
        assert_eq!(parse_sizes("512,1m:7").unwrap()[1], Share { size: 1 << 20, weight: 7 });
        for wrong in ["", "k", "10k:0", "10k:x", "2g", "-1", "99999m"] {
            assert!(parse_sizes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn files_of_the_system_become_mail() {
        assert_eq!(with_crlf(b"a\nb\r\nc\rd"), b"a\r\nb\r\nc d\r\n");
    }
}

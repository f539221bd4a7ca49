//! What stands in the rows of a message.
//!
//! *Trust*: header fields and addresses are strangers' bytes: they are decoded by a parser that is linear in
//! time. *Limits*: 255 bytes for each text, cut between characters; 8 KiB of a field with addresses.

use std::net::IpAddr;

use guerrilla_plugin_api::{Scope, Transaction};
use mail_parser::parsers::MessageStream;

use crate::content::Content;

/// A message, ready to be bound.
pub(crate) struct Record<'t> {
    pub(crate) from: String,
    pub(crate) subject: String,
    /// What `mail` contains: `redis` (nothing, it is there), `gzip` (zlib data), or nothing for the message as it is.
    pub(crate) body: &'static str,
    pub(crate) mail: Content<'t>,
    /// The first hash, else the queued id: where `Redis` has the message, either is its key.
    pub(crate) hash: String,
    pub(crate) content_type: String,
    /// 4 bytes, 16 bytes, or none where the client has no address.
    pub(crate) ip_addr: Vec<u8>,
    pub(crate) is_tls: bool,
    pub(crate) reply_to: String,
    pub(crate) sender: String,
    pub(crate) rows: Vec<Row>,
    /// Bytes of each row, about.
    pub(crate) row_size: usize,
}

/// What differs between the rows of a message.
pub(crate) struct Row {
    pub(crate) to: String,
    pub(crate) recipient: String,
    pub(crate) message_id: String,
}

impl<'t> Record<'t> {
    /// Reads it from the transaction. `host` is what generated message ids end in.
    pub(crate) fn of(txn: &'t Transaction<'t>, host: &str) -> Self {
        let (body, mail) = content(txn);
        let hash = cut(txn.hashes().next().unwrap_or_else(|| txn.queued_id()));
        let (to, message_id) = (first_address(txn, "To"), message_id(txn));
        // One that a stage has refused is answered for.
        let kept = txn.recipients().filter(|recipient| !recipient.is_refused());
        let rows = kept.map(|recipient| {
            let address = cut(recipient.address());
            Row {
                to: to.clone().unwrap_or_else(|| address.clone()),
                message_id: match &message_id {
                    Some(id) => id.clone(),
                    None => cut(&format!("{hash}.{}@{host}", recipient.local_part())),
                },
                recipient: address,
            }
        });
        let subject = match txn.subject() {
            Some(subject) => cut(subject),
            None => text(txn, "Subject"),
        };
        Self {
            from: cut(txn.sender().unwrap_or_default()),
            subject,
            body,
            mail,
            content_type: text(txn, "Content-Type"),
            ip_addr: ip_bytes(txn.remote_ip()),
            is_tls: txn.is_tls(),
            reply_to: first_address(txn, "Reply-To").unwrap_or_default(),
            sender: first_address(txn, "Sender").unwrap_or_default(),
            rows: rows.collect(),
            row_size: mail.len() + LARGEST_TEXTS,
            hash,
        }
    }
}

/// Where the message is, as go-guerrilla's readers of the table expect it.
fn content<'t>(txn: &'t Transaction<'t>) -> (&'static str, Content<'t>) {
    if txn.note(Scope::Mail, REDIS).is_some_and(|note| !note.is_empty()) {
        return ("redis", Content::Elsewhere);
    }
    match txn.note(Scope::Mail, COMPRESSOR) {
        Some(compressed) => ("gzip", Content::Note(compressed)),
        None => ("", Content::Message(txn)),
    }
}

fn text(txn: &Transaction<'_>, name: &str) -> String {
    cut(&txn.header_text(name).unwrap_or_default())
}

/// The first whole address in the first field of that name.
fn first_address(txn: &Transaction<'_>, name: &str) -> Option<String> {
    let value = txn.header(name)?;
    let line = [&value[..value.len().min(READ)], b"\r\n"].concat();
    let parsed = MessageStream::new(&line).parse_address().into_address()?;
    let first = parsed
        .iter()
        .filter_map(|found| found.address.as_deref())
        .find(|address| is_whole(address))?;
    Some(cut(first))
}

fn is_whole(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

/// The identifier of the message without brackets; none when it has none.
fn message_id(txn: &Transaction<'_>) -> Option<String> {
    let value = String::from_utf8_lossy(txn.header("Message-ID")?);
    let bracketed = value.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let id = cut(bracketed.map_or_else(|| value.as_ref(), |(id, _)| id));
    (!id.is_empty()).then_some(id)
}

/// The address in network order. go-guerrilla dropped leading zeros, and every address of IPv6 without `::`.
fn ip_bytes(text: &str) -> Vec<u8> {
    match text.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.octets().to_vec(),
        Ok(IpAddr::V6(ip)) => ip.octets().to_vec(),
        Err(_) => Vec::new(),
    }
}

/// As much of a text as a column holds: a whole number of characters. PostgreSQL knows no NUL in a text.
fn cut(text: &str) -> String {
    let text = text.trim();
    let end = text.floor_char_boundary(LONGEST);
    text[..end].chars().filter(|char| *char != '\0').collect()
}

/// Bytes of a text.
const LONGEST: usize = 255;
/// Bytes of a field that are looked at for an address.
const READ: usize = 8 * 1024;
/// Bytes of a row beside the message: nine texts, and what the protocols add.
const LARGEST_TEXTS: usize = 10 * (LONGEST + 16);
/// Key of the note that `Redis` leaves.
const REDIS: &str = "redis";
/// Key of the note that `Compressor` leaves.
const COMPRESSOR: &str = "zlib-compressor";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_both_families() {
        assert_eq!(ip_bytes("192.0.2.7"), [192, 0, 2, 7]);
        assert_eq!(ip_bytes("0.0.0.1"), [0, 0, 0, 1]);
        assert_eq!(ip_bytes("::ffff:192.0.2.7"), [192, 0, 2, 7]);
        let full = "2001:0db8:0001:0002:0003:0004:0005:0006";
        assert_eq!(ip_bytes(full), [0x20, 1, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]);
        assert_eq!(ip_bytes("::1"), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(ip_bytes("").is_empty());
    }

    #[test]
    fn cuts_fall_between_characters() {
        assert_eq!(cut(" a b\r\n "), "a b");
        assert_eq!(cut("a\0b"), "ab");
        assert_eq!(cut(&"é".repeat(200)), "é".repeat(127));
        assert_eq!(cut(&"x".repeat(256)).len(), 255);
        assert_eq!(cut(&format!("{}\u{1f600}", "x".repeat(252))), "x".repeat(252));
    }

    proptest! {
        #[test]
        fn a_cut_is_a_prefix_that_fits(text in any::<String>()) {
            let without: String = text.trim().chars().filter(|char| *char != '\0').collect();
            let cut = cut(&text);
            prop_assert!(cut.len() <= LONGEST && without.starts_with(&cut));
        }
    }
}

//! What is stored of a message: its value in Redis, and its rows.
//!
//! *Limits*: 255 bytes for each text, cut between characters.

use std::io::{self, Write as _};
use std::time::Instant;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use guerrilla_plugin_api::{Held, Level, Scope, Transaction, Verdict};
use guerrilla_redis_client::Trouble;

use crate::table::Table;
use crate::trace;

/// A message in hand.
pub(crate) struct Record {
    held: Held,
    /// When it has to be answered for, stored or not.
    pub(crate) due: Instant,
    /// Names the message: its key in Redis, and the column `hash` of each of its rows.
    pub(crate) hash: String,
    pub(crate) from: String,
    pub(crate) subject: String,
    pub(crate) remote_ip: String,
    pub(crate) is_tls: bool,
    /// One row for each.
    pub(crate) recipients: Vec<String>,
    /// zlib data of the message.
    pub(crate) value: Vec<u8>,
    /// Redis has the value, so the rows have none.
    pub(crate) is_in_redis: bool,
}

impl Record {
    /// Takes from the transaction what is stored of it.
    pub(crate) fn new(mut held: Held, host: Option<&str>, now: Instant) -> io::Result<Self> {
        let txn = held.transaction();
        let hash = txn.hashes().next().unwrap_or_else(|| txn.queued_id()).to_owned();
        let kept = txn.recipients().filter(|recipient| !recipient.is_refused());
        let host = host.unwrap_or_else(|| txn.server_name());
        let subject = txn.subject().map(str::to_owned);
        Ok(Self {
            due: now + txn.time_left(),
            from: cut(txn.sender().unwrap_or_default()),
            subject: cut(&subject.or_else(|| txn.header_text("Subject")).unwrap_or_default()),
            remote_ip: txn.remote_ip().to_owned(),
            is_tls: txn.is_tls(),
            recipients: kept.map(|to| cut(&format!("{}@{host}", to.local_part()))).collect(),
            value: value(&txn, &hash)?,
            is_in_redis: false,
            hash,
            held,
        })
    }

    /// Bytes of its rows, about.
    pub(crate) fn row_bytes(&self) -> usize {
        self.row_size() * self.recipients.len()
    }

    /// Bytes of one of them, about.
    pub(crate) fn row_size(&self) -> usize {
        let mail = if self.is_in_redis { 0 } else { self.value.len() };
        mail + LARGEST_TEXTS
    }

    /// It is stored: says so to the client.
    pub(crate) fn stored(mut self) {
        // The hash is printable and short; without a new id the message is stored all the same.
        let _ = self.held.transaction().set_queued_id(&self.hash);
        self.held.complete(Verdict::CONTINUE);
    }

    /// It is not: the client is to try again, and the log says why under the id that other lines about the message have, with the hash
    /// that its rows have if they are there all the same.
    pub(crate) fn deferred(mut self, place: &Table, trouble: &Trouble) {
        let txn = self.held.transaction();
        let (id, hash) = (txn.queued_id(), &self.hash);
        txn.log(Level::Error, format_args!("{place}: {id} (hash {hash}) deferred: {trouble}"));
        self.held.complete(trouble.verdict());
    }
}

/// The message, compressed: what `Compressor` has left, or the same made here.
fn value(txn: &Transaction<'_>, hash: &str) -> io::Result<Vec<u8>> {
    if let Some(compressed) = txn.note(Scope::Mail, COMPRESSED) {
        return Ok(compressed.to_vec());
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(trace::received(txn, hash).as_bytes())?;
    for piece in txn.message() {
        encoder.write_all(piece)?;
    }
    encoder.finish()
}

/// The first 255 bytes, without half a character at the end.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(255)].to_owned()
}

/// The note that `Compressor` leaves.
const COMPRESSED: &str = "zlib-compressor";
const LARGEST_TEXTS: usize = 1500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(300)).len(), 255);
        assert_eq!(cut(&"é".repeat(200)).len(), 254);
    }
}

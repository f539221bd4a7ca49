//! What is published for a message: headers with its envelope, and an id by which a second copy is known.

use async_nats::HeaderMap;
use guerrilla_plugin_api::Transaction;
use guerrilla_stable_id::{stable_id, wanted};

/// A message as it goes out.
pub(crate) struct Outgoing<'t> {
    /// By this JetStream tells a copy from a message of its own (`Nats-Msg-Id`); also the object's name.
    pub(crate) id: String,
    pub(crate) headers: HeaderMap,
    /// Delivery header and message, in pieces.
    pub(crate) pieces: Vec<&'t [u8]>,
    pub(crate) size: usize,
}

impl<'t> Outgoing<'t> {
    pub(crate) fn new(txn: &'t Transaction<'_>, stream: Option<&str>) -> Self {
        let pieces: Vec<&[u8]> = txn.message().collect();
        let size: usize = pieces.iter().map(|piece| piece.len()).sum();
        let id = stable_id(txn);
        let mut headers = HeaderMap::new();
        set(&mut headers, "Nats-Msg-Id", &id);
        if let Some(stream) = stream {
            set(&mut headers, "Nats-Expected-Stream", stream);
        }
        set(&mut headers, "Mail-Queued-Id", txn.queued_id());
        set(&mut headers, "Mail-From", txn.sender().unwrap_or_default());
        for recipient in wanted(txn) {
            set(&mut headers, "Mail-To", recipient);
        }
        set(&mut headers, "Mail-Subject", txn.subject().unwrap_or_default());
        set(&mut headers, "Mail-Remote-Ip", txn.remote_ip());
        set(&mut headers, "Mail-Helo", txn.helo().unwrap_or_default());
        set(&mut headers, "Mail-Tls", if txn.is_tls() { "1" } else { "0" });
        set(&mut headers, "Mail-Arrived-Ms", &txn.arrived_ms().unwrap_or_default().to_string());
        set(&mut headers, "Mail-Size", &size.to_string());
        Self { id, headers, pieces, size }
    }

    /// Octets of the headers as the servers count them.
    pub(crate) fn header_size(&self) -> usize {
        let lines = self.headers.iter().flat_map(|(name, values)| {
            values
                .iter()
                .map(move |value| AsRef::<str>::as_ref(name).len() + value.as_str().len() + 4)
        });
        lines.sum::<usize>() + "NATS/1.0\r\n\r\n".len()
    }
}

/// Says in the headers where the message itself is.
pub(crate) fn point_to(headers: &mut HeaderMap, bucket: &str, name: &str) {
    set(headers, "Mail-Object-Bucket", bucket);
    set(headers, "Mail-Object-Name", name);
}

/// A line of a NATS header holds no line end, and what strangers have sent may hold any character.
fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let harmless: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    headers.append(name, harmless);
}

#[cfg(test)]
mod tests;

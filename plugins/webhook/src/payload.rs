//! What is posted for a message: a body, and header fields with what the body does not say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use guerrilla_plugin_api::Transaction;
use guerrilla_stable_id::{stable_id, wanted};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::config::Format;

/// A message as it goes out.
pub(crate) struct Payload {
    /// By this the endpoint knows a copy.
    pub(crate) id: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Payload {
    pub(crate) fn new(txn: &Transaction<'_>, format: Format) -> Self {
        let id = stable_id(txn);
        let message = txn.message().collect::<Vec<_>>().concat();
        match format {
            Format::Raw => Self { headers: envelope(txn), body: message, id },
            Format::Json => {
                let body = as_json(txn, &id, &message).to_string().into_bytes();
                let kind = HeaderValue::from_static("application/json");
                Self { headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]), body, id }
            }
        }
    }
}

fn envelope(txn: &Transaction<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("message/rfc822"));
    let mut set = |name, value: &str| {
        headers.append(HeaderName::from_static(name), harmless(value));
    };
    set("mail-queued-id", txn.queued_id());
    set("mail-from", txn.sender().unwrap_or_default());
    wanted(txn).for_each(|recipient| set("mail-to", recipient));
    set("mail-helo", txn.helo().unwrap_or_default());
    set("mail-remote-ip", txn.remote_ip());
    set("mail-tls", if txn.is_tls() { "1" } else { "0" });
    set("mail-arrived-ms", &txn.arrived_ms().unwrap_or_default().to_string());
    headers
}

fn as_json(txn: &Transaction<'_>, id: &str, message: &[u8]) -> serde_json::Value {
    json!({
        "id": id,
        "queued_id": txn.queued_id(),
        "from": txn.sender().unwrap_or_default(),
        "to": wanted(txn).collect::<Vec<_>>(),
        "subject": txn.subject(),
        "helo": txn.helo(),
        "remote_ip": txn.remote_ip(),
        "tls": txn.is_tls(),
        "arrived_ms": txn.arrived_ms(),
        "message": STANDARD.encode(message),
    })
}

/// A field holds no line end, and what strangers have sent may hold any character. UTF-8 goes as it is (RFC 9110 section 5.5,
/// obs-text).
fn harmless(value: &str) -> HeaderValue {
    let text: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // Without control characters every octet is allowed.
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_line() {
        assert_eq!(harmless("a\r\nb: c\0").as_bytes(), b"a  b: c ");
        assert_eq!(harmless("grüße@exämple.test").as_bytes(), "grüße@exämple.test".as_bytes());
        assert_eq!(harmless("\u{85}\u{7f}").as_bytes(), b"  ");
    }
}

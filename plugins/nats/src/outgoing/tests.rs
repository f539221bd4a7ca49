use std::sync::Mutex;

use guerrilla_plugin_api::testkit::{Harness, Mail};
use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Verdict};

use super::*;

/// Keeps what would go out for the last message.
struct Probe;

static LAST: Mutex<Option<Seen>> = Mutex::new(None);

struct Seen {
    id: String,
    headers: HeaderMap,
    message: Vec<u8>,
    header_size: usize,
}

impl Plugin for Probe {
    const NAME: &'static str = "Probe";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        let outgoing = Outgoing::new(&txn, Some("MAIL"));
        let (header_size, message) = (outgoing.header_size(), outgoing.pieces.concat());
        let seen = Seen { id: outgoing.id, headers: outgoing.headers, message, header_size };
        *LAST.lock().unwrap() = Some(seen);
        Verdict::CONTINUE
    }
}

fn outgoing(mail: Mail) -> Seen {
    let probe = Harness::<Probe>::new("{}").unwrap();
    assert!(probe.deliver(mail).is_accepted());
    LAST.lock().unwrap().take().unwrap()
}

#[test]
fn the_envelope_is_in_the_headers() {
    let hostile = "\"a\r\nNats-Msg-Id: 1\"@c.test";
    let Seen { id, headers, message, header_size } = outgoing(
        Mail::new().from("me@a.test").to("b@c.test").to("d@c.test").queued_id("q").body("x\r\n"),
    );
    let all = |name: &str| -> Vec<String> {
        headers.get_all(name).map(|value| value.as_str().to_owned()).collect()
    };
    assert_eq!(all("Nats-Msg-Id"), [id]);
    assert_eq!(all("Mail-Queued-Id"), ["q"]);
    assert_eq!(all("Nats-Expected-Stream"), ["MAIL"]);
    assert_eq!(all("Mail-To"), ["b@c.test", "d@c.test"]);
    assert_eq!(all("Mail-From"), ["me@a.test"]);
    assert_eq!(all("Mail-Size"), [message.len().to_string()]);
    let written = headers.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| format!("{name}: {}\r\n", value.as_str()))
    });
    let written: String = written.collect();
    assert_eq!(header_size, format!("NATS/1.0\r\n{written}\r\n").len());
    let mut headers = HeaderMap::new();
    set(&mut headers, "Mail-To", hostile);
    let harmless = "\"a  Nats-Msg-Id: 1\"@c.test";
    assert_eq!(headers.get("Mail-To").map(async_nats::HeaderValue::as_str), Some(harmless));
}

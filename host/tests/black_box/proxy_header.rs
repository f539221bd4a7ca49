//! The PROXY header byte by byte: what makes a connection worthless, and that nothing of it leaks into the conversation.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Daemon, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";
const PROXY: [u8; 4] = [127, 0, 0, 3];
const VERSION_1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n";

/// What a header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

fn daemon(mode: &str) -> Daemon {
    Setup::chain("HeadersParser|Header|MailDir|Recorder")
        .server("proxy_protocol", mode)
        .server("trusted_proxies", json!(["127.0.0.3"]))
        .start()
}

/// A header of version 2 with this command (0x20: LOCAL, 0x21: PROXY), family, addresses and TLVs.
fn version_2(command: u8, family: u8, addresses: &[u8], tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let mut rest = addresses.to_vec();
    for (kind, value) in tlvs {
        rest.push(*kind);
        rest.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
        rest.extend_from_slice(value);
    }
    let mut header = SIGNATURE.to_vec();
    header.extend_from_slice(&[command, family]);
    header.extend_from_slice(&u16::try_from(rest.len()).expect("short").to_be_bytes());
    header.extend_from_slice(&rest);
    header
}

fn ipv6(tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let mut addresses = Vec::new();
    for last in [7, 1] {
        addresses.extend_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    addresses.extend_from_slice(&4711_u16.to_be_bytes());
    addresses.extend_from_slice(&25_u16.to_be_bytes());
    version_2(0x21, 0x21, &addresses, tlvs)
}

/// Sends a mail behind what has been sent; what the processors have seen.
#[track_caller]
fn mail(client: &mut Client, daemon: &Daemon) -> Value {
    client.expect_reply("220 ");
    client.expect("EHLO client.example", "250");
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let records = daemon.records();
    records.into_iter().rfind(|record| record["what"] == "settled").expect("a mail")
}

#[test]
fn every_form_of_the_header_is_understood() {
    let daemon = daemon("require");
    let tlvs: [(u8, &[u8]); 4] =
        [(0x01, b"smtp"), (0x02, b"mx.example.test"), (0x04, b"padding"), (0xE4, b"private")];
    let notes = json!({ "alpn": "smtp", "authority": "mx.example.test" });
    let none = json!({});
    for (header, ip, notes) in [
        (VERSION_1.as_bytes().to_vec(), "192.0.2.7", &none),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n".to_vec(), "2001:db8::7", &none),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.3", &none),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), "127.0.0.3", &none),
        (ipv6(&[]), "2001:db8::7", &none),
        (ipv6(&tlvs), "2001:db8::7", &notes),
        (version_2(0x20, 0x00, b"", &[]), "127.0.0.3", &none),
        (version_2(0x20, 0x11, &[192, 0, 2, 7, 192, 0, 2, 8, 0, 1, 0, 2], &[]), "127.0.0.3", &none),
    ] {
        let mut client = Client::connect_from(PROXY, daemon.address());
        client.send(&header);
        let seen = mail(&mut client, &daemon);
        let shown = header.escape_ascii();
        assert_eq!((&seen["remote_ip"], &seen["notes"]), (&json!(ip), notes), "{shown}");
        client.expect("QUIT", "221 ");
    }
    daemon.stop();
}

#[test]
fn what_is_no_header_closes_without_a_word() {
    let daemon = daemon("require");
    let mut bad_version = version_2(0x21, 0x11, &[0; 12], &[]);
    bad_version[12] = 0x31;
    let tlv_too_long =
        version_2(0x21, 0x11, &[192, 0, 2, 7, 192, 0, 2, 8, 0, 1, 0, 2, 1, 0, 9, b'x'], &[]);
    for (index, bad) in [
        b"EHLO client.example\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 99999\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7\nEHLO 198.51.100.1 4711 25\r\n".to_vec(),
        b"P".repeat(10_000),
        b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\0".to_vec(),
        bad_version,
        tlv_too_long,
        version_2(0x21, 0x11, &[192, 0, 2, 7], &[]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Client::connect_from(PROXY, daemon.address());
        client.send(&bad);
        client.expect_end();
        let closed = daemon.log().wait_for_so_many(index + 1, "no PROXY header: ");
        assert!(closed[index].contains("127.0.0.3:"), "{}", closed[index]);
    }
    daemon.stop();
}

#[test]
fn the_header_comes_once_and_first_or_it_is_an_unknown_command() {
    let daemon = daemon("accept");
    let mut client = Client::connect_from(PROXY, daemon.address());
    client.send(VERSION_1);
    assert_eq!(mail(&mut client, &daemon)["remote_ip"], "192.0.2.7");
    client.expect("PROXY TCP4 203.0.113.9 198.51.100.1 4711 25", "500 ");
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let records = daemon.records();
    let last = records.iter().rfind(|record| record["what"] == "settled").expect("a mail");
    assert_eq!(last["remote_ip"], "192.0.2.7");

    // Whom nobody trusts is not believed in the first place.
    let mut stranger = Client::connect(daemon.address());
    stranger.expect_reply("220 ");
    stranger.expect("PROXY TCP4 192.0.2.7 198.51.100.1 4711 25", "500 ");
    daemon.stop();
}

#[test]
fn clients_behind_a_proxy_are_counted_each_for_itself() {
    let daemon = Setup::without_plugins()
        .server("proxy_protocol", "require")
        .server("trusted_proxies", json!(["127.0.0.3"]))
        .server("max_clients_per_ip", 1)
        .start();
    let spoken_for = |ip: &str| {
        let mut client = Client::connect_from(PROXY, daemon.address());
        client.send(format!("PROXY TCP4 {ip} 198.51.100.1 4711 25\r\n"));
        client
    };
    let mut first = spoken_for("192.0.2.7");
    first.expect_reply("220 ");
    spoken_for("192.0.2.7").expect_reply("421 ");
    spoken_for("192.0.2.8").expect_reply("220 ");
    daemon.stop();
}

#[test]
fn a_trusted_peer_without_a_header_is_served_in_mode_accept() {
    let daemon = daemon("accept");
    let mut client = Client::connect_from(PROXY, daemon.address());
    assert_eq!(mail(&mut client, &daemon)["remote_ip"], "127.0.0.3");
    // Half a header is one that does not come to its end.
    let mut half = Client::connect_from(PROXY, daemon.address());
    half.send(&VERSION_1[..20]);
    half.finish();
    half.expect_end();
    // One that takes longer than we look for the first byte is one all the same.
    let mut slow = Client::connect_from(PROXY, daemon.address());
    slow.send(&VERSION_1[..20]);
    assert!(!slow.hears_within(Duration::from_millis(1500)), "greeted in the middle of a header");
    slow.send(&VERSION_1[20..]);
    assert_eq!(mail(&mut slow, &daemon)["remote_ip"], "192.0.2.7");
    daemon.stop();
}

#[test]
fn whoever_a_proxy_speaks_for_may_not_speak_for_others() {
    let daemon = Setup::without_plugins()
        .server("proxy_protocol", "require")
        .server("xclient_on", true)
        // Also a client whose address is among those of the proxies.
        .server("trusted_proxies", json!(["127.0.0.3", "192.0.2.0/24"]))
        .start();
    for header in [VERSION_1, "PROXY UNKNOWN\r\n"] {
        let mut client = Client::connect_from(PROXY, daemon.address());
        client.send(header);
        client.expect_reply("220 ");
        let extensions = client.ask("EHLO client.example");
        assert!(!extensions.contains("XCLIENT"), "{header:?}: {extensions}");
        client.expect("XCLIENT ADDR=203.0.113.9", "550 5.7.0 ");
        client.expect("NOOP", "250 ");
    }
    daemon.stop();
}

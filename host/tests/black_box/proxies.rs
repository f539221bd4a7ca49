//! XCLIENT: a trusted proxy speaks for somebody else; nobody else may. XFORWARD: it tells of somebody else.

use serde_json::json;

use crate::support::{Client, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

#[test]
fn a_trusted_proxy_speaks_for_its_client() {
    let daemon = Setup::chain("HeadersParser|Header|MailDir|Recorder")
        .server("xclient_on", true)
        .backend("connect_process", "Policy")
        .start();
    let mut proxy = Client::connect(daemon.address());
    proxy.expect_reply("220 ");
    let extensions = proxy.ask("EHLO proxy.example");
    assert!(extensions.contains("\n250-XCLIENT "), "{extensions}");
    proxy.expect("XCLIENT ADDR=192.0.2.7 NAME=client.example.org HELO=named.example.org", "220 ");
    proxy.expect("EHLO client.example.org", "250");
    let reply = proxy.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let mail = &daemon.mails("test")[0];
    assert!(mail.contains("192.0.2.7"), "Received names the client: {mail}");
    assert!(!mail.contains("127.0.0.1"), "and not the proxy: {mail}");
    let settled = daemon.records().into_iter().find(|record| record["what"] == "settled");
    let settled = settled.expect("one mail");
    assert_eq!(
        (&settled["remote_ip"], &settled["remote_name"], &settled["helo"]),
        (&json!("192.0.2.7"), &json!("client.example.org"), &json!("client.example.org"))
    );
    // From here on it is the client that speaks: nginx passes on what that says, unread.
    proxy.expect("XCLIENT ADDR=192.0.2.8", "550 5.7.0 ");
    proxy.expect("QUIT", "221 ");
    // The chain of the connection is asked again about the one who is spoken for.
    let mut proxy = daemon.client();
    proxy.expect("XCLIENT ADDR=192.0.2.66", "554 Not you");
    proxy.expect("EHLO client.example.org", "503 5.5.1 ");
    proxy.expect("QUIT", "221 ");
    daemon.stop();
}

/// Else one proxy in front of all of them would be one client.
#[test]
fn the_places_of_a_network_are_for_the_clients_and_not_for_their_proxy() {
    let daemon = Setup::without_plugins()
        .server("xclient_on", true)
        .server("max_clients_per_ip", 2)
        .server("max_connects_per_minute", 4)
        .start();
    let speaking_for = |ip: &str| {
        let mut proxy = daemon.client();
        let reply = proxy.ask(&format!("XCLIENT ADDR={ip}"));
        (proxy, reply[..4].to_owned())
    };
    let first: Vec<_> = (0..5).map(|i| speaking_for(&format!("192.0.2.{i}"))).collect();
    for (_, reply) in &first {
        assert_eq!(reply, "220 ");
    }
    let (second, reply) = speaking_for("192.0.2.1");
    assert_eq!(reply, "220 ");
    let (mut third, reply) = speaking_for("192.0.2.1");
    assert_eq!(reply, "421 ");
    third.expect_end();
    let line = daemon.log().wait_for("192.0.2.1 was turned away: max_clients_per_ip of its");
    assert!(line.contains(" WARN "), "{line}");
    for mut client in first.into_iter().map(|(client, _)| client).chain([second]) {
        client.expect("QUIT", "221 ");
        client.expect_end();
    }
    daemon.log().wait_for_so_many(7, " closed reason=");
    assert_eq!(speaking_for("192.0.2.1").1, "220 ", "the places are free");
    assert_eq!(speaking_for("192.0.2.1").1, "421 ", "the fifth within a minute");
    daemon.log().wait_for("was turned away: max_connects_per_minute of its");
    daemon.stop();
}

#[test]
fn who_is_not_known_is_nobody_else() {
    let daemon = Setup::chain("HeadersParser|Header|MailDir|Recorder")
        .server("xclient_on", true)
        .server("xforward_on", true)
        .start();
    let mut proxy = daemon.client();
    proxy.expect("XFORWARD ADDR=198.51.100.1 IDENT=OLD", "250 ");
    proxy.expect("XCLIENT ADDR=192.0.2.66 NAME=first.test", "220 ");
    // In parts, as a long one has to be: what is not said again stays.
    proxy.expect("XCLIENT PORT=25 HELO=first.test", "220 ");
    proxy.expect("XCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]", "220 ");
    proxy.expect("EHLO second.test", "250");
    let reply = proxy.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let mail = &daemon.mails("test")[0];
    assert!(!mail.contains("192.0.2.66") && !mail.contains("127.0.0.1"), "{mail}");
    let records = daemon.records();
    let settled = records.iter().rfind(|record| record["what"] == "settled").expect("a mail");
    assert_eq!(
        (&settled["remote_ip"], &settled["remote_name"], &settled["xforward"]),
        (&json!(""), &json!(null), &json!({}))
    );
    daemon.stop();
}

#[test]
fn what_is_forwarded_is_noted_and_nobody_is_anybody_else_for_it() {
    let daemon = Setup::chain("Header|MailDir|Recorder").server("xforward_on", true).start();
    let mut proxy = daemon.client();
    proxy.expect("XCLIENT ADDR=192.0.2.7", "502 5.5.1 ");
    for (forwarded, known) in [
        (
            "ADDR=192.0.2.7 PORT=2500 NAME=client.example.org HELO=named.example.org",
            json!({ "addr": "192.0.2.7", "port": "2500", "name": "client.example.org", "helo": "named.example.org" }),
        ),
        // The next client of the proxy, of whom less is known.
        (
            "ADDR=IPV6:2001:db8::7 PORT=[UNAVAILABLE] NAME=[TEMPUNAVAIL] PROTO=ESMTP IDENT=4F2B",
            json!({ "addr": "2001:db8::7", "helo": "named.example.org", "proto": "ESMTP", "ident": "4F2B" }),
        ),
    ] {
        proxy.expect(&format!("XFORWARD {forwarded}"), "250 2.0.0 ");
        let reply = proxy.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        let records = daemon.records();
        let settled = records.iter().rfind(|record| record["what"] == "settled").expect("a mail");
        assert_eq!(settled["xforward"], known);
        assert_eq!(
            (&settled["remote_ip"], &settled["helo"]),
            (&json!("127.0.0.1"), &json!("client.example"))
        );
    }
    daemon.stop();
}

#[test]
fn nobody_else_is_believed() {
    let strangers = json!(["192.0.2.0/24"]);
    let untrusted = Setup::new().server("xclient_on", true).server("trusted_proxies", strangers);
    let switched_off = Setup::new().server("trusted_proxies", json!(["127.0.0.1"]));
    for setup in [untrusted, switched_off] {
        let daemon = setup.start();
        let mut client = Client::connect(daemon.address());
        client.expect_reply("220 ");
        let extensions = client.ask("EHLO client.example");
        assert!(!extensions.contains("XCLIENT"), "{extensions}");
        client.expect("XCLIENT ADDR=192.0.2.7", "5");
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        let mail = &daemon.mails("test")[0];
        assert!(!mail.contains("192.0.2.7"), "{mail}");
        daemon.stop();
    }
}

use super::*;

fn facts() -> Facts<'static> {
    Facts {
        sender: "alice@example.com",
        recipients: vec!["bob@example.org".into()],
        delivered_to_all: false,
        helo: "client.example.com",
        remote_name: None,
        remote_ip: "192.0.2.7",
        server_name: "mx.example.org",
        protocol: "ESMTP",
        tls: None,
        queued_id: "0abc",
        arrived_ms: 1_795_374_367_123,
    }
}

#[test]
fn one_recipient() {
    assert_eq!(
        facts().lines(),
        "Return-Path: <alice@example.com>\r\n\
         Delivered-To: bob@example.org\r\n\
         Received: from client.example.com ([192.0.2.7])\r\n\
         \tby mx.example.org with ESMTP id 0abc\r\n\
         \tfor <bob@example.org>; Sun, 22 Nov 2026 19:06:07 +0000\r\n"
    );
}

#[test]
fn null_sender_tls_ipv6_and_name() {
    let facts = Facts {
        sender: "",
        remote_name: Some("host.example.com"),
        remote_ip: "2001:db8::1",
        protocol: "ESMTPS",
        tls: Some(("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
        ..facts()
    };
    assert_eq!(
        facts.lines(),
        "Return-Path: <>\r\n\
         Delivered-To: bob@example.org\r\n\
         Received: from client.example.com (host.example.com [IPv6:2001:db8::1])\r\n\
         \tby mx.example.org with ESMTPS id 0abc\r\n\
         \t(TLSv1.3, cipher TLS_AES_256_GCM_SHA384)\r\n\
         \tfor <bob@example.org>; Sun, 22 Nov 2026 19:06:07 +0000\r\n"
    );
}

#[test]
fn several_recipients_do_not_read_of_each_other() {
    let recipients = vec!["bob@example.org".into(), "blind@example.org".into()];
    let facts = Facts { recipients, ..facts() };
    assert_eq!(
        facts.lines(),
        "Return-Path: <alice@example.com>\r\n\
         Received: from client.example.com ([192.0.2.7])\r\n\
         \tby mx.example.org with ESMTP id 0abc; Sun, 22 Nov 2026 19:06:07 +0000\r\n"
    );
    let all = Facts { delivered_to_all: true, ..facts }.lines();
    assert!(
        all.contains("\r\nDelivered-To: bob@example.org\r\nDelivered-To: blind@example.org\r\n")
    );
    assert!(!all.contains(" for "));
}

#[test]
fn little_is_known() {
    let facts = Facts {
        recipients: Vec::new(),
        helo: "",
        remote_ip: "",
        queued_id: "",
        server_name: "",
        protocol: "LMTP",
        ..facts()
    };
    assert_eq!(
        facts.lines(),
        "Return-Path: <alice@example.com>\r\n\
         Received: from unknown\r\n\
         \tby unknown with LMTP; Sun, 22 Nov 2026 19:06:07 +0000\r\n"
    );
}

#[test]
fn long_words_are_folded() {
    let long = format!("{}@{}.example", "l".repeat(64), "d".repeat(180));
    let domain = "h".repeat(255);
    let facts = Facts {
        sender: &long,
        recipients: vec![long.as_str().into()],
        helo: &domain,
        remote_name: Some(&domain),
        server_name: &domain,
        tls: Some((&domain, &domain)),
        queued_id: &domain,
        ..facts()
    };
    let lines = facts.lines();
    for line in lines.split_terminator("\r\n") {
        let words = line.trim_start().split(' ').count();
        assert!(line.len() < 78 || words <= 2, "{line}");
        assert!(line.len() < 998);
    }
}

/// Whatever a client says, the fields are these, in this order, and nothing of it stands outside of them.
#[test]
fn nobody_breaks_out() {
    let attacks = [
        "\r\nX-Evil: 1\r\n\r\nbody",
        "\nX-Evil: 1",
        "\rX-Evil: 1",
        "a\0b\x1b[31m\x7f",
        ") for <evil@example>; (",
        "a>; Thu, 1 Jan 1970 00:00:00 +0000 (",
        "\"\\",
        "\u{85}\u{2028}X-Evil: 1",
        "\t\t\t",
        "",
    ];
    for attack in attacks {
        let huge = attack.repeat(2000);
        for text in [attack, &huge] {
            let facts = Facts {
                sender: text,
                recipients: vec![text.into()],
                helo: text,
                remote_name: Some(text),
                remote_ip: text,
                server_name: text,
                protocol: text,
                tls: Some((text, text)),
                queued_id: text,
                arrived_ms: u64::MAX,
                ..facts()
            };
            check_shape(&facts.lines());
        }
    }
}

fn check_shape(lines: &str) {
    assert!(lines.ends_with("\r\n"));
    let lines: Vec<&str> = lines.split_terminator("\r\n").collect();
    let names: Vec<&str> = lines
        .iter()
        .filter(|line| !line.starts_with('\t'))
        .map(|line| line.split(':').next().unwrap_or_default())
        .collect();
    assert_eq!(names, ["Return-Path", "Delivered-To", "Received"], "{lines:?}");
    for line in &lines {
        assert!(line.len() < 998);
        assert!(!line.trim().is_empty());
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
    }
    // Behind the addresses, which may hold brackets within quotes.
    let received = lines.join("").split_once("Received:").unwrap().1.to_owned();
    assert_eq!(received.matches(';').count(), 1, "{received}");
    assert_eq!(received.matches('(').count(), received.matches(')').count(), "{received}");
}

#[test]
fn dates() {
    assert_eq!(date(0), "Thu, 1 Jan 1970 00:00:00 +0000");
    assert_eq!(date(951_827_696), "Tue, 29 Feb 2000 12:34:56 +0000");
    assert_eq!(date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 +0000");
}

#[test]
fn a_date_is_kept_for_its_second_only() {
    let mut last = LastDate::default();
    for (ms, second) in [(0, "00"), (999, "00"), (1_000, "01"), (59_999, "59"), (1_000, "01")] {
        assert_eq!(last.of(ms), format!("Thu, 1 Jan 1970 00:00:{second} +0000"));
    }
}

//! The built-in processors in one chain: what each leaves for those behind it, and what is stored in the end.

use std::collections::HashSet;
use std::io::Read;

use flate2::read::ZlibDecoder;
use serde_json::{Value, json};

use crate::support::{Client, Daemon, Setup};

/// Stored as it came, so that it can be compared with what the stages had.
#[track_caller]
fn daemon(listen: &str) -> Daemon {
    let zstd = json!({"smaller": {"use": "Compressor", "compressor": "ZSTD"}});
    Setup::chain("HeadersParser|Header|Hasher|Compressor|smaller|Recorder|MailDir")
        .backend("processors", zstd)
        .backend("maildir_line_ending", "crlf")
        .server("listen_interface", listen)
        .start()
}

#[track_caller]
fn settled(daemon: &Daemon) -> Value {
    let records = daemon.records();
    records.into_iter().rfind(|record| record["what"] == "settled").expect("a record")
}

fn bytes(note: &Value) -> Vec<u8> {
    serde_json::from_value(note.clone()).expect("a note")
}

/// The header that was put in front of the message, its id and date left out.
#[track_caller]
fn delivery_header(mail: &str) -> String {
    let (header, _) = mail.split_once("Subject:").expect("a subject");
    // The date has a line of its own where the id is long.
    let header = header.replace(";\r\n\t", "; ");
    let (before, rest) = header.split_once(" id ").expect("an id");
    let behind_id = rest.find([';', '\r']).expect("an end");
    let (kept, date) = rest[behind_id..].rsplit_once("; ").expect("a date");
    assert!(date.ends_with(" +0000\r\n") && date.len() < 40, "{date}");
    format!("{before} id ID{kept}; DATE")
}

#[test]
fn each_leaves_its_part_and_compression_works_as_often_as_it_is_asked_for() {
    let daemon = daemon("127.0.0.1:0");
    let mut client = daemon.client();
    let mut hashes = HashSet::new();
    for _ in 0..2 {
        // Far more than the 4 KiB that go-guerrilla looked at, and a second Subject that is not the first.
        let filler = format!("X-Filler: {}\r\n", "x".repeat(900)).repeat(350);
        let message = format!(
            "{filler}Subject: =?Shift_JIS?B?g26DjYFb?=\r\n =?utf-8?Q?_caf=C3=A9?=\r\nSubject: other\r\n\r\nHello.\r\n"
        );
        let to = ["a@example.test", "b@example.test"];
        let reply = client.mail("sender@example.com", &to, &message);
        assert!(reply.starts_with("250 "), "{reply}");
        let record = settled(&daemon);
        assert_eq!(record["subject"], "ハロー café");
        for hash in record["hashes"].as_array().expect("a list") {
            let hash = hash.as_str().expect("a text");
            assert!(hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
            assert!(hashes.insert(hash.to_owned()), "{hash} is there twice");
        }
        let stored = daemon.mails("a").pop().expect("a mail");
        assert!(stored.ends_with(&message));
        let mut plain = Vec::new();
        ZlibDecoder::new(bytes(&record["zlib"]).as_slice()).read_to_end(&mut plain).expect("zlib");
        assert_eq!(String::from_utf8_lossy(&plain), stored);
        let plain = zstd::decode_all(bytes(&record["zstd"]).as_slice()).expect("zstd");
        assert_eq!(String::from_utf8_lossy(&plain), stored);
    }
    assert_eq!(hashes.len(), 4, "one for each recipient of each mail");
    assert_eq!((daemon.mails("a").len(), daemon.mails("b").len()), (2, 2));
    daemon.stop();
}

#[test]
fn one_recipient_is_named_and_several_do_not_read_of_each_other() {
    const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";
    let daemon = daemon("[::1]:0");
    let mut client = daemon.client();
    client.mail("sender@example.com", &["One@example.test"], MESSAGE);
    client.mail("", &["two@example.test", "blind@example.test"], MESSAGE);
    drop(client);
    // HELO instead of EHLO is another protocol.
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    client.expect("HELO [192.0.2.7]", "250 ");
    client.mail("sender@example.com", &["three@example.test"], MESSAGE);
    assert_eq!(
        delivery_header(&daemon.mails("one")[0]),
        "Return-Path: <sender@example.com>\r\nDelivered-To: One@example.test\r\n\
         Received: from client.example ([IPv6:::1])\r\n\tby mail.example.test with ESMTP id ID\r\n\
         \tfor <One@example.test>; DATE"
    );
    for user in ["two", "blind"] {
        assert_eq!(
            delivery_header(&daemon.mails(user)[0]),
            "Return-Path: <>\r\nReceived: from client.example ([IPv6:::1])\r\n\
             \tby mail.example.test with ESMTP id ID; DATE"
        );
    }
    assert_eq!(
        delivery_header(&daemon.mails("three")[0]),
        "Return-Path: <sender@example.com>\r\nDelivered-To: three@example.test\r\n\
         Received: from [192.0.2.7] ([IPv6:::1])\r\n\tby mail.example.test with SMTP id ID\r\n\
         \tfor <three@example.test>; DATE"
    );
    daemon.stop();
}

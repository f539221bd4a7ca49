use super::*;

fn stored(envelope: &Envelope) -> String {
    let pieces: Vec<&[u8]> = (0..envelope.pieces()).map(|i| envelope.piece(i).unwrap()).collect();
    assert_eq!(envelope.piece(envelope.pieces()), None);
    String::from_utf8(pieces.concat()).unwrap()
}

fn with_body(body: &str) -> Envelope {
    let mut envelope = Envelope::default();
    envelope.begin("a@example.com", "a", "example.com", "SIZE=3");
    envelope.body.append(body.as_bytes(), &crate::mail::Storage::default()).unwrap();
    envelope
}

#[test]
fn recipients_come_and_go() {
    let mut envelope = with_body("");
    envelope.push_recipient("b@example.org", "b", "example.org", "NOTIFY=NEVER");
    envelope.push_recipient("\"c d\"@example.org", "c d", "example.org", "");
    envelope.pop_recipient();
    envelope.push_recipient("e@example.net", "e", "example.net", "");
    let addresses: Vec<&str> =
        envelope.recipients().iter().map(|r| envelope.address(r.mailbox())).collect();
    assert_eq!(addresses, ["b@example.org", "e@example.net"]);
    assert_eq!(envelope.parameters(&envelope.recipients()[0]), "NOTIFY=NEVER");
    assert_eq!(envelope.local_part(envelope.recipients()[1].mailbox()), "e");
    assert_eq!(envelope.sender_parameters(), "SIZE=3");
}

#[test]
fn a_new_message_knows_nothing_of_the_last() {
    let mut envelope = with_body("Subject: x\r\n\r\nbody\r\n");
    envelope.push_recipient("b@example.org", "b", "example.org", "");
    envelope.set_subject("x");
    assert!(
        envelope.push_hash("h") && envelope.set_queued_id("id") && envelope.add_header("X", "1")
    );
    assert!(envelope.set_delivery_header("A: b\r\n"));
    envelope.set_note("n", b"1").unwrap();
    assert_eq!(envelope.remove_header("subject"), 1);

    envelope.begin("", "", "", "");
    assert_eq!(envelope.address(envelope.sender().unwrap()), "");
    assert_eq!(stored(&envelope), "");
    assert_eq!((envelope.subject(), envelope.hashes().len(), envelope.queued_id()), (None, 0, ""));
    assert_eq!((envelope.recipients().len(), envelope.headers().fields().len()), (0, 0));
    assert_eq!(envelope.note("n"), None);
}

#[test]
fn stored_form_has_additions_in_front_and_gaps_for_removals() {
    let mut envelope = with_body("A: 1\r\nB: 2\r\n 2\r\nA: 3\r\nC: 4\r\n\r\nbody\r\n");
    assert_eq!(stored(&envelope), "A: 1\r\nB: 2\r\n 2\r\nA: 3\r\nC: 4\r\n\r\nbody\r\n");
    assert_eq!(envelope.remove_header("a"), 2);
    assert_eq!(envelope.remove_header("a"), 0, "removed once");
    assert_eq!(envelope.remove_header("b"), 1);
    assert!(envelope.add_header("X-New", "y\r\n z"));
    assert!(envelope.set_delivery_header("Delivered-To: b@example.org\r\n"));
    assert_eq!(
        stored(&envelope),
        "Delivered-To: b@example.org\r\nX-New: y\r\n z\r\nC: 4\r\n\r\nbody\r\n"
    );
    let received = b"A: 1\r\nB: 2\r\n 2\r\nA: 3\r\nC: 4\r\n\r\nbody\r\n";
    assert_eq!(envelope.body.as_slice(), received, "the body itself is as received");
}

#[test]
fn header_injection_is_refused() {
    let mut envelope = with_body("");
    for (name, value) in [
        ("X", "a\r\nBcc: b"),
        ("X", "a\r\n\r\nbody"),
        ("X", "a\nb"),
        ("X", "a\0"),
        ("X Y", "a"),
        ("X:", "a"),
        ("", "a"),
        ("X", "a\r\n"),
        ("X\r\nY", "a"),
        ("X:\r\nY", "a"),
    ] {
        assert!(!envelope.add_header(name, value), "{name:?} {value:?}");
    }
    for lines in ["A: b", "\r\n", "A: b\r\n\r\n", "A: b\nC: d\r\n", " A: b\r\n"] {
        assert!(!envelope.set_delivery_header(lines), "{lines:?}");
    }
    assert_eq!(stored(&envelope), "");
}

#[test]
fn queued_id_is_safe_in_a_reply() {
    let mut envelope = with_body("");
    for id in ["", "a b", "a\r\n", "ü", &"x".repeat(256)] {
        assert!(!envelope.set_queued_id(id), "{id:?}");
    }
    assert!(envelope.set_queued_id("06abc-1"));
}

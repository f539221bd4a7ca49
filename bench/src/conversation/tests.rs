use super::*;
use crate::replies::ReplyLines;
use crate::script::Parts;

/// Feeds each reply and gives what the client said to it, with the last event.
struct Client {
    conversation: Conversation,
    script: Script,
    out: Outbox,
    lines: ReplyLines,
}

impl Client {
    fn new(change: impl FnOnce(&mut Parts<'_>)) -> Self {
        let mut parts = Parts {
            hello_name: "c.example",
            from: "a@c.example",
            to: "b@d.example",
            recipients: 2,
            lmtp: false,
            pipelining: false,
            starttls: false,
            chunk: None,
        };
        change(&mut parts);
        let script = Script::new(&parts, &[b"hi\r\n".to_vec()], vec![0]);
        let conversation = Conversation::new(0, false);
        Self { conversation, script, out: Outbox::default(), lines: ReplyLines::default() }
    }

    fn greeted(change: impl FnOnce(&mut Parts<'_>), ehlo: &str) -> Self {
        let mut client = Self::new(change);
        client.hears("220 hi\r\n");
        assert_eq!(client.hears(ehlo).1, Event::Greeted);
        client.conversation.begin(Instant::now(), &client.script, &mut client.out);
        client
    }

    fn said(&mut self) -> String {
        let letters = self.script.letters(self.conversation.chunked(&self.script));
        let mut all = Vec::new();
        let write = |slices: &[std::io::IoSlice<'_>]| {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            all.extend_from_slice(&bytes);
            Ok(bytes.len())
        };
        assert!(self.out.send(|index| &letters[index].wire, write).unwrap());
        String::from_utf8(all).unwrap()
    }

    fn hears(&mut self, replies: &str) -> (String, Event) {
        let mut last = Event::Nothing;
        let Self { conversation, script, out, lines } = self;
        let heard = lines.feed(replies.as_bytes(), |line| {
            last = conversation.line(line, script, out);
            true
        });
        heard.unwrap();
        (self.said(), last)
    }
}

fn accepted(event: Event) -> bool {
    match event {
        Event::Answered { accepted, .. } => accepted,
        other => panic!("not answered but {other:?}"),
    }
}

const ALL: &str = "250-me\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 8BITMIME\r\n";

#[test]
fn one_command_at_a_time() {
    let mut client = Client::greeted(|_| (), "250 me\r\n");
    assert_eq!(client.said(), "MAIL FROM:<a@c.example>\r\n");
    assert_eq!(client.hears("250 ok\r\n").0, "RCPT TO:<b1@d.example>\r\n");
    assert_eq!(client.hears("250 ok\r\n").0, "RCPT TO:<b2@d.example>\r\n");
    assert_eq!(client.hears("250 ok\r\n").0, "DATA\r\n");
    assert_eq!(client.hears("354 go\r\n").0, "hi\r\n.\r\n");
    assert!(accepted(client.hears("250 ok\r\n").1));
    assert!(!client.conversation.is_busy());
    client.conversation.quit(&mut client.out);
    assert_eq!(client.said(), "QUIT\r\n");
    assert_eq!(client.hears("221 bye\r\n").1, Event::Bye);
}

#[test]
fn groups_where_they_are_offered() {
    let group =
        "MAIL FROM:<a@c.example>\r\nRCPT TO:<b1@d.example>\r\nRCPT TO:<b2@d.example>\r\nDATA\r\n";
    let mut client = Client::greeted(|parts| parts.pipelining = true, ALL);
    assert_eq!(client.said(), group);
    assert_eq!(client.hears("250 a\r\n250 b\r\n250 c\r\n354 go\r\n").0, "hi\r\n.\r\n");
    assert!(accepted(client.hears("250 ok\r\n").1));
    let mut client = Client::greeted(|parts| parts.pipelining = true, "250 me\r\n");
    assert_eq!(client.said(), "MAIL FROM:<a@c.example>\r\n");
}

#[test]
fn a_group_that_is_refused_leaves_nothing_behind() {
    let mut client = Client::greeted(|parts| parts.pipelining = true, ALL);
    client.said();
    assert_eq!(client.hears("250 a\r\n550 b\r\n550 c\r\n354 go\r\n").0, ".\r\n");
    assert!(!accepted(client.hears("554 none\r\n").1));
    client.conversation.begin(Instant::now(), &client.script, &mut client.out);
    client.said();
    assert_eq!(client.hears("450 a\r\n503 b\r\n503 c\r\n503 d\r\n").0, "RSET\r\n");
    assert!(!accepted(client.hears("250 ok\r\n").1));
}

#[test]
fn chunks_one_by_one_or_all_at_once() {
    let chunked = |parts: &mut Parts<'_>| parts.chunk = Some(3);
    let mut client = Client::greeted(chunked, ALL);
    client.hears("250 a\r\n");
    client.hears("250 a\r\n");
    assert_eq!(client.hears("250 a\r\n").0, "BDAT 3\r\nhi\r");
    assert_eq!(client.hears("250 a\r\n").0, "BDAT 1 LAST\r\n\n");
    assert!(accepted(client.hears("250 a\r\n").1));
    let mut client = Client::greeted(
        |parts| {
            chunked(parts);
            parts.pipelining = true;
        },
        ALL,
    );
    assert!(client.said().ends_with("RCPT TO:<b2@d.example>\r\nBDAT 3\r\nhi\rBDAT 1 LAST\r\n\n"));
    assert!(accepted(client.hears("250 a\r\n250 b\r\n250 c\r\n250 d\r\n250 e\r\n").1));
}

#[test]
fn without_chunking_data_is_said() {
    let wanted = |parts: &mut Parts<'_>| (parts.chunk, parts.pipelining) = (Some(3), true);
    let mut client = Client::greeted(wanted, "250-me\r\n250 PIPELINING\r\n");
    assert!(client.said().ends_with("DATA\r\n"));
}

#[test]
fn lmtp_has_a_reply_for_each_recipient_taken() {
    let mut client = Client::new(|parts| parts.lmtp = true);
    assert_eq!(client.hears("220 hi\r\n").0, "LHLO c.example\r\n");
    client.hears("250 me\r\n");
    client.conversation.begin(Instant::now(), &client.script, &mut client.out);
    for _ in 0..3 {
        client.hears("250 a\r\n");
    }
    client.hears("354 go\r\n");
    assert_eq!(client.hears("250 one\r\n").1, Event::Nothing);
    assert!(!accepted(client.hears("450 two\r\n").1));
}

#[test]
fn starttls_comes_first_and_the_hello_again() {
    let mut client = Client::new(|parts| parts.starttls = true);
    client.hears("220 hi\r\n");
    assert_eq!(client.hears("250-me\r\n250 STARTTLS\r\n").0, "STARTTLS\r\n");
    assert_eq!(client.hears("220 go\r\n").1, Event::StartTls);
    client.conversation.secured(&client.script, &mut client.out);
    assert_eq!(client.said(), "EHLO c.example\r\n");
    assert_eq!(client.hears("250 me\r\n").1, Event::Greeted);
    let mut client = Client::new(|parts| parts.starttls = true);
    client.hears("220 hi\r\n");
    assert_eq!(client.hears("250 me\r\n").1, Event::Refused);
}

#[test]
fn a_server_that_leaves_or_talks_out_of_turn_is_noticed() {
    let mut client = Client::greeted(|_| (), "250 me\r\n");
    assert_eq!(client.hears("421 bye\r\n").1, Event::Refused);
    let mut client = Client::greeted(|_| (), "250 me\r\n");
    client.hears("550 no\r\n");
    client.hears("250 reset\r\n");
    assert_eq!(client.hears("250 what?\r\n").1, Event::Unexpected);
    assert_eq!(client.hears("421 bye\r\n").1, Event::Refused);
}

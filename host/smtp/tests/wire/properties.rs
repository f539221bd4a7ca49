//! Properties that hold for any input.

use std::time::Duration;

use guerrilla_smtp::{BareNewline, Enhanced, PeerTraits, Reply, Settings, fuzzing};
use proptest::prelude::*;

use crate::driver::Driver;

/// Bytes that matter to framing, and few others, so that the rare cases are frequent.
fn framing() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"\r\n"[..]),
        2 => Just(&b"\r"[..]),
        2 => Just(&b"\n"[..]),
        4 => Just(&b"."[..]),
        2 => Just(&b"a"[..]),
        1 => Just(&b"\0"[..]),
        1 => Just(&b"\r\n.\r\n"[..]),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// What a client may say, right or wrong, in any order.
fn dialogue() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(FRAGMENTS).prop_map(|text| text.as_bytes().to_vec()),
        1 => framing(),
        1 => prop::collection::vec(any::<u8>(), 0..30),
        1 => (1000_usize..1030).prop_map(|length| vec![b'x'; length]),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// STARTTLS is not among them: what is glued behind it depends on timing by design.
const FRAGMENTS: &[&str] = &[
    "EHLO c.test\r\n",
    "HELO c.test\r\n",
    "LHLO c.test\r\n",
    "MAIL FROM:<a@b.test>\r\n",
    "MAIL FROM:<> SIZE=9 BODY=BINARYMIME\r\n",
    "RCPT TO:<c@d.test>\r\n",
    "RCPT TO:<Postmaster>\r\n",
    "DATA\r\n",
    "BDAT 5\r\nhello",
    "BDAT 6 LAST\r\nQUIT\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 3 X\r\nabc",
    "BDAT x\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "VRFY x\r\n",
    "HELP\r\n",
    "NOOPX\r\n",
    "QUI",
    "T\r\n",
    "\r\n.\r\n",
    ".\r\n",
    "XCLIENT ADDR=192.0.2.1\r\n",
    "XFORWARD NAME=a.b\r\n",
    "text\r\n",
    "MAIL FROM:<a@b.test> SMTPUTF8\r\n",
    "RCPT TO:<\u{e9}@d.test>\r\n",
    "RCPT TO:<c@d.test> NOTIFY=NEVER ORCPT=rfc822;x+2B\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn decoder_agrees_with_the_model(cut in any::<u8>(), mut input in framing()) {
        input.insert(0, cut);
        fuzzing::data(&input);
    }

    #[test]
    fn no_bytes_break_a_session(choice in any::<[u8; 3]>(), stream in dialogue()) {
        fuzzing::session(&[&choice[..], &stream].concat());
    }

    /// Whatever a message holds, there is one reply for it, and the command behind its true end is
    /// the next to be run.
    #[test]
    fn data_stays_in_step(mut data in framing(), normalize: bool, max_size in 1_u64..60, cut in 1_usize..9) {
        data.extend_from_slice(b"\r\n.\r\n");
        let (body, length, spoilt) = fuzzing::decode_by_model(&data).expect("it ends");
        let bare_newline = if normalize { BareNewline::Normalize } else { BareNewline::Reject };
        let mut driver = ready(Settings { bare_newline, max_size, ..Settings::default() });
        driver.feed(b"DATA\r\n");
        let before = driver.written.len();
        let stream = [&data[..length], b"VRFY x\r\n"].concat();
        stream.chunks(cut).for_each(|piece| driver.feed(piece));
        let replies = String::from_utf8_lossy(&driver.written[before..]).into_owned();
        let too_big = body.len() as u64 > max_size;
        let (expected, kept) = match (spoilt && !normalize, too_big) {
            (false, false) => ("250 2.0.0 OK: queued as t1", 1),
            (false, true) => ("552 5.3.4 ", 0),
            // Which rule is broken first decides.
            (true, _) => ("5", 0),
        };
        prop_assert!(replies.starts_with(expected), "{}", replies);
        prop_assert!(replies.ends_with("\r\n252 2.5.0 Cannot verify user\r\n"), "{}", replies);
        prop_assert_eq!(replies.matches("\r\n").count(), 2, "{}", replies);
        prop_assert_eq!(driver.accepted.len(), kept);
        if kept == 1 {
            prop_assert_eq!(&driver.accepted[0].body, &body);
        }
    }

    #[test]
    fn chunks_stay_in_step(chunks in prop::collection::vec(framing(), 1..5), max_size in 1_u64..120, cut in 1_usize..9) {
        let mut driver = ready(Settings { max_size, ..Settings::default() });
        let before = driver.written.len();
        let mut stream = Vec::new();
        for chunk in &chunks {
            stream.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
            stream.extend_from_slice(chunk);
        }
        stream.extend_from_slice(b"BDAT 0 LAST\r\nVRFY x\r\n");
        stream.chunks(cut).for_each(|piece| driver.feed(piece));
        let replies = String::from_utf8_lossy(&driver.written[before..]).into_owned();
        prop_assert_eq!(replies.matches("\r\n").count(), chunks.len() + 2, "{}", replies);
        prop_assert!(replies.ends_with("252 2.5.0 Cannot verify user\r\n"));
        let whole = chunks.concat();
        prop_assert_eq!(driver.accepted.len(), usize::from(whole.len() as u64 <= max_size));
        if let Some(message) = driver.accepted.first() {
            prop_assert_eq!(&message.body, &whole);
        }
    }

    /// An address that is accepted is accepted again as it was understood.
    #[test]
    fn accepted_addresses_are_stable(path in "[<]?[@]?[a-z\"\\\\ .@\\[\\]:,\u{e9}\u{0}0-9]{0,12}@?[a-z0-9.\\[\\]-]{0,9}>?") {
        let mut driver = ready(Settings::default());
        driver.feed(b"RSET\r\nMAIL FROM:<> SMTPUTF8\r\n");
        driver.feed(format!("RCPT TO:{path}\r\n").as_bytes());
        if let Some([first]) = driver.open().map(|open| open.rcpt.clone()).as_deref() {
            driver.feed(format!("RCPT TO:<{first}>\r\n").as_bytes());
            let again = driver.open().map(|open| open.rcpt.clone());
            prop_assert_eq!(again, Some(vec![first.clone(), first.clone()]));
        }
    }

    /// No text breaks out of its reply.
    #[test]
    fn replies_are_well_formed(text in "(?s).{0,1200}", code in prop_oneof![200_u16..260, 400_u16..460, 500_u16..560], detail in any::<u16>()) {
        let mut out = Vec::new();
        let enhanced = Some(Enhanced::new(9, detail, detail));
        Reply::new(code, enhanced, text).unwrap().write(&mut out);
        let wire = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = wire.split_inclusive("\r\n").collect();
        for (at, line) in lines.iter().enumerate() {
            let mark = if at + 1 == lines.len() { ' ' } else { '-' };
            let head = format!("{code}{mark}{}.", code / 100);
            prop_assert!(line.starts_with(&head), "{:?}", line);
            prop_assert!(line.len() <= 512 && line.ends_with("\r\n"), "{:?}", line);
            let inside = &line[..line.len() - 2];
            prop_assert!(inside.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{:?}", line);
        }
    }
}

/// A session with one recipient in an open transaction.
fn ready(settings: Settings) -> Driver {
    let settings = Settings { error_delay: Duration::ZERO, ..settings };
    let mut driver = Driver::new(settings, PeerTraits::default());
    driver.feed(b"EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@mail.test>\r\n");
    driver
}

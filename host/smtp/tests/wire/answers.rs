//! What the driver can do to a session: answers, events, and what follows from them.

use std::sync::Arc;
use std::time::Duration;

use guerrilla_smtp::{
    Answer, CloseReason, Enhanced, HelloVerb, MAX_ERROR_DELAY, PeerTraits, Protocol, Question,
    Reply, Session, Settings, Step, Waiting, replies,
};

fn session(settings: Settings) -> Session {
    Session::new(Arc::new(settings), PeerTraits::default())
}

/// Runs until something else than yes is needed; returns what was written and the last step's name.
fn run(session: &mut Session, mut input: &[u8]) -> (String, String) {
    let mut out = Vec::new();
    loop {
        let (used, step) = session.receive(input, &mut out);
        input = &input[used..];
        match step {
            Step::Ask(_) => session.answer(Answer::Accept, &mut out),
            Step::Body(_) | Step::Reset | Step::Spoilt(_) => {}
            step => return (String::from_utf8(out).unwrap(), format!("{step:?}")),
        }
    }
}

/// Answers the next question with `answer`; returns what was written.
fn answer(session: &mut Session, input: &[u8], answer: Answer<'_>) -> String {
    let mut out = Vec::new();
    let (used, step) = session.receive(input, &mut out);
    assert_eq!(used, input.len());
    assert!(matches!(step, Step::Ask(_)), "{step:?}");
    assert_eq!(session.waiting(), Waiting::Answer);
    // While the question is open nothing is taken.
    assert!(matches!(session.receive(b"NOOP\r\n", &mut out), (0, Step::NeedInput)));
    session.answer(answer, &mut out);
    String::from_utf8(out).unwrap()
}

fn no(code: u16) -> Reply<'static> {
    Reply::new(code, Some(Enhanced::new(5, 7, 1)), "no").unwrap()
}

#[test]
fn a_refused_client_may_only_quit() {
    let mut session = session(Settings::default());
    assert_eq!(answer(&mut session, b"", Answer::Reply(&no(550))), "554 no\r\n");
    let (replies, step) = run(&mut session, b"EHLO a.test\r\nBDAT 6\r\nQUIT\r\nQUIT\r\n");
    let lines: Vec<&str> = replies.lines().map(|line| &line[..9]).collect();
    assert_eq!(lines, ["503 5.5.1", "503 5.5.1", "221 2.0.0"]);
    assert_eq!(step, "Close(Quit)");
}

#[test]
fn a_greeting_can_be_put_off() {
    let mut session = session(Settings::default());
    assert_eq!(answer(&mut session, b"", Answer::Reply(&no(450))), "421 no\r\n");
    assert_eq!(session.waiting(), Waiting::Closed);
}

#[test]
fn early_talkers_and_crowds_get_no_greeting() {
    for (act, reply, reason) in [
        (Session::early_talker as fn(&mut Session, &mut Vec<u8>), "554 ", CloseReason::EarlyTalker),
        (Session::too_busy, "421 ", CloseReason::TooBusy),
        (Session::shutting_down, "421 ", CloseReason::ShuttingDown),
    ] {
        let mut session = session(Settings::default());
        let mut out = Vec::new();
        act(&mut session, &mut out);
        assert!(out.starts_with(reply.as_bytes()));
        assert!(out[4].is_ascii_alphabetic(), "RFC 2034 4: no enhanced code on a greeting");
        let (_, step) = session.receive(b"EHLO a.test\r\n", &mut out);
        assert!(matches!(step, Step::Close(given) if given == reason));
    }
}

#[test]
fn shutdown_waits_for_the_open_question() {
    let mut session = session(Settings::default());
    run(&mut session, b"EHLO a.test\r\nMAIL FROM:<>\r\n");
    let mut out = Vec::new();
    let (used, _) = session.receive(b"RCPT TO:<a@b.test>\r\n", &mut out);
    assert_eq!(used, 20);
    session.shutting_down(&mut out);
    assert!(out.is_empty());
    session.answer(Answer::Accept, &mut out);
    let (_, step) = session.receive(b"", &mut out);
    assert!(matches!(step, Step::Close(CloseReason::ShuttingDown)));
    assert!(out.starts_with(b"250 2.1.5 OK\r\n421 4.3.2 "));
}

#[test]
fn no_go_ahead_once_the_server_stops() {
    let mut session = session(Settings::default());
    run(&mut session, b"EHLO a.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n");
    let mut out = Vec::new();
    session.receive(b"DATA\r\n", &mut out);
    session.shutting_down(&mut out);
    session.answer(Answer::Accept, &mut out);
    assert!(out.starts_with(b"421 4.3.2 "));
}

#[test]
fn errors_cost_growing_time() {
    let settings = Settings {
        errors_before_delay: 2,
        max_errors: 16,
        error_delay: Duration::from_secs(2),
        ..Settings::default()
    };
    let mut session = session(settings);
    run(&mut session, b"");
    let steps: Vec<String> = (0..9).map(|_| run(&mut session, b"VRFY\r\n").1).collect();
    assert_eq!(steps[..4], ["NeedInput", "NeedInput", "Pause(2s)", "Pause(4s)"]);
    assert_eq!(steps[8], format!("Pause({MAX_ERROR_DELAY:?})"));
}

#[test]
fn endless_input_is_cut_off() {
    // A command line without an end.
    let mut endless = session(Settings::default());
    run(&mut endless, b"");
    let junk = vec![b'x'; 1 << 16];
    let closed = (0..20).map(|_| run(&mut endless, &junk)).find(|(_, step)| step != "NeedInput");
    let (replies, step) = closed.expect("closed");
    assert!(replies.starts_with("421 4.7.0 ") && step == "Close(TooManyErrors)");

    // A message that goes on far beyond the limit; and a chunk that would.
    let begin = b"EHLO a.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n";
    let mut data = session(Settings { max_size: 1000, ..Settings::default() });
    run(&mut data, begin);
    run(&mut data, b"DATA\r\n");
    let closed = (0..300).map(|_| run(&mut data, &junk)).find(|(_, step)| step != "NeedInput");
    let (replies, step) = closed.expect("closed");
    assert!(replies.starts_with("552 5.3.4 ") && step == "Close(TooMuchData)");
    let mut chunk = session(Settings { max_size: 1000, ..Settings::default() });
    run(&mut chunk, begin);
    let (replies, step) = run(&mut chunk, b"BDAT 99999999999\r\n");
    assert!(replies.starts_with("552 5.3.4 ") && step == "Close(TooMuchData)");
}

#[test]
fn a_refused_body_by_bdat_is_skipped() {
    let mut session = session(Settings::default());
    run(&mut session, b"EHLO a.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n");
    assert_eq!(answer(&mut session, b"BDAT 6 LAST\r\n", Answer::Reply(&no(452))), "");
    let (replies, _) = run(&mut session, b"QUIT\r\nNOOP\r\n");
    assert_eq!(replies, "452 4.7.1 no\r\n250 2.0.0 OK\r\n");
    assert!(!session.in_transaction());
}

#[test]
fn answers_that_make_no_sense_are_our_fault() {
    let mut session = session(Settings::default());
    run(&mut session, b"EHLO a.test\r\n");
    let reply = answer(&mut session, b"MAIL FROM:<>\r\n", Answer::Greeting("hello"));
    assert!(reply.starts_with("451 4.3.0 "));
    // Without a question an answer does nothing.
    let mut out = Vec::new();
    session.answer(Answer::Accept, &mut out);
    assert!(out.is_empty() && !session.in_transaction());
    // 421 closes, whatever the question.
    let bye = no(421);
    assert_eq!(answer(&mut session, b"MAIL FROM:<>\r\n", Answer::Reply(&bye)), "421 4.7.1 no\r\n");
    assert_eq!(session.waiting(), Waiting::Closed);
}

#[test]
fn a_refused_hello_changes_nothing() {
    let mut session = session(Settings::default());
    run(&mut session, b"");
    let reply = answer(&mut session, b"EHLO a.test\r\n", Answer::Reply(&no(550)));
    assert_eq!((reply.as_str(), session.hello()), ("550 no\r\n", None));
    run(&mut session, b"HELO a.test\r\n");
    assert_eq!(session.hello(), Some(HelloVerb::Helo));
}

#[test]
fn missing_replies_for_recipients_are_temporary() {
    let lmtp = Settings { protocol: Protocol::Lmtp, ..Settings::default() };
    let mut session = session(lmtp);
    run(
        &mut session,
        b"LHLO a.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n",
    );
    let each = [replies::OK.clone()];
    let reply = answer(&mut session, b".\r\n", Answer::Each(&each));
    assert!(reply.starts_with("250 2.0.0 OK\r\n451 4.3.0 "));
}

#[test]
fn one_reply_for_all_is_the_worst() {
    let mut session = session(Settings::default());
    run(&mut session, b"EHLO a.test\r\n");
    let (yes, never, later) = (replies::OK.clone(), no(550), no(450));
    for (each, code) in [
        (vec![yes.clone(), yes.clone()], "250 "),
        (vec![yes.clone(), never.clone()], "550 "),
        (vec![never.clone(), later.clone()], "450 "),
        (vec![yes.clone()], "451 "),
        (vec![], "451 "),
    ] {
        run(&mut session, b"MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
        assert!(answer(&mut session, b".\r\n", Answer::Each(&each)).starts_with(code), "{each:?}");
    }
}

/// The replies that dialogues do not reach: chosen texts of several lines, LMTP and PRDR, and the last words.
#[test]
fn without_enhanced_codes_no_reply_has_one() {
    let plain = |settings: Settings| session(Settings { enhanced_status_codes: false, ..settings });
    let no = Reply::new(550, Some(Enhanced::new(5, 7, 1)), "no\nnever").unwrap();
    let envelope = b"MAIL FROM:<> PRDR\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n";
    let mut smtp = plain(Settings::default());
    run(&mut smtp, b"EHLO a.test\r\n");
    let refused = "550-no\r\n550 never\r\n";
    for command in [&b"HELO a.test\r\n"[..], b"MAIL FROM:<>\r\n"] {
        assert_eq!(answer(&mut smtp, command, Answer::Reply(&no)), refused);
    }
    run(&mut smtp, envelope);
    let each = [replies::OK.clone(), no.clone()];
    let said = answer(&mut smtp, b".\r\n", Answer::Each(&each));
    assert!(
        said.starts_with("353 ") && said.ends_with(&format!("\r\n250 OK\r\n{refused}250 OK\r\n"))
    );
    run(&mut smtp, envelope);
    assert_eq!(
        answer(&mut smtp, b".\r\n", Answer::Each(&each[..1])),
        "353 One reply for each \
        recipient follows\r\n250 OK\r\n451 Local error in processing, try again later\r\n250 OK\r\n"
    );

    let mut lmtp = plain(Settings { protocol: Protocol::Lmtp, ..Settings::default() });
    run(&mut lmtp, b"LHLO a.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n");
    assert_eq!(answer(&mut lmtp, b".\r\n", Answer::Reply(&no)), refused);

    for (act, expected) in [
        (Session::timed_out as fn(&mut Session, &mut Vec<u8>), "421 Timeout, "),
        (Session::shutting_down, "421 Server is "),
        (Session::too_busy, "421 Too many "),
    ] {
        let (mut session, mut out) = (plain(Settings::default()), Vec::new());
        run(&mut session, b"EHLO a.test\r\n");
        act(&mut session, &mut out);
        assert!(out.starts_with(expected.as_bytes()), "{}", out.escape_ascii());
    }
}

/// A client that need not read says a few bytes, and has hundreds kept for it.
#[test]
fn replies_do_not_pile_up() {
    let settings = Settings { help: true, max_errors: 0, ..Settings::default() };
    let mut session = session(settings);
    run(&mut session, b"EHLO a.test\r\n");
    let input = b"HELP\r\n".repeat(20_000);
    let (mut taken, mut flushed) = (0, 0);
    loop {
        let mut out = Vec::new();
        let (used, step) = session.receive(&input[taken..], &mut out);
        taken += used;
        assert!(out.len() < 70_000, "{} bytes", out.len());
        match step {
            Step::Flush => flushed += 1,
            Step::NeedInput => break,
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(taken, input.len());
    assert!(flushed > 10);
}

/// RFC 2033 4.2: one reply for each recipient, also where the last of them is the end.
#[test]
fn the_last_words_over_lmtp_are_for_each_recipient() {
    let envelope =
        b"LHLO a.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n";
    for (code, times) in [(554, 2), (452, 2), (421, 1)] {
        let settings = Settings { protocol: Protocol::Lmtp, ..Settings::default() };
        let mut lmtp = session(settings);
        run(&mut lmtp, envelope);
        let said = answer(&mut lmtp, b".\r\n", Answer::Disconnect(&no(code)));
        assert_eq!(said.matches(&format!("{code} ")).count(), times, "{said}");
        assert_eq!(run(&mut lmtp, b"").1, "Close(Disconnected)");
    }
}

#[test]
fn xclient_asks_for_a_new_greeting() {
    let settings = Settings { xclient: true, ..Settings::default() };
    let peer = PeerTraits { trusted_proxy: true, tls: false };
    let mut session = Session::new(Arc::new(settings), peer);
    run(&mut session, b"EHLO a.test\r\n");
    assert_eq!(answer(&mut session, b"XCLIENT ADDR=192.0.2.1\r\n", Answer::Accept), "");
    assert_eq!(session.hello(), None);
    let mut out = Vec::new();
    let (_, step) = session.receive(b"", &mut out);
    assert!(matches!(step, Step::Ask(Question::Connect)));
}

#[test]
fn protocol_names() {
    let name = |protocol, tls, stream: &[u8]| {
        let settings = Settings { protocol, ..Settings::default() };
        let peer = PeerTraits { tls, trusted_proxy: false };
        let mut session = Session::new(Arc::new(settings), peer);
        run(&mut session, stream);
        session.protocol_name()
    };
    let (smtp, lmtp) = (Protocol::Smtp, Protocol::Lmtp);
    assert_eq!(name(smtp, false, b"HELO a.test\r\n"), "SMTP");
    assert_eq!(name(smtp, true, b"EHLO a.test\r\n"), "ESMTPS");
    assert_eq!(name(smtp, false, b"EHLO a.test\r\nMAIL FROM:<> SMTPUTF8\r\n"), "UTF8SMTP");
    assert_eq!(name(lmtp, true, b"LHLO a.test\r\n"), "LMTPS");
}

/// Thousands of idle connections each hold one of these and nothing else.
#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 256, "{} bytes", size_of::<Session>());
}

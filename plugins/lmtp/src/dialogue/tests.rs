//! Transcripts: `C:` is what we send, `S:` what the store says, `M` the message; then the answer of each recipient.

use super::*;
use crate::reply::Replies;

const PIPELINING: &str = "PIPELINING";

fn play(recipients: usize, offer: &str, all_or_none: bool, script: &str) -> (String, bool, bool) {
    let names = (1..=recipients).map(|number| format!("{number}@b.test")).collect();
    let size = (!script.contains("question")).then_some(10);
    let envelope =
        Envelope { sender: "me@a.test".to_owned(), recipients: names, size, ..Envelope::default() };
    let offer = Offer { pipelining: offer == PIPELINING, ..Offer::default() };
    let mut dialogue = Dialogue::new(&envelope, &offer, all_or_none);
    let mut lines = script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && *line != "question")
        .peekable();
    let (mut out, mut replies) = (Vec::new(), Replies::default());
    loop {
        let step = dialogue.step(&mut out);
        let sent = String::from_utf8(std::mem::take(&mut out)).unwrap();
        for command in sent.split_terminator("\r\n") {
            assert_eq!(lines.next(), Some(format!("C: {command}").as_str()));
        }
        match step {
            Step::Finished => break,
            Step::SendMessage => assert_eq!(lines.next(), Some("M")),
            Step::Read => {}
        }
        // The connection is lost where the script ends.
        let Some(line) = lines.next() else { break };
        let said =
            line.strip_prefix("S: ").unwrap_or_else(|| panic!("{line:?} is not the store's"));
        replies.receive(format!("{said}\r\n").as_bytes());
        while let Some(reply) = replies.next().unwrap() {
            dialogue.receive(reply).unwrap();
        }
    }
    assert_eq!(lines.next(), None, "the rest of the script");
    let (clean, repeatable) = (dialogue.is_clean(), dialogue.may_be_repeated());
    let codes = dialogue.answers().into_iter().map(|answer| answer.map_or(0, |reply| reply.code));
    (codes.map(|code| code.to_string()).collect::<Vec<_>>().join(" "), clean, repeatable)
}

#[test]
fn every_recipient_has_its_answer() {
    for (offer, script) in [
        (
            PIPELINING,
            "C: MAIL FROM:<me@a.test>
             C: RCPT TO:<1@b.test>
             C: RCPT TO:<2@b.test>
             C: RCPT TO:<3@b.test>
             S: 250 2.1.0 OK
             S: 250 2.1.5 OK
             S: 550 5.1.1 No such user
             S: 250 2.1.5 OK
             C: DATA
             S: 354 go on
             M
             S: 250 2.0.0 saved
             S: 452 4.2.2 full",
        ),
        (
            "",
            "C: MAIL FROM:<me@a.test>
             S: 250 OK
             C: RCPT TO:<1@b.test>
             S: 250 OK
             C: RCPT TO:<2@b.test>
             S: 550 No such user
             C: RCPT TO:<3@b.test>
             S: 250 OK
             C: DATA
             S: 354 go on
             M
             S: 250 saved
             S: 452 full",
        ),
    ] {
        assert_eq!(play(3, offer, false, script), ("250 550 452".to_owned(), true, false));
    }
}

#[test]
fn a_message_for_all_or_none_is_called_off() {
    let script = "C: MAIL FROM:<me@a.test>
         C: RCPT TO:<1@b.test>
         C: RCPT TO:<2@b.test>
         S: 250 OK
         S: 250 OK
         S: 452 4.2.2 full
         C: RSET
         S: 250 OK";
    assert_eq!(play(2, PIPELINING, true, script), ("0 452".to_owned(), true, false));
}

#[test]
fn nobody_is_left() {
    let script = "C: MAIL FROM:<me@a.test>
         C: RCPT TO:<1@b.test>
         S: 250 OK
         S: 550 5.1.1 No such user
         C: RSET
         S: 250 OK";
    assert_eq!(play(1, PIPELINING, false, script), ("550".to_owned(), true, false));
}

#[test]
fn a_refused_sender_or_data_is_the_answer_for_all() {
    let script = "C: MAIL FROM:<me@a.test>
         C: RCPT TO:<1@b.test>
         C: RCPT TO:<2@b.test>
         S: 451 4.3.0 not now";
    assert_eq!(play(2, PIPELINING, false, script), ("451 451".to_owned(), false, false));
    let script = "C: MAIL FROM:<me@a.test>
         C: RCPT TO:<1@b.test>
         C: RCPT TO:<2@b.test>
         S: 250 OK
         S: 550 No such user
         S: 250 OK
         C: DATA
         S: 451 4.3.0 not now";
    assert_eq!(play(2, PIPELINING, false, script), ("550 451".to_owned(), false, false));
}

#[test]
fn recipients_can_be_asked_for_without_a_message() {
    let script = "question
         C: MAIL FROM:<me@a.test>
         C: RCPT TO:<1@b.test>
         S: 250 OK
         S: 250 OK
         C: RSET
         S: 250 OK";
    assert_eq!(play(1, PIPELINING, false, script), ("250".to_owned(), true, false));
}

#[test]
fn what_is_lost_in_front_of_the_message_may_be_repeated() {
    let script = "C: MAIL FROM:<me@a.test>
         C: RCPT TO:<1@b.test>
         C: RCPT TO:<2@b.test>
         S: 250 OK
         S: 250 OK
         S: 250 OK
         C: DATA";
    assert_eq!(play(2, PIPELINING, false, script), ("0 0".to_owned(), false, true));
}

#[test]
fn what_is_lost_behind_it_may_not_and_what_was_said_counts() {
    let script = "C: MAIL FROM:<me@a.test>
         C: RCPT TO:<1@b.test>
         C: RCPT TO:<2@b.test>
         S: 250 OK
         S: 250 OK
         S: 250 OK
         C: DATA
         S: 354 go on
         M
         S: 250 saved";
    assert_eq!(play(2, PIPELINING, false, script), ("250 0".to_owned(), false, false));
}

#[test]
fn a_reply_to_data_that_makes_no_sense_is_an_error() {
    let envelope =
        Envelope { recipients: vec!["a".to_owned()], size: Some(1), ..Envelope::default() };
    let offer = Offer { pipelining: true, ..Offer::default() };
    let mut dialogue = Dialogue::new(&envelope, &offer, false);
    let fine = || Reply { code: 250, enhanced: String::new(), lines: vec![String::new()] };
    dialogue.step(&mut Vec::new());
    dialogue.receive(fine()).unwrap();
    dialogue.receive(fine()).unwrap();
    dialogue.step(&mut Vec::new());
    assert!(dialogue.receive(fine()).is_err());
}

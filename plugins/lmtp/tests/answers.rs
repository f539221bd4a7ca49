//! What the store says of recipients is theirs: none of them hears what is another's, and the message has no verdict of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use guerrilla_plugin_api::testkit::{Harness, InTransit, Mail, Session};
use guerrilla_plugin_api::{Async, Phase, Verdict};
use lmtp::Lmtp;

/// The reply that a local part asks for behind this letter: `r550` at RCPT, `d452` behind the data.
fn asked_for(address: &str, place: char) -> Option<String> {
    let (_, local) = address.split_once('<')?;
    let code = local.strip_prefix(place)?.get(..3)?;
    Some(format!("{code} {}.2.2 of {place}", &code[..1]))
}

/// Serves one connection.
fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let (mut out, mut accepted) = (stream, Vec::new());
    writeln!(out, "220 store\r")?;
    while let Some(line) = lines.next().transpose()? {
        match &line[..4] {
            "LHLO" => writeln!(out, "250-store\r\n250 PIPELINING\r")?,
            "RCPT" => match asked_for(&line, 'r') {
                Some(refusal) => writeln!(out, "{refusal}\r")?,
                None => {
                    accepted.push(line);
                    writeln!(out, "250 2.1.5 fine\r")?;
                }
            },
            "DATA" => {
                writeln!(out, "354 go on\r")?;
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                for to in accepted.drain(..) {
                    let reply = asked_for(&to, 'd');
                    writeln!(out, "{}\r", reply.as_deref().unwrap_or("250 2.0.0 delivered"))?;
                }
            }
            _ => {
                accepted.clear();
                writeln!(out, "250 2.0.0 fine\r")?;
            }
        }
    }
    Ok(())
}

fn delivering() -> Harness<Async<Lmtp>> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // The client ends it.
            thread::spawn(|| serve(stream.expect("a client")));
        }
    });
    Harness::new(serde_json::json!({ "lmtp_address": address })).expect("it starts")
}

/// What each recipient hears.
fn codes(mail: &InTransit<'_, Async<Lmtp>>, recipients: usize) -> Vec<Option<u16>> {
    (0..recipients).map(|index| mail.recipient(index).and_then(|answer| answer.code())).collect()
}

fn mail(to: &[&str]) -> Mail {
    let mail = Mail::new().subject("x").body("body\r\n");
    to.iter().fold(mail, |mail, to| mail.to(&format!("{to}@example.net")))
}

#[test]
fn each_recipient_hears_its_own_and_the_message_has_none() {
    let lmtp = delivering();
    for (to, heard) in [
        (&["d550", "d452"][..], &[Some(550), Some(452)][..]),
        (&["d452", "d550"], &[Some(452), Some(550)]),
        (&["r550", "r450"], &[Some(550), Some(450)]),
        (&["d550"], &[Some(550)]),
        (&["d550", "d452", "you"], &[Some(550), Some(452), None]),
    ] {
        for session in [Session::new().lmtp(), Session::new()] {
            let mut mail = lmtp.connect(session).begin(mail(to));
            assert_eq!(mail.ask(Phase::Save), Verdict::CONTINUE, "{to:?}");
            assert_eq!(codes(&mail, to.len()), heard, "{to:?}");
        }
    }
}

/// Where one reply stands for all, a message that not everybody may have goes to nobody.
#[test]
fn who_is_called_off_with_others_shares_their_fate() {
    let lmtp = delivering();
    for (session, other) in [(Session::new().lmtp(), 452), (Session::new(), 550)] {
        let mut mail = lmtp.connect(session).begin(mail(&["r550", "d452"]));
        assert_eq!(mail.ask(Phase::Save), Verdict::CONTINUE);
        assert_eq!(codes(&mail, 2), [Some(550), Some(other)]);
    }
}

#[test]
fn what_another_stage_has_said_stays() {
    let lmtp = delivering();
    let mut mail = lmtp.connect(Session::new().lmtp()).begin(mail(&["you", "d550"]));
    mail.set_recipient(0, Verdict::DEFER);
    assert_eq!(mail.ask(Phase::Save), Verdict::CONTINUE);
    assert!(mail.recipient(0).expect("a verdict").is_deferred());
    assert_eq!(codes(&mail, 2)[1], Some(550));
}

//! Every method of a session, in any order, with any answer: no panic, no endless loop, and nothing
//! on the wire but well-formed replies.
#![no_main]

use std::sync::Arc;

use arbitrary::{Arbitrary, Result, Unstructured};
use guerrilla_fuzz::input::Input;
use guerrilla_fuzz::{question, replies};
use guerrilla_smtp::{Answer, Enhanced, Reply, Session, Step, Waiting};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|case: Case| {
    let (settings, peer) = Input::new(&case.settings).settings();
    let mut run = Run {
        session: Session::new(Arc::new(settings), peer),
        out: Vec::new(),
        buffer: Vec::new(),
    };
    case.operations.into_iter().for_each(|operation| run.operation(operation));
    replies::codes(&run.out);
});

#[derive(Arbitrary, Debug)]
struct Case {
    settings: [u8; 4],
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Accept,
    Bytes(Vec<u8>),
    Disconnect(Words),
    DisconnectAnswer(Words),
    Each(Vec<Words>),
    EarlyTalker,
    Greeting(String),
    Phrase(Phrase),
    Receive,
    Reply(Words),
    ShuttingDown,
    TimedOut,
    TlsDone,
    TooBusy,
}

/// A reply of whoever decides: any code, any text.
#[derive(Arbitrary, Debug)]
struct Words {
    code: u16,
    enhanced: Option<(u8, u16, u16)>,
    text: String,
}

impl Words {
    fn reply(&self) -> Reply<'_> {
        let enhanced =
            self.enhanced.map(|(class, subject, detail)| Enhanced { class, subject, detail });
        // Half of the codes are in order: the number is tried as it is and folded into 2xx to 5xx.
        Reply::new(self.code, enhanced, self.text.as_str())
            .or_else(|_| Reply::new(200 + self.code % 400, enhanced, self.text.as_str()))
            .unwrap_or_else(|_| guerrilla_smtp::replies::LOCAL_TROUBLE.clone())
    }
}

/// What a client says as a rule, so that deep states are near.
#[derive(Debug)]
struct Phrase(&'static str);

impl Arbitrary<'_> for Phrase {
    fn arbitrary(source: &mut Unstructured<'_>) -> Result<Self> {
        source.choose(PHRASES).map(|phrase| Self(phrase))
    }
}

const PHRASES: &[&str] = &[
    "EHLO c.test\r\n",
    "LHLO c.test\r\n",
    "HELO c.test\r\n",
    "MAIL FROM:<a@b.test>\r\n",
    "MAIL FROM:<> PRDR\r\n",
    "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n",
    "RCPT TO:<c@d.test>\r\n",
    "RCPT TO:<Postmaster>\r\n",
    "RCPT TO:<bad\r\n",
    "DATA\r\n",
    "text\r\n",
    "bare\n",
    ".\r\n",
    "BDAT 2\r\nab",
    "BDAT 2 LAST\r\nab",
    "BDAT 1000000000000 LAST\r\n",
    "BDAT 9 X\r\nRSET\r\nx\r\n",
    "RSET\r\n",
    "STARTTLS\r\n",
    "XCLIENT ADDR=192.0.2.1\r\n",
    "XFORWARD NAME=a.test\r\n",
    "QUIT\r\n",
];

struct Run {
    session: Session,
    out: Vec<u8>,
    buffer: Vec<u8>,
}

impl Run {
    fn operation(&mut self, operation: Operation) {
        let before = (self.out.len(), self.session.waiting(), self.session.is_asking());
        let Self { session, out, .. } = self;
        match operation {
            Operation::Accept => session.answer(Answer::Accept, out),
            Operation::Bytes(bytes) => self.buffer.extend_from_slice(&bytes),
            Operation::Disconnect(words) => session.disconnect(&words.reply(), out),
            Operation::DisconnectAnswer(words) => {
                session.answer(Answer::Disconnect(&words.reply()), out);
            }
            Operation::Each(words) => {
                let replies: Vec<_> = words.iter().map(Words::reply).collect();
                session.answer(Answer::Each(&replies), out);
            }
            Operation::EarlyTalker => session.early_talker(out),
            Operation::Greeting(text) => session.answer(Answer::Greeting(&text), out),
            Operation::Phrase(phrase) => self.buffer.extend_from_slice(phrase.0.as_bytes()),
            Operation::Receive => {}
            Operation::Reply(words) => session.answer(Answer::Reply(&words.reply()), out),
            Operation::ShuttingDown => session.shutting_down(out),
            Operation::TimedOut => session.timed_out(out),
            Operation::TlsDone => session.tls_done(),
            Operation::TooBusy => session.too_busy(out),
        }
        if before.1 == Waiting::Closed {
            assert_eq!(self.session.waiting(), Waiting::Closed);
            assert_eq!(self.out.len(), before.0, "a reply behind the end");
        }
        assert!(before.2 || !self.session.is_asking(), "only `receive` asks");
        self.receive();
    }

    /// Until the session wants something that is an operation of its own.
    fn receive(&mut self) {
        let (mut taken, mut steps) = (0, 0);
        loop {
            steps += 1;
            assert!(steps <= 4 * self.buffer.len() + 16, "no progress");
            let before = self.out.len();
            let rest = &self.buffer[taken..];
            let (used, step) = self.session.receive(rest, &mut self.out);
            assert!(used <= rest.len() && self.out.len() >= before);
            taken += used;
            match step {
                Step::Ask(question) => {
                    assert!(self.session.is_asking());
                    question::check(&question);
                    break;
                }
                Step::Body(bytes) => assert!(!bytes.is_empty() && self.session.in_transaction()),
                Step::Close(_) => {
                    assert_eq!(self.session.waiting(), Waiting::Closed);
                    break;
                }
                Step::NeedInput | Step::StartTls => break,
                Step::Flush | Step::Pause(_) | Step::Reset | Step::Spoilt(_) => {}
            }
        }
        let _ = self.session.protocol_name();
        self.buffer.drain(..taken);
    }
}

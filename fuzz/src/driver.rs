//! A driver of sessions that takes nothing on trust: it does what `net` does with sockets, and checks
//! at every step what the session promises.

use std::sync::Arc;

use guerrilla_smtp::{
    Answer, CloseReason, Enhanced, ForwardPath, LONGEST_LINE, MAX_ERROR_DELAY, PeerTraits,
    Question, Reply, ReversePath, Session, Settings, Step, Waiting,
};

use crate::question;

/// A message, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The reverse-path, without brackets.
    pub from: String,
    /// The accepted forward-paths.
    pub rcpt: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub struct Driver {
    /// The session, to be asked how it is.
    pub session: Session,
    /// All it has written.
    pub written: Vec<u8>,
    /// The messages it was told to keep.
    pub accepted: Vec<Message>,
    /// The transaction that is open.
    pub open: Option<Message>,
    /// Set at the end.
    pub closed: Option<CloseReason>,
    /// The last XCLIENT or XFORWARD, written anew.
    pub proxy_command: Option<String>,
    policy: Policy,
    asked: usize,
    buffer: Vec<u8>,
}

/// How questions are answered: by their number only, so that two runs over the same bytes agree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Every so many questions the answer is no; 0 is never.
    pub refuse_every: u8,
}

impl Driver {
    /// Opens a connection; the greeting is written.
    #[must_use]
    pub fn new(settings: Settings, peer: PeerTraits, policy: Policy) -> Self {
        let mut this = Self {
            session: Session::new(Arc::new(settings), peer),
            written: Vec::new(),
            accepted: Vec::new(),
            open: None,
            closed: None,
            proxy_command: None,
            policy,
            asked: 0,
            buffer: Vec::new(),
        };
        this.feed(b"");
        this
    }

    /// Hands over bytes and goes on until the session wants more. Handshakes succeed at once.
    ///
    /// # Panics
    /// When the session breaks a promise.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let (mut taken, mut steps) = (0, 0);
        while self.closed.is_none() {
            steps += 1;
            assert!(steps <= 4 * buffer.len() + 16, "no progress");
            let before = self.written.len();
            let rest = &buffer[taken..];
            let (used, step) = self.session.receive(rest, &mut self.written);
            assert!(used <= rest.len(), "more taken than given");
            assert!(self.written.len() >= before, "replies were taken back");
            taken += used;
            match step {
                Step::NeedInput => {
                    self.idle(&buffer[taken..]);
                    break;
                }
                Step::Ask(question) => {
                    self.withheld(&buffer[taken..]);
                    self.decide(&question);
                }
                step => self.obey(step, &buffer[taken..]),
            }
        }
        self.buffer.extend_from_slice(&buffer[taken..]);
    }

    fn obey(&mut self, step: Step<'_>, rest: &[u8]) {
        match step {
            Step::Ask(_) | Step::NeedInput => unreachable!("done by the caller"),
            Step::Body(bytes) => {
                assert!(!bytes.is_empty(), "a step without content");
                let open = self.open.as_mut().expect("a body without a transaction");
                assert!(!open.rcpt.is_empty(), "a body for nobody");
                open.body.extend_from_slice(bytes);
            }
            Step::Close(reason) => self.close(reason),
            Step::Flush => assert!(!self.written.is_empty(), "nothing to write"),
            Step::Pause(time) => assert!(!time.is_zero() && time <= MAX_ERROR_DELAY),
            Step::Reset => {
                assert!(self.open.take().is_some(), "a reset without a transaction");
            }
            Step::Spoilt(reply) => {
                assert!(!reply.is_positive(), "spoilt, and told yes: {reply:?}");
                assert!(self.open.take().is_some(), "no transaction to be spoilt");
            }
            Step::StartTls => {
                assert!(rest.is_empty(), "bytes in the clear behind STARTTLS");
                assert!(!self.session.is_tls());
                assert_eq!(self.session.waiting(), Waiting::Handshake);
                self.session.tls_done();
                assert!(self.session.is_tls() && self.session.hello().is_none());
            }
        }
    }

    /// Nothing more can be done with `rest`, however often it is tried.
    fn idle(&mut self, rest: &[u8]) {
        assert!(rest.len() <= LONGEST_LINE, "{} bytes are left to the driver", rest.len());
        match self.session.waiting() {
            Waiting::Body => assert!(rest.len() <= 1, "a message is always taken"),
            Waiting::Command => {}
            other => panic!("needs input while it waits for {other:?}"),
        }
        let before = self.written.len();
        let (used, step) = self.session.receive(rest, &mut self.written);
        assert!(used == 0 && matches!(step, Step::NeedInput), "{used} {step:?}");
        assert_eq!(self.written.len(), before);
        // The envelope here is the transaction there.
        if let Some(open) = &self.open {
            assert!(self.session.in_transaction());
            assert_eq!(self.session.recipients() as usize, open.rcpt.len());
        }
    }

    /// While a question is open no input is taken.
    fn withheld(&mut self, rest: &[u8]) {
        assert!(self.session.is_asking());
        assert_eq!(self.session.waiting(), Waiting::Answer);
        let before = self.written.len();
        let (used, step) = self.session.receive(rest, &mut self.written);
        assert!(used == 0 && matches!(step, Step::NeedInput), "{used} {step:?}");
        assert_eq!(self.written.len(), before);
    }

    /// The end is the end: no reply, no byte, the same reason again.
    fn close(&mut self, reason: CloseReason) {
        self.closed = Some(reason);
        self.open = None;
        assert_eq!(self.session.waiting(), Waiting::Closed);
        let before = self.written.len();
        self.session.timed_out(&mut self.written);
        self.session.shutting_down(&mut self.written);
        self.session.answer(Answer::Accept, &mut self.written);
        let (used, step) = self.session.receive(b"NOOP\r\n", &mut self.written);
        assert!(matches!(step, Step::Close(again) if again == reason), "{step:?}");
        assert_eq!((used, self.written.len()), (0, before));
    }

    fn decide(&mut self, question: &Question<'_>) {
        question::check(question);
        self.asked += 1;
        let every = usize::from(self.policy.refuse_every);
        let yes = every == 0 || !self.asked.is_multiple_of(every);
        match question {
            Question::Connect | Question::Helo { .. } => {}
            Question::Mail { path, .. } => {
                assert!(self.open.is_none(), "MAIL inside a transaction");
                let from = match path {
                    ReversePath::Null => String::new(),
                    ReversePath::Mailbox(mailbox) => mailbox.as_str().to_owned(),
                };
                self.open = yes.then(|| Message { from, ..Message::default() });
            }
            Question::Rcpt { path, .. } => {
                let open = self.open.as_mut().expect("RCPT outside of a transaction");
                let rcpt = match path {
                    ForwardPath::Postmaster(name) => name,
                    ForwardPath::Mailbox(mailbox) => mailbox.as_str(),
                };
                open.rcpt.extend(yes.then(|| rcpt.to_owned()));
            }
            Question::Data => {
                let open = self.open.as_ref().expect("data without a transaction");
                assert!(!open.rcpt.is_empty() && open.body.is_empty());
            }
            Question::Message => {
                let message = self.open.take().expect("a message without a transaction");
                assert_eq!(self.session.recipients() as usize, message.rcpt.len());
                self.accepted.extend(yes.then_some(message));
            }
            Question::Xclient(_) | Question::Xforward(_) => {
                assert!(self.open.is_none(), "a proxy's command inside a transaction");
                self.proxy_command = question::canonical(question);
            }
        }
        self.answer(yes);
        assert!(!self.session.is_asking());
    }

    fn answer(&mut self, yes: bool) {
        let chosen = if yes { 0 } else { 1 + self.asked % 5 };
        let code = [250, 451, 550, 550, 421, 451][chosen];
        let enhanced = Enhanced::new((code / 100) as u8, 7, 1);
        let reply = Reply::new(code, Some(enhanced), "as you\r\nwish").expect("2xx, 4xx or 5xx");
        let answer = match chosen {
            0 => Answer::Accept,
            3 => Answer::Disconnect(&reply),
            5 => Answer::Greeting("mail.test says hello"), // fits one question only
            _ => Answer::Reply(&reply),
        };
        self.session.answer(answer, &mut self.written);
    }
}

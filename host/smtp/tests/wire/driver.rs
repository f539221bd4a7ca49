//! A driver with a fixed policy: what `net::connection` does with sockets, done with byte slices.

use std::sync::Arc;

use guerrilla_smtp::{
    Answer, CloseReason, Enhanced, ForwardPath, PeerTraits, Question, Reply, ReversePath, Session,
    Settings, Step,
};

/// A message that was accepted, or is being received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) from: String,
    pub(crate) rcpt: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// One connection to a session.
pub(crate) struct Driver {
    pub(crate) session: Session,
    /// Everything the session has written.
    pub(crate) written: Vec<u8>,
    /// Accepted messages.
    pub(crate) accepted: Vec<Message>,
    pub(crate) closed: Option<CloseReason>,
    /// The session waits for a handshake.
    pub(crate) handshake: bool,
    /// How often [`Step::Pause`] came.
    pub(crate) pauses: usize,
    buffer: Vec<u8>,
    open: Option<Message>,
    host_name: String,
    lmtp_replies: bool,
}

impl Driver {
    /// Opens the connection; the greeting is written.
    pub(crate) fn new(settings: Settings, peer: PeerTraits) -> Self {
        let host_name = settings.host_name.clone();
        let lmtp_replies = settings.protocol == guerrilla_smtp::Protocol::Lmtp || settings.prdr;
        let mut this = Self {
            session: Session::new(Arc::new(settings), peer),
            written: Vec::new(),
            accepted: Vec::new(),
            closed: None,
            handshake: false,
            pauses: 0,
            buffer: Vec::new(),
            open: None,
            host_name,
            lmtp_replies,
        };
        this.feed(b"");
        this
    }

    /// Hands over bytes and runs the session until it wants more.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let mut taken = 0;
        loop {
            let (used, step) = self.session.receive(&buffer[taken..], &mut self.written);
            taken += used;
            match step {
                Step::Ask(question) => self.decide(question),
                Step::Body(bytes) => {
                    assert!(!bytes.is_empty(), "a step without content");
                    let open = self.open.as_mut().expect("a body without a transaction");
                    open.body.extend_from_slice(bytes);
                }
                Step::Close(reason) => {
                    self.closed = Some(reason);
                    self.open = None;
                    return;
                }
                Step::Flush => {}
                Step::NeedInput => break,
                Step::Pause(_) => self.pauses += 1,
                Step::Reset | Step::Spoilt(_) => self.open = None,
                Step::StartTls => {
                    assert_eq!(taken, buffer.len(), "bytes left behind STARTTLS");
                    self.handshake = true;
                    break;
                }
            }
        }
        let left = buffer.len() - taken;
        assert!(left <= guerrilla_smtp::LONGEST_LINE, "{left} bytes are left to the driver");
        self.buffer.extend_from_slice(&buffer[taken..]);
    }

    /// The handshake is done.
    pub(crate) fn tls_done(&mut self) {
        assert!(self.handshake, "no STARTTLS was accepted");
        self.handshake = false;
        self.session.tls_done();
        self.feed(b"");
    }

    /// What the open transaction holds, if one is open.
    pub(crate) fn open(&self) -> Option<&Message> {
        self.open.as_ref()
    }

    fn decide(&mut self, question: Question<'_>) {
        let no =
            |code, enhanced, text: &'static str| Reply::new(code, Some(enhanced), text).unwrap();
        let relay = no(550, Enhanced::new(5, 7, 1), "Relay access denied");
        let unknown = no(550, Enhanced::new(5, 1, 1), "User unknown");
        let full = no(452, Enhanced::new(4, 2, 2), "Mailbox full");
        let greeting = format!("{} ESMTP", self.host_name);
        let queued = format!("OK: queued as t{}", self.accepted.len() + 1);
        let queued = Reply::new(250, Some(Enhanced::new(2, 0, 0)), queued).unwrap();
        let mut each = Vec::new();
        let answer = match question {
            Question::Connect => Answer::Greeting(&greeting),
            Question::Mail { path, .. } => {
                let from = match path {
                    ReversePath::Null => String::new(),
                    ReversePath::Mailbox(mailbox) => mailbox.as_str().to_owned(),
                };
                if from.ends_with("@refused.test") {
                    Answer::Reply(&relay)
                } else {
                    self.open = Some(Message { from, ..Message::default() });
                    Answer::Accept
                }
            }
            Question::Rcpt { path, .. } => {
                let (rcpt, local) = match path {
                    ForwardPath::Postmaster(name) => (name.to_owned(), name.into()),
                    ForwardPath::Mailbox(mailbox) => {
                        (mailbox.as_str().to_owned(), mailbox.local().unquoted())
                    }
                };
                if rcpt.ends_with("@refused.test") {
                    Answer::Reply(&relay)
                } else if local == "unknown" {
                    Answer::Reply(&unknown)
                } else {
                    let open = self.open.as_mut().expect("a recipient without a transaction");
                    open.rcpt.push(rcpt);
                    Answer::Accept
                }
            }
            Question::Message => {
                let message = self.open.take().expect("a message without a transaction");
                assert_eq!(message.rcpt.len(), self.session.recipients() as usize);
                let verdict =
                    |rcpt: &String| if rcpt.starts_with("full@") { &full } else { &queued };
                each.extend(message.rcpt.iter().map(|rcpt| verdict(rcpt).clone()));
                self.accepted.push(message);
                if self.lmtp_replies { Answer::Each(&each) } else { Answer::Reply(&queued) }
            }
            Question::Data | Question::Helo { .. } => Answer::Accept,
            Question::Xclient(_) | Question::Xforward(_) => Answer::Accept,
        };
        assert!(self.session.is_asking());
        self.session.answer(answer, &mut self.written);
        assert!(!self.session.is_asking());
    }
}

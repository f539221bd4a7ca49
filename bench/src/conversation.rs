//! The client's side of a dialogue: reply lines go in, commands come out. No sockets, no clock.

use std::collections::VecDeque;
use std::time::Instant;

use crate::outbox::Outbox;
use crate::replies::ReplyLine;
use crate::script::Script;

/// One connection's dialogue.
#[derive(Debug)]
pub struct Conversation {
    awaited: VecDeque<Awaited>,
    offers: Offers,
    secured: bool,
    message: Option<Message>,
    turn: usize,
}

/// What a reply line means to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Nothing yet.
    Nothing,
    /// STARTTLS has been answered: the handshake is next, then [`Conversation::secured`].
    StartTls,
    /// The hellos are over.
    Greeted,
    /// The message has its last reply; another may begin.
    Answered {
        /// Taken for every recipient.
        accepted: bool,
        /// When it was due.
        due: Instant,
        /// Its octets.
        size: usize,
    },
    /// QUIT has been answered; the server closes.
    Bye,
    /// The server ends the connection of its own accord (421), or refuses to begin.
    Refused,
    /// A reply that nothing was asked for.
    Unexpected,
}

/// What EHLO said that matters here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offers {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 3207.
    pub starttls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Greeting,
    Hello,
    StartTls,
    Mail,
    Recipient,
    Data,
    Chunk,
    End,
    Reset,
    Quit,
}

#[derive(Debug)]
struct Message {
    due: Instant,
    letter: usize,
    piece: usize,
    recipients_sent: usize,
    recipients_taken: usize,
    refused: bool,
}

impl Conversation {
    /// Before the greeting. `turn` says with which message of the order it begins; `secured`: TLS from the first byte.
    pub fn new(turn: usize, secured: bool) -> Self {
        let mut awaited = VecDeque::with_capacity(8);
        awaited.push_back(Awaited::Greeting);
        Self { awaited, offers: Offers::default(), secured, message: None, turn }
    }

    /// Whether a message is under way.
    pub fn is_busy(&self) -> bool {
        self.message.is_some()
    }

    /// What the server has offered.
    pub fn offers(&self) -> Offers {
        self.offers
    }

    /// Whether messages go out as BDAT.
    pub fn chunked(&self, script: &Script) -> bool {
        self.offers.chunking && !script.by_bdat.is_empty()
    }

    /// The handshake is over: RFC 3207 section 4.2 has the client begin anew.
    pub fn secured(&mut self, script: &Script, out: &mut Outbox) {
        self.secured = true;
        self.ask(&script.hello, Awaited::Hello, out);
    }

    /// Begins a message.
    pub fn begin(&mut self, due: Instant, script: &Script, out: &mut Outbox) {
        let letter = script.order[self.turn % script.order.len()];
        self.turn = self.turn.wrapping_add(1);
        let mut message = Message {
            due,
            letter,
            piece: 0,
            recipients_sent: 0,
            recipients_taken: 0,
            refused: false,
        };
        if !(self.offers.pipelining && script.pipelining) {
            self.message = Some(message);
            return self.ask(&script.mail, Awaited::Mail, out);
        }
        message.recipients_sent = script.recipients.len();
        self.awaited.push_back(Awaited::Mail);
        self.awaited.extend(script.recipients.iter().map(|_| Awaited::Recipient));
        out.say(&script.group);
        if self.chunked(script) {
            let wire = &script.by_bdat[letter];
            self.awaited.extend(wire.pieces.iter().map(|_| Awaited::Chunk));
            message.piece = wire.pieces.len();
            out.enclose(letter, 0..wire.wire.len());
        } else {
            if !script.by_bdat.is_empty() {
                // CHUNKING was wanted and is not offered, so the group ends without DATA.
                out.say(b"DATA\r\n");
            }
            self.awaited.push_back(Awaited::Data);
        }
        self.message = Some(message);
    }

    /// Says QUIT.
    pub fn quit(&mut self, out: &mut Outbox) {
        self.ask(b"QUIT\r\n", Awaited::Quit, out);
    }

    /// A line of a reply.
    pub fn line(&mut self, line: ReplyLine<'_>, script: &Script, out: &mut Outbox) -> Event {
        if self.awaited.front() == Some(&Awaited::Hello) && line.code == 250 {
            self.offered(line.text);
        }
        if !line.last {
            return Event::Nothing;
        }
        let Some(awaited) = self.awaited.pop_front() else {
            return if line.code == 421 { Event::Refused } else { Event::Unexpected };
        };
        if line.code == 421 {
            return Event::Refused;
        }
        self.reply(awaited, line.code, script, out)
    }

    fn reply(&mut self, awaited: Awaited, code: u16, script: &Script, out: &mut Outbox) -> Event {
        let good = code < 400;
        match awaited {
            Awaited::Greeting if good => self.ask(&script.hello, Awaited::Hello, out),
            Awaited::Hello if good && script.starttls && !self.secured => {
                if !self.offers.starttls {
                    return Event::Refused;
                }
                self.offers = Offers::default();
                self.ask(b"STARTTLS\r\n", Awaited::StartTls, out);
            }
            Awaited::Hello if good => return Event::Greeted,
            Awaited::StartTls if good => return Event::StartTls,
            Awaited::Greeting | Awaited::Hello | Awaited::StartTls => return Event::Refused,
            Awaited::Mail => self.mail(good, script, out),
            Awaited::Recipient => self.recipient(good, script, out),
            Awaited::Data => self.data(code == 354, script, out),
            Awaited::Chunk => return self.chunk(good, script, out),
            Awaited::End => return self.end(good, script),
            Awaited::Reset => return self.answered(script),
            Awaited::Quit => return Event::Bye,
        }
        Event::Nothing
    }

    fn mail(&mut self, good: bool, script: &Script, out: &mut Outbox) {
        let Some(message) = &mut self.message else { return };
        message.refused |= !good;
        // In a group the other replies are on their way.
        if self.awaited.is_empty() {
            if good { self.next_recipient(script, out) } else { self.reset(out) }
        }
    }

    fn recipient(&mut self, good: bool, script: &Script, out: &mut Outbox) {
        let Some(message) = &mut self.message else { return };
        message.recipients_taken += usize::from(good);
        message.refused |= !good;
        if !self.awaited.is_empty() {
            return;
        }
        if message.recipients_sent < script.recipients.len() {
            self.next_recipient(script, out);
        } else if message.recipients_taken == 0 {
            self.reset(out);
        } else if self.chunked(script) {
            self.next_chunk(script, out);
        } else {
            self.ask(b"DATA\r\n", Awaited::Data, out);
        }
    }

    fn next_recipient(&mut self, script: &Script, out: &mut Outbox) {
        if let Some(message) = &mut self.message {
            let command = &script.recipients[message.recipients_sent];
            message.recipients_sent += 1;
            self.ask(command, Awaited::Recipient, out);
        }
    }

    fn next_chunk(&mut self, script: &Script, out: &mut Outbox) {
        if let Some(message) = &mut self.message {
            let piece = script.by_bdat[message.letter].pieces[message.piece].clone();
            message.piece += 1;
            out.enclose(message.letter, piece);
            self.awaited.push_back(Awaited::Chunk);
        }
    }

    fn data(&mut self, good: bool, script: &Script, out: &mut Outbox) {
        let Some(message) = &mut self.message else { return };
        if !good {
            message.refused = true;
            self.reset(out);
        } else if message.recipients_taken == 0 {
            // 354 in a pipelined group though every recipient was refused (RFC 2920 section 3.1).
            self.ask(b".\r\n", Awaited::End, out);
        } else {
            out.enclose(message.letter, 0..script.by_data[message.letter].wire.len());
            self.awaited.push_back(Awaited::End);
        }
    }

    fn chunk(&mut self, good: bool, script: &Script, out: &mut Outbox) -> Event {
        let Some(message) = &mut self.message else { return Event::Unexpected };
        message.refused |= !good;
        let last = message.piece == script.by_bdat[message.letter].pieces.len();
        let each_has_a_reply = script.lmtp && message.recipients_taken > 0;
        if !self.awaited.is_empty() {
            return Event::Nothing;
        }
        if last && (good || each_has_a_reply) {
            return self.end(good, script);
        }
        if good {
            self.next_chunk(script, out)
        } else {
            self.reset(out)
        }
        Event::Nothing
    }

    /// The reply to the message, or by LMTP the first of one for each recipient that was taken.
    fn end(&mut self, good: bool, script: &Script) -> Event {
        let Some(message) = &mut self.message else { return Event::Unexpected };
        message.refused |= !good;
        message.recipients_taken = message.recipients_taken.saturating_sub(1);
        if script.lmtp && message.recipients_taken > 0 {
            self.awaited.push_back(Awaited::End);
            return Event::Nothing;
        }
        self.answered(script)
    }

    fn reset(&mut self, out: &mut Outbox) {
        self.ask(b"RSET\r\n", Awaited::Reset, out);
    }

    fn answered(&mut self, script: &Script) -> Event {
        match self.message.take() {
            Some(Message { due, refused, letter, .. }) => {
                Event::Answered { accepted: !refused, due, size: script.by_data[letter].size }
            }
            None => Event::Unexpected,
        }
    }

    fn ask(&mut self, command: &[u8], awaited: Awaited, out: &mut Outbox) {
        out.say(command);
        self.awaited.push_back(awaited);
    }

    fn offered(&mut self, text: &[u8]) {
        let keyword = text.split(|octet| *octet == b' ').next().unwrap_or_default();
        self.offers.pipelining |= keyword.eq_ignore_ascii_case(b"PIPELINING");
        self.offers.chunking |= keyword.eq_ignore_ascii_case(b"CHUNKING");
        self.offers.starttls |= keyword.eq_ignore_ascii_case(b"STARTTLS");
    }
}

#[cfg(test)]
mod tests;

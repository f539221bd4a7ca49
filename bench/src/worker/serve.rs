//! One connection when epoll has news of it: read, understand, answer.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use rustls::HandshakeKind;

use super::connect::client_tls;
use super::{Connection, State, Worker};
use crate::conversation::Event;

impl Worker<'_> {
    /// Reads, understands and writes what can be on one connection.
    pub(super) fn serve(&mut self, index: usize) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
            return Ok(());
        };
        if !connection.connected {
            if let Some(error) = connection.transport.connect_error() {
                self.drop_connection(index);
                return self.unreachable(&error);
            }
            connection.connected = true;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let state = self.exchange(index, &mut buffer);
        self.buffer = buffer;
        if state? == State::Closed { self.closed(index) } else { Ok(()) }
    }

    fn exchange(&mut self, index: usize, buffer: &mut [u8]) -> io::Result<State> {
        loop {
            if self.send(index) == State::Closed {
                return Ok(State::Closed);
            }
            let Some(connection) = self.connections[index].as_mut() else { return Ok(State::Open) };
            let read = connection.transport.read(buffer);
            if connection.handshaking && connection.transport.is_open() {
                self.handshake_done(index);
            }
            let count = match read {
                Ok(0) => return Ok(State::Closed),
                Ok(count) => count,
                Err(error) if is_wait(&error) => return Ok(self.send(index)),
                Err(error) => {
                    self.tally.error(|| format!("reading: {error}"));
                    return Ok(State::Closed);
                }
            };
            let state = self.understand(index, &buffer[..count])?;
            let sent = self.send(index);
            if state == State::Closed || sent == State::Closed {
                return Ok(State::Closed);
            }
            // Behind the reply to QUIT the end of the connection may have come, without an edge of its own.
            let all = |connection: &Connection| {
                connection.transport.short_read_is_all() && !connection.bye
            };
            if count < buffer.len() && self.connections[index].as_ref().is_none_or(all) {
                return Ok(State::Open);
            }
        }
    }

    fn understand(&mut self, index: usize, bytes: &[u8]) -> io::Result<State> {
        let Some(connection) = self.connections[index].as_mut() else { return Ok(State::Open) };
        let Connection { lines, conversation, out, .. } = connection;
        let (script, tally) = (&self.plan.script, &mut self.tally);
        let mut found = [Event::Nothing; 4];
        let mut count = 0;
        let fed = lines.feed(bytes, |line| {
            if line.last {
                tally.reply(line.code);
            }
            let event = conversation.line(line, script, out);
            if matches!(event, Event::Refused | Event::Unexpected) {
                let text = String::from_utf8_lossy(line.text);
                tally.error(|| format!("the server said, out of turn: {} {text}", line.code));
            }
            if event != Event::Nothing {
                found[count] = event;
                count += 1;
            }
            count < found.len() && event != Event::StartTls
        });
        if fed.is_err() {
            self.tally.error(|| "the server said what is no reply of SMTP".to_owned());
            return Ok(State::Closed);
        }
        let now = Instant::now();
        for event in &found[..count] {
            if self.happened(index, *event, now)? == State::Closed {
                return Ok(State::Closed);
            }
        }
        Ok(State::Open)
    }

    fn happened(&mut self, index: usize, event: Event, now: Instant) -> io::Result<State> {
        let Some(connection) = self.connections[index].as_mut() else { return Ok(State::Open) };
        match event {
            Event::Nothing => {}
            Event::StartTls => {
                if let Some(tls) = &self.plan.tls {
                    connection.transport.begin_tls(client_tls(tls)?);
                    connection.handshaking = true;
                }
            }
            Event::Greeted => self.greeted(index, now),
            Event::Answered { accepted, due, size } => {
                connection.messages += 1;
                let done = connection.messages >= self.plan.messages_each;
                self.answered(accepted, due, size, now);
                self.next(index, done, now);
            }
            Event::Bye => connection.bye = true,
            Event::Refused | Event::Unexpected => return Ok(State::Closed),
        }
        Ok(State::Open)
    }

    fn answered(&mut self, accepted: bool, due: Instant, size: usize, now: Instant) {
        self.tally.answered(due, now);
        if accepted {
            self.tally.accepted += 1;
            self.tally.octets += size as u64;
            self.progress.accepted.fetch_add(1, Relaxed);
        } else {
            self.tally.refused += 1;
            self.progress.failed.fetch_add(1, Relaxed);
        }
    }

    fn greeted(&mut self, index: usize, now: Instant) {
        let Some(connection) = self.connections[index].as_mut() else { return };
        connection.greeted = true;
        self.opening -= 1;
        self.failures = 0;
        self.tally.greeted(connection.begun, now);
        self.progress.sessions.fetch_add(1, Relaxed);
        let (script, offers) = (&self.plan.script, connection.conversation.offers());
        if script.pipelining && !offers.pipelining {
            self.tally.not_offered("PIPELINING");
        }
        if !script.by_bdat.is_empty() && !offers.chunking {
            self.tally.not_offered("CHUNKING");
        }
        if connection.idle {
            self.idle += 1;
            self.progress.idle.fetch_add(1, Relaxed);
        } else {
            self.progress.open.fetch_add(1, Relaxed);
            self.next(index, self.plan.messages_each == 0, now);
        }
    }

    /// The connection is free: another message now, one when it is due, or the end.
    fn next(&mut self, index: usize, done: bool, now: Instant) {
        if done {
            if let Some(connection) = self.connections[index].as_mut() {
                connection.conversation.quit(&mut connection.out);
            }
        } else if self.pace.is_some() {
            self.ready.push(index);
        } else {
            self.ending |= self.end.is_some_and(|end| now >= end);
            self.begin_or_quit(index, now);
        }
    }

    fn handshake_done(&mut self, index: usize) {
        let Some(connection) = self.connections[index].as_mut() else { return };
        connection.handshaking = false;
        match connection.transport.handshake() {
            Some(HandshakeKind::Resumed) => self.tally.resumed += 1,
            _ => self.tally.handshakes += 1,
        }
        if self.plan.script.starttls {
            connection.conversation.secured(&self.plan.script, &mut connection.out);
        }
    }

    pub(super) fn send(&mut self, index: usize) -> State {
        let Some(Connection { transport, conversation, out, .. }) =
            self.connections[index].as_mut()
        else {
            return State::Open;
        };
        let letters = self.plan.script.letters(conversation.chunked(&self.plan.script));
        let sent = if transport.is_open() && !out.is_empty() {
            out.send(|letter| &letters[letter].wire, |bytes| transport.write_vectored(bytes))
        } else {
            Ok(true)
        };
        match sent.and_then(|_| transport.flush()) {
            Ok(_) => State::Open,
            Err(error) if is_wait(&error) => State::Open,
            // What the server said before it closed has still to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => State::Open,
            Err(error) => {
                self.tally.error(|| format!("writing: {error}"));
                State::Closed
            }
        }
    }
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

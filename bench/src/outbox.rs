//! What a connection has still to send: some commands, then perhaps a part of a message, which is not copied for it.

use std::io::{self, IoSlice};
use std::ops::Range;

/// Commands, and behind them a range of a letter.
#[derive(Debug, Default)]
pub struct Outbox {
    commands: Vec<u8>,
    sent: usize,
    letter: Option<(usize, Range<usize>)>,
}

impl Outbox {
    /// Commands to be sent before the letter.
    pub fn say(&mut self, commands: &[u8]) {
        self.commands.extend_from_slice(commands);
    }

    /// A range of the letter with this index, behind the commands.
    pub fn enclose(&mut self, letter: usize, range: Range<usize>) {
        self.letter = Some((letter, range));
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.letter.is_none()
    }

    /// Gives `write` what is to be sent until everything is (`true`) or it would block (`false`). `wire` finds a letter.
    pub fn send<'a>(
        &mut self,
        wire: impl Fn(usize) -> &'a [u8],
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        while !self.is_empty() {
            let body =
                self.letter.as_ref().map_or(&[][..], |(index, range)| &wire(*index)[range.clone()]);
            let commands = &self.commands[self.sent..];
            let written = match (commands.is_empty(), body.is_empty()) {
                (true, _) => write(&[IoSlice::new(body)]),
                (_, true) => write(&[IoSlice::new(commands)]),
                _ => write(&[IoSlice::new(commands), IoSlice::new(body)]),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn advance(&mut self, count: usize) {
        let commands = count.min(self.commands.len() - self.sent);
        self.sent += commands;
        if self.sent == self.commands.len() {
            self.commands.clear();
            self.sent = 0;
        }
        if let Some((_, range)) = &mut self.letter {
            range.start += count - commands;
            if range.start == range.end {
                self.letter = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_once_however_little_is_taken_at_a_time() {
        for step in 1..12 {
            let (mut outbox, mut arrived, mut turn) = (Outbox::default(), Vec::new(), 0);
            outbox.say(b"DATA\r\n");
            outbox.enclose(0, 2..7);
            let mut write = |slices: &[IoSlice<'_>]| {
                turn += 1;
                if turn % 3 == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                arrived.extend_from_slice(&all[..all.len().min(step)]);
                Ok(all.len().min(step))
            };
            while !outbox.send(|_| b"..hello..", &mut write).unwrap() {}
            assert_eq!(arrived, b"DATA\r\nhello", "step {step}");
        }
    }
}

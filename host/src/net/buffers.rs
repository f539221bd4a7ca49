//! Buffers that connections borrow while there is data.
//!
//! Each thread keeps a few; a connection that waits holds none, unless a partial line or an unsent reply is in it.

use std::cell::RefCell;
use std::mem::take;

/// What has come in and is not used up, and what is to go out.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    input: Vec<u8>,
    start: u32,
    end: u32,
    /// How much of the output the socket has.
    written: u32,
    /// Replies to be written.
    pub(super) output: Vec<u8>,
}

impl Buffers {
    /// A set from this thread's store.
    pub(super) fn borrow() -> Self {
        let kept = STORE.with_borrow_mut(Vec::pop);
        let Set { input, mut output } = kept
            .unwrap_or_else(|| Set { input: vec![0; INPUT], output: Vec::with_capacity(OUTPUT) });
        output.clear();
        Self { input, start: 0, end: 0, written: 0, output }
    }

    /// Gives them back if nothing of this client is in them. They are an empty shell then, until [`Buffers::have`].
    pub(super) fn lend(&mut self) {
        if self.is_idle() {
            drop(take(self));
        }
    }

    /// Borrows again what was lent. Words that the shell has got meanwhile are still to be said.
    pub(super) fn have(&mut self) {
        if self.is_hollow() {
            let said = take(&mut self.output);
            *self = Self::borrow();
            self.output.extend_from_slice(&said);
        }
    }

    fn is_hollow(&self) -> bool {
        self.input.is_empty()
    }

    /// Whether nothing is in it.
    pub(super) fn is_idle(&self) -> bool {
        self.start == self.end && self.output.is_empty()
    }

    /// Both sides at once, for the session.
    pub(super) fn both(&mut self) -> (&[u8], &mut Vec<u8>) {
        (&self.input[self.start as usize..self.end as usize], &mut self.output)
    }

    /// Marks bytes as used up.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes as u32;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room behind the bytes that are there; the session leaves at most a line, so there always is some.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.input.copy_within(self.start as usize..self.end as usize, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.input[self.end as usize..]
    }

    /// Marks bytes of the room as read.
    pub(super) fn filled(&mut self, bytes: usize) {
        self.end += bytes as u32;
    }

    /// The replies that the socket has not got.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.output[self.written as usize..]
    }

    /// Marks replies as written. They stay until all that belongs to them is said.
    pub(super) fn written(&mut self, bytes: usize) {
        self.written += bytes as u32;
    }

    /// All replies are written.
    pub(super) fn said(&mut self) {
        self.output.clear();
        self.written = 0;
    }
}

/// Also the buffers of a connection that ends go back: 64 KiB that are new and empty cost more than all its commands.
impl Drop for Buffers {
    fn drop(&mut self) {
        if self.is_hollow() || self.output.capacity() > MAX_OUTPUT {
            return;
        }
        // A thread that ends has no store any more.
        let _ = STORE.try_with(|store| {
            let mut store = store.borrow_mut();
            if store.len() < KEPT {
                store.push(Set { input: take(&mut self.input), output: take(&mut self.output) });
            }
        });
    }
}

/// What is kept of buffers that nobody uses.
struct Set {
    input: Vec<u8>,
    output: Vec<u8>,
}

thread_local! {
    static STORE: RefCell<Vec<Set>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of an input buffer: an ordinary mail comes in with one read.
const INPUT: usize = 64 * 1024;
/// Bytes of a fresh output buffer: the replies of a pipelined group.
const OUTPUT: usize = 1024;
/// Output buffers above this are not kept.
const MAX_OUTPUT: usize = 64 * 1024;
/// Sets a thread keeps.
const KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_comes_back_with_what_was_said_meanwhile() {
        let mut buffers = Buffers::borrow();
        buffers.room()[..4].copy_from_slice(b"NOOP");
        buffers.filled(4);
        buffers.lend();
        assert_eq!(buffers.both().0, b"NOOP", "nobody else gets what a client has sent");
        buffers.consume(4);
        buffers.lend();
        assert!(buffers.is_hollow());
        buffers.output.extend_from_slice(b"421 ");
        buffers.have();
        let (input, output) = buffers.both();
        assert_eq!((input, &output[..]), (&b""[..], &b"421 "[..]));
        assert_eq!(buffers.room().len(), INPUT);
    }
}

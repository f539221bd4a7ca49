//! The socket as rustls reads it.
//!
//! rustls asks for 4 KiB at a time, three system calls for a mail of 10 KB. So what is there is fetched at once into a
//! buffer of this thread's, and rustls is fed from there.
//!
//! *Never*: keeps anything beyond a call, for the next is perhaps another connection's. Whoever fetches feeds rustls with all of it,
//! and has room for what becomes of it.

use std::cell::RefCell;
use std::io::{self, Read};
use std::ops::Range;

use crate::net::wire::Socket;

/// What is to be read of a socket in one call of the session.
pub(super) struct Inlet<'a> {
    socket: &'a Socket,
    fetched: &'a mut [u8],
    /// Of that, what rustls has not got yet.
    unread: Range<usize>,
    /// The socket has given less than there was room for: there is no more.
    is_dry: bool,
    /// Bytes that have been fetched.
    taken: usize,
}

impl Inlet<'_> {
    /// Lends one that has fetched nothing yet.
    pub(super) fn lend<R>(socket: &Socket, use_it: impl FnOnce(&mut Inlet<'_>) -> R) -> R {
        FETCHED.with_borrow_mut(|fetched| {
            fetched.resize(AT_ONCE, 0);
            use_it(&mut Inlet { socket, fetched, unread: 0..0, is_dry: false, taken: 0 })
        })
    }

    pub(super) fn socket(&self) -> &Socket {
        self.socket
    }

    /// How much has been fetched by now.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Whether rustls has got all that was fetched.
    pub(super) fn has_passed_on_all(&self) -> bool {
        self.unread.is_empty()
    }

    /// Whether that was all there is.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_dry && self.has_passed_on_all()
    }

    /// Sees to it that there is something to read, or the end; `false` when neither is there yet. Fetches what becomes so
    /// much plain text at most.
    pub(super) fn fetch(&mut self, room: usize) -> io::Result<bool> {
        if !self.has_passed_on_all() {
            return Ok(true);
        }
        // A record may be half there already, and come out whole.
        let most = room.saturating_sub(RECORD).clamp(1, AT_ONCE);
        match self.socket.try_read(&mut self.fetched[..most]) {
            Ok(bytes) => {
                self.is_dry = bytes < most;
                self.unread = 0..bytes;
                self.taken += bytes;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_dry = true;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl Read for Inlet<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let bytes = room.len().min(self.unread.len());
        let (from, to) = (self.unread.start, self.unread.start + bytes);
        room[..bytes].copy_from_slice(&self.fetched[from..to]);
        self.unread.start = to;
        Ok(bytes)
    }
}

thread_local! {
    static FETCHED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Bytes of one system call: two records, or a pipelined group with an ordinary mail.
const AT_ONCE: usize = 32 * 1024;

/// The most that a record has, with its header and what TLS 1.2 allows for a tag (RFC 8446 section 5.2, RFC 5246 section 6.2.3).
pub(super) const RECORD: usize = 16 * 1024 + 2048 + 5;

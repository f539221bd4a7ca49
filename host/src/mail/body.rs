//! Where the bytes of a message are while it is on its way: in memory up to a threshold, beyond that in a file
//! without a name, which is mapped when it is complete, so that processors always see one slice.
//!
//! A message of a gigabyte so costs the page cache, which the kernel can take back, and not memory, which it cannot.
//!
//! *Limits*: the file is written on the connection's thread, into the page cache; nothing is synced. While a gigabyte came in at
//! 550 MB/s, another connection of the same thread had its replies within 8 ms (99 of 100; 0.2 ms on an idle thread). A
//! disk so slow that the kernel makes writers wait makes the connections of that thread wait.

use std::io;
use std::thread;

use super::HeaderIndex;
use super::mapped::Mapped;
use super::rooms;
use super::spool::Spool;
use super::storage::{Share, Storage};

/// A message body: what came between DATA and the final dot, dots unstuffed, CRLF kept.
#[derive(Debug, Default)]
pub struct Body {
    memory: Vec<u8>,
    /// Bytes that the client has said there will be, or 0.
    declared: u32,
    /// What memory, index and notes take of the daemon's budget. None before the first byte ever: then nobody has told us
    /// which one that is.
    share: Option<Share>,
    /// Bytes that the index of the header fields may take.
    index: u32,
    /// Bytes that the notes of the message take beyond the first few.
    notes: u64,
    file: Option<Spooled>,
}

#[derive(Debug)]
enum Spooled {
    Open(Box<Spool>),
    Complete(Mapped),
}

impl Spooled {
    /// Gives the disk's room back. For a large file that takes the kernel a third of a second a gigabyte, which the other
    /// connections of this thread are not to wait for.
    fn forget(self) {
        let bytes = match &self {
            Self::Open(spool) => spool.len(),
            Self::Complete(mapped) => mapped.as_slice().len() as u64,
        };
        if bytes >= LARGE {
            // When there is no thread to be had, the file is dropped with the closure, here.
            let _ = thread::Builder::new().name("spool".into()).spawn(move || drop(self));
        }
    }
}

/// The body could not be kept: there is not enough room, for the moment.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The daemon's budget of memory is used up.
    #[error("max_memory is used up by messages in flight")]
    Memory,
    /// The file could not be made, written or mapped.
    #[error("spool_dir: {0}")]
    File(#[from] io::Error),
}

impl Body {
    /// No bytes yet.
    pub const fn new() -> Self {
        Self { memory: Vec::new(), declared: 0, share: None, index: 0, notes: 0, file: None }
    }

    /// How many bytes the client says there will be (RFC 1870). It is taken for a hint and no more.
    pub fn expect(&mut self, bytes: u64) {
        self.declared = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// The body in one piece. A body in a file shows nothing before [`Body::complete`].
    pub fn as_slice(&self) -> &[u8] {
        match &self.file {
            None => &self.memory,
            Some(Spooled::Complete(mapped)) => mapped.as_slice(),
            Some(Spooled::Open(..)) => &[],
        }
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        match &self.file {
            Some(Spooled::Open(spool)) => usize::try_from(spool.len()).unwrap_or(usize::MAX),
            _ => self.as_slice().len(),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends what the protocol has decoded.
    ///
    /// # Errors
    /// When there is no room for it, in memory or on disk. The body is of no use then.
    pub fn append(&mut self, bytes: &[u8], storage: &Storage) -> Result<(), BodyError> {
        let length = self.len() + bytes.len();
        match &mut self.file {
            Some(Spooled::Open(spool)) => Ok(spool.append(bytes)?),
            // Complete means complete: the protocol gives no more bytes then.
            Some(Spooled::Complete(_)) => Err(BodyError::File(io::ErrorKind::InvalidInput.into())),
            None if length > storage.threshold => self.spill(bytes, storage),
            None => {
                self.grow(length, storage)?;
                self.memory.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// No more bytes will come.
    ///
    /// # Errors
    /// When the last bytes cannot be written or the file cannot be mapped, or when there is no room for the index of a header
    /// of thousands of fields.
    pub fn complete(&mut self) -> Result<(), BodyError> {
        match self.file.take() {
            Some(Spooled::Open(spool)) => self.file = Some(Spooled::Complete(spool.complete()?)),
            other => self.file = other,
        }
        // It is made when the first processor asks for a field, which is too late to say no.
        let index = HeaderIndex::most_room(self.as_slice());
        self.index = u32::try_from(index).unwrap_or(u32::MAX);
        let fine = self.index == 0 || self.take_share(self.memory.capacity());
        if fine { Ok(()) } else { Err(BodyError::Memory) }
    }

    /// The notes of the message take so many bytes from now on; `false`, and nothing has changed, when they cannot be had.
    /// Before the first byte of the body they are taken down, and are had with it.
    pub(super) fn has_room_for_notes(&mut self, bytes: usize) -> bool {
        let counted = bytes.saturating_sub(FEW_NOTES) as u64;
        let before = std::mem::replace(&mut self.notes, counted);
        let fine = counted == before || self.take_share(self.memory.capacity());
        if !fine {
            self.notes = before;
        }
        fine
    }

    /// Has the share be what all takes, with so many bytes of memory.
    fn take_share(&mut self, memory: usize) -> bool {
        let bytes = memory as u64 + u64::from(self.index) + self.notes;
        self.share.as_mut().is_none_or(|share| share.change_to(bytes))
    }

    /// Forgets the bytes. The buffer is kept for the next message of this thread.
    pub fn clear(&mut self) {
        if let Some(file) = self.file.take() {
            file.forget();
        }
        if let Some(share) = &mut self.share {
            share.release();
        }
        (self.declared, self.index, self.notes) = (0, 0, 0);
        rooms::keep(std::mem::take(&mut self.memory));
    }

    /// Makes room in memory for a body of this length; the budget is charged with the room, not with the bytes.
    fn grow(&mut self, length: usize, storage: &Storage) -> Result<(), BodyError> {
        let room = self.memory.capacity();
        if length <= room {
            return Ok(());
        }
        // Who has sent a part of it is believed; to believe at once would let a word take a megabyte of the budget.
        let declared = (self.declared as usize).min(length.saturating_mul(TRUSTED));
        let wanted = declared.max(room.saturating_mul(2)).max(SMALLEST);
        let mut larger = rooms::take(wanted.min(storage.threshold).max(length));
        self.share.get_or_insert_with(|| Share::none_of(&storage.budget));
        if !self.take_share(larger.capacity()) {
            rooms::keep(larger);
            return Err(BodyError::Memory);
        }
        larger.extend_from_slice(&self.memory);
        rooms::keep(std::mem::replace(&mut self.memory, larger));
        Ok(())
    }

    /// From memory into a file.
    fn spill(&mut self, bytes: &[u8], storage: &Storage) -> Result<(), BodyError> {
        let mut spool = Spool::new(storage)?;
        spool.append(&self.memory)?;
        rooms::keep(std::mem::take(&mut self.memory));
        self.share.get_or_insert_with(|| Share::none_of(&storage.budget));
        if !self.take_share(0) {
            return Err(BodyError::Memory);
        }
        spool.append(bytes)?;
        self.file = Some(Spooled::Open(Box::new(spool)));
        Ok(())
    }
}

impl Clone for Body {
    /// A copy for who is told behind the reply: memory is copied, a complete file is shared. What is still being
    /// written is nobody else's business and is left out.
    fn clone(&self) -> Self {
        let file = match &self.file {
            Some(Spooled::Complete(mapped)) => Some(Spooled::Complete(mapped.clone())),
            _ => None,
        };
        Self { memory: self.memory.clone(), file, ..Self::new() }
    }
}

/// Bytes of notes that are not counted: where a processor has put the message, what it was called. A message that has its body in
/// is not to fail for these.
const FEW_NOTES: usize = 4 * 1024;

/// A file that takes milliseconds to delete, in bytes.
const LARGE: u64 = 8 << 20;

/// Room of a fresh buffer: an ordinary mail.
const SMALLEST: usize = 16 * 1024;

/// As many times the bytes that have come in are believed to be under way: the first read brings up to 64 KiB.
const TRUSTED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Budget;
    use std::sync::Arc;

    fn storage(threshold: usize, budget: u64) -> Storage {
        let budget = Arc::new(Budget::new(budget));
        Storage { threshold, budget, ..Storage::default() }
    }

    #[test]
    fn the_same_bytes_in_memory_and_in_a_file() {
        let pieces: Vec<Vec<u8>> = (0..200_u8).map(|i| vec![i; usize::from(i) * 3]).collect();
        for threshold in [0, 100, 10_000, 1 << 20] {
            let storage = storage(threshold, u64::MAX);
            let mut body = Body::default();
            for piece in &pieces {
                body.append(piece, &storage).unwrap();
            }
            body.complete().unwrap();
            assert_eq!(body.as_slice(), pieces.concat(), "{threshold}");
            assert_eq!((body.len(), body.clone().as_slice()), (59_700, body.as_slice()));
            body.clear();
            assert!(body.is_empty());
            assert_eq!(storage.budget.used(), 0);
        }
    }

    #[test]
    fn an_empty_body_is_complete_too() {
        let mut body = Body::default();
        body.complete().unwrap();
        assert_eq!(body.as_slice(), b"");
    }

    #[test]
    fn the_budget_holds_over_all_bodies_and_files_do_not_count() {
        let storage = storage(200 * 1024, 256 * 1024);
        let (mut one, mut other) = (Body::default(), Body::default());
        one.append(&[0; 150 * 1024], &storage).unwrap();
        assert!(matches!(other.append(&[0; 150 * 1024], &storage), Err(BodyError::Memory)));
        one.append(&[0; 100 * 1024], &storage).unwrap();
        assert_eq!(storage.budget.used(), 0, "it has gone to its file");
        other.append(&[0; 150 * 1024], &storage).unwrap();
    }

    #[test]
    fn a_declared_size_is_believed_in_part_and_never_beyond_the_threshold() {
        let storage = storage(1 << 20, u64::MAX);
        for (declared, first, least, most) in [
            (0, 20_000, 20_000, 40_000),
            (900_000, 64_000, 900_000, 1 << 20),
            (900_000, 10, 10, 40_000),
            (u64::MAX, 60_000, 60_000, 960_000),
            (u64::MAX, 1 << 20, 1 << 20, 1 << 20),
            (5, 20_000, 20_000, 40_000),
        ] {
            let mut body = Body::default();
            body.expect(declared);
            body.append(&vec![b'x'; first], &storage).unwrap();
            let room = storage.budget.used();
            assert!((least..=most).contains(&room), "{declared}, {first}: {room}");
            body.append(&[b'y'; 100], &storage).unwrap();
            assert_eq!(body.len(), first + 100);
        }
    }

    /// Sixteen thousand fields of four bytes take five times as much as the mail.
    #[test]
    fn the_index_of_a_hostile_header_is_charged_before_it_is_made() {
        let body = [b"a:\r\n".repeat(16_384), b"\r\nx\r\n".to_vec()].concat();
        for threshold in [1 << 20, 1000] {
            for (budget, fine) in [(1 << 20, true), (300 << 10, false)] {
                let storage = storage(threshold, budget);
                let mut hostile = Body::default();
                hostile.append(&body, &storage).unwrap();
                assert_eq!(hostile.complete().is_ok(), fine, "{threshold}, {budget}");
                assert!(!fine || storage.budget.used() >= 16_384 * 20, "{}", storage.budget.used());
                hostile.clear();
                assert_eq!(storage.budget.used(), 0);
                hostile.append(b"a: b\r\n\r\nx\r\n", &storage).unwrap();
                hostile.complete().unwrap();
                assert!(storage.budget.used() <= 64 << 10, "an ordinary one costs its body");
            }
        }
    }

    #[test]
    fn notes_are_charged_with_the_body() {
        let storage = storage(100 << 10, 1 << 20);
        let mut body = Body::default();
        assert!(body.has_room_for_notes(900 << 10), "nobody knows the budget yet");
        body.append(&[0; 100 << 10], &storage).unwrap();
        assert!(!body.has_room_for_notes(1 << 20) && body.has_room_for_notes(800 << 10));
        body.append(&[0; 100 << 10], &storage).unwrap();
        let few = FEW_NOTES as u64;
        assert_eq!(storage.budget.used(), (800 << 10) - few, "the body has gone to its file");
        assert!(body.has_room_for_notes(1 << 20) && body.has_room_for_notes(FEW_NOTES + 5));
        assert_eq!(storage.budget.used(), 5);
        assert!(body.has_room_for_notes(FEW_NOTES));
        assert_eq!(storage.budget.used(), 0, "a few are nobody's business");
        let mut other = Body::default();
        assert!(other.has_room_for_notes(2 << 20));
        assert!(matches!(other.append(b"x", &storage), Err(BodyError::Memory)));
        drop((body, other));
        assert_eq!(storage.budget.used(), 0);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_and_no_panic() {
        let storage = Storage { threshold: 1, dir: "/nowhere".into(), ..Storage::default() };
        let error = Body::default().append(b"ab", &storage).unwrap_err().to_string();
        assert!(error.starts_with("spool_dir: "), "{error}");
    }
}

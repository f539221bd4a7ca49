//! The file of a body that is too large for memory, while it grows. It has no name.
//!
//! Pieces come as the protocol decodes them. One that begins with a dot is as small as its line, and a system call for each
//! of five million lines costs seconds of this thread: small pieces are gathered, large ones go straight through.
//!
//! *Limits*: what gathers them is [`ROOM`] or one of the thread's kept buffers, and is charged to the daemon's budget. Where
//! the budget has nothing left, each piece is written by itself. The last part of the file system is left alone ([`leaves_room`]):
//! where the spool shares it with maildirs or logs, bodies that are refused in the end are not to stop these as well.

use std::fs::File;
use std::io::{self, Write};

use nix::sys::statvfs::fstatvfs;

use super::mapped::Mapped;
use super::rooms;
use super::storage::{Share, Storage};

#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    /// Bytes in the file and gathered for it.
    length: u64,
    gathered: Vec<u8>,
    share: Share,
    /// At this length the room of the file system is looked at again.
    look_at: u64,
}

impl Spool {
    /// An empty one in the storage's directory.
    pub(super) fn new(storage: &Storage) -> io::Result<Self> {
        let file = tempfile::tempfile_in(&storage.dir)?;
        let share = Share::none_of(&storage.budget);
        leaves_room(&file)?;
        Ok(Self { file, length: 0, gathered: Vec::new(), share, look_at: LOOK_EVERY })
    }

    /// Bytes that have been appended.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Appends a piece. That there is no room for it on the disk may be noticed at a later piece only.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        if self.length >= self.look_at {
            leaves_room(&self.file)?;
            self.look_at = self.length + LOOK_EVERY;
        }
        let large = bytes.len() >= LARGE;
        if large || self.gathered.len() + bytes.len() > ROOM {
            self.write_gathered()?;
        }
        if large || !self.has_room() {
            return self.file.write_all(bytes);
        }
        self.gathered.extend_from_slice(bytes);
        Ok(())
    }

    /// All that was appended.
    ///
    /// # Errors
    /// When the rest cannot be written or the file cannot be mapped.
    pub(super) fn complete(mut self) -> io::Result<Mapped> {
        self.write_gathered()?;
        rooms::keep(self.gathered);
        Mapped::of_unnamed(self.file)
    }

    fn write_gathered(&mut self) -> io::Result<()> {
        self.file.write_all(&self.gathered)?;
        self.gathered.clear();
        Ok(())
    }

    /// Whether pieces can be gathered: there is memory for it, or has been given now.
    fn has_room(&mut self) -> bool {
        if self.gathered.capacity() > 0 {
            return true;
        }
        let room = rooms::take(ROOM);
        if !self.share.grow_to(room.capacity() as u64) {
            rooms::keep(room);
            return false;
        }
        self.gathered = room;
        true
    }
}

/// Whether the file system has room beyond what is to be left, for those who are no superusers.
fn leaves_room(file: &File) -> io::Result<()> {
    let system = fstatvfs(file)?;
    let bytes = |blocks: u64| blocks.saturating_mul(system.fragment_size());
    let least = LEFT_FREE.min(bytes(system.blocks()) / LEFT_PART);
    if bytes(system.blocks_available()) < least {
        let why = format!("less than {} KiB are free, which are left to others", least >> 10);
        return Err(io::Error::new(io::ErrorKind::StorageFull, why));
    }
    Ok(())
}

/// Bytes that are left free: enough for logs and the mail that is being filed meanwhile.
const LEFT_FREE: u64 = 64 << 20;

/// Of a small file system, this part of all is enough.
const LEFT_PART: u64 = 20;

/// Bytes between two looks at what is free.
const LOOK_EVERY: u64 = 4 << 20;

/// Bytes that are gathered at most.
const ROOM: usize = 16 * 1024;

/// Bytes of a piece that is worth a system call of its own.
const LARGE: usize = ROOM / 2;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mail::Budget;

    fn storage(budget: u64) -> Storage {
        Storage { budget: Arc::new(Budget::new(budget)), ..Storage::default() }
    }

    /// System calls that have written something, of this thread.
    fn writes() -> u64 {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        io.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap().parse().unwrap()
    }

    #[test]
    fn pieces_of_all_sizes_stand_in_their_order() {
        for budget in [0, u64::MAX] {
            let storage = storage(budget);
            let mut spool = Spool::new(&storage).unwrap();
            let mut whole = Vec::new();
            for (turn, size) in [1, LARGE - 1, LARGE, 3, ROOM, 2, ROOM + 1, ROOM - 3, 3, 0, 1]
                .repeat(3)
                .iter()
                .enumerate()
            {
                let piece = vec![u8::try_from(turn).unwrap(); *size];
                spool.append(&piece).unwrap();
                whole.extend_from_slice(&piece);
            }
            assert_eq!(spool.len(), whole.len() as u64);
            assert!(spool.complete().unwrap().as_slice() == whole, "with a budget of {budget}");
            assert_eq!(storage.budget.used(), 0);
        }
    }

    #[test]
    fn small_pieces_share_their_system_calls() {
        let mut spool = Spool::new(&storage(u64::MAX)).unwrap();
        let before = writes();
        for _ in 0..100_000 {
            spool.append(b".\r\n").unwrap();
        }
        let calls = writes() - before;
        assert!((1..=300_000 / ROOM as u64 + 1).contains(&calls), "{calls}");
    }

    #[test]
    fn what_gathers_is_charged_and_given_back() {
        let storage = storage(1 << 20);
        let mut spool = Spool::new(&storage).unwrap();
        spool.append(&[b'x'; LARGE]).unwrap();
        assert_eq!(storage.budget.used(), 0, "a large piece needs none");
        spool.append(b"x").unwrap();
        assert!((ROOM as u64..=256 * 1024).contains(&storage.budget.used()));
        drop(spool);
        assert_eq!(storage.budget.used(), 0);
    }
}

//! The two halves of a delivery: prepare, and commit or undo.
//!
//! [`Prepared::write`] puts a copy of the message into the `tmp` of each maildir, and [`Written::sync`] waits until it is
//! on stable storage. [`Prepared::move_to_new`] moves the copies into `new`, and [`Moved::sync`] syncs that. Whatever ends otherwise
//! (an error, a refusal, a panic, a drop) takes the copies back from where they are, so that a message which is not
//! acknowledged leaves nothing behind.
//!
//! Each half has two steps so that messages which wait at the same time can take them together: all are written, and the
//! system begins to store them, before the first is waited for; all are moved before the first directory is synced, and
//! each directory is synced once. The same holds for the copies of one message, in groups of [`GROUP`]. Some threads do that
//! beside each other: a sync is a wait, mostly, and one thread that makes all of them is the slower the more maildirs there are.
//!
//! By system calls alone, messages of 10 KB, two processors that others used as well (messages a second, and seconds of processor time for
//! 10,000; medians of two or three turns; the journal's on a loop device, and its last row on a busier machine, where 16 threads one by
//! one made 950 and 640):
//!
//! | | ext4 without a journal, one maildir | ext4 with a journal, one maildir | 100 maildirs |
//! | --- | --- | --- | --- |
//! | one by one, 16 threads | 5440, 1.7 | 1480, 1.1 | 740, 1.4 |
//! | one by one, 100 threads | 6970, 1.8 | 2680, 1.1 | 830, 1.6 |
//! | 6 together, 16 threads | 10140, 1.0 | 2720, 0.9 | 1710, 1.1 |
//! | the same, and nothing begins before it is waited for | 8450, 1.0 | 1640, 1.3 | 570, 2.0 |
//!
//! One thread that syncs the whole file system for 100 messages makes 11900 with 0.7 s on the first, but waits for whatever else
//! is dirty on it.
//!
//! A message for one maildir keeps that one open from one half to the other, for opening it anew would be nearly half of the
//! message's system calls; messages that are written together for one maildir share it. Otherwise no handle is open between the halves.
//!
//! Limits: at most [`GROUP`] files or directories, and the handles of one maildir, are open at a time for a message; between
//! the halves those of [`MOST_KEPT`] messages.

use std::collections::HashMap;
use std::fs::File;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::block_writer::{stored_size, write_message};
use crate::directory::{Directory, StorageError, failed, give};
use crate::leftovers::Leftovers;
use crate::line_ending::LineEnding;
use crate::mailbox::{Mailbox, NEW, OpenMailbox, TMP};
use crate::opened::Found;
use crate::quota::Quota;
use crate::reservations::{Reservation, Reservations};
use crate::sync_once::SyncOnce;
use crate::unique_name::UniqueNames;

/// Copies of a message that are on stable storage, and not delivered yet. Dropping undoes them.
#[derive(Debug)]
pub(crate) struct Prepared {
    copies: Vec<Copy>,
    leftovers: Arc<Leftovers>,
}

impl Prepared {
    /// Writes a copy of the message into each maildir. `open` opens one, or another in its place; `pieces` begins the message anew.
    pub(crate) fn write<'m, I: Iterator<Item = &'m [u8]>>(
        addressed: Vec<Addressed>,
        Means { names, ending, room, kept, leftovers }: Means<'_>,
        mut open: impl FnMut(Mailbox) -> Result<Found, StorageError>,
        pieces: impl Fn() -> I,
    ) -> Result<Written, StorageError> {
        leftovers.sweep();
        let mut prepared = Self { copies: Vec::new(), leftovers: Arc::clone(leftovers) };
        let has_quota = |to: &Addressed| to.mailbox.quota() != Quota::NONE;
        let bytes = if addressed.iter().any(has_quota) { stored_size(ending, pieces()) } else { 0 };
        let is_alone = addressed.len() == 1;
        let mut addressed = addressed.into_iter().peekable();
        let mut files = Vec::new();
        while addressed.peek().is_some() {
            sync_all(&mem::take(&mut files))?;
            let first = prepared.copies.len();
            for Addressed { mailbox, recipients } in addressed.by_ref().take(GROUP) {
                let (mailbox, opened) = open(mailbox)?;
                let (name, file) = make_file(&opened.tmp, names)?;
                let (path, owner) = (opened.tmp.path().join(&name), mailbox.owner());
                // From here on the file is removed whatever happens.
                prepared.copies.push(Copy {
                    mailbox,
                    recipients,
                    name,
                    size: 0,
                    place: Place::Tmp,
                    room: None,
                    open: is_alone.then(|| kept.keep(opened)).flatten(),
                });
                give(&file, owner, &path)?;
                if let Some(copy) = prepared.copies.last_mut()
                    && copy.mailbox.quota() != Quota::NONE
                {
                    copy.room = room.reserve(&copy.mailbox, bytes, &names.next())?;
                }
                files.push((file, path));
            }
            let size = write_group(&files, ending, pieces())?;
            prepared.copies[first..].iter_mut().for_each(|copy| copy.size = size);
        }
        Ok(Written { prepared, unsynced: files })
    }

    /// Takes over the copies of another part of the same message.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.copies.append(&mut other.copies);
    }

    /// Moves the copies to where readers find them. Unless all could be moved they are nowhere.
    pub(crate) fn move_to_new(mut self) -> Result<Moved, CommitError> {
        match self.move_all() {
            Ok(unsynced) => Ok(Moved { prepared: self, unsynced }),
            Err(cause) => Err(CommitError { cause, left: self.undo() }),
        }
    }

    /// Delivers each copy that can be; the others are nowhere, and their recipients are answered with the reason.
    pub(crate) fn commit_each(mut self) -> (u64, Vec<(Vec<usize>, CommitError)>) {
        let (mut delivered, mut refused) = (0, Vec::new());
        let mut causes = self.move_each();
        for (index, copy) in self.copies.drain(..).enumerate() {
            match causes.remove(&index) {
                Some(cause) => {
                    let recipients = copy.recipients.clone();
                    let left = self.leftovers.take_back(copy).err().into_iter().collect();
                    refused.push((recipients, CommitError { cause, left }));
                }
                None => {
                    delivered += 1;
                    copy.room.into_iter().for_each(Reservation::used);
                }
            }
        }
        (delivered, refused)
    }

    /// Takes the copies back and answers what could not be, which is tried again with later messages.
    pub(crate) fn undo(&mut self) -> Vec<StorageError> {
        let copies = self.copies.drain(..);
        copies.filter_map(|copy| self.leftovers.take_back(copy).err()).collect()
    }

    /// Takes back the copies that none of their recipients shall have, and answers what could not be.
    pub(crate) fn keep_only(&mut self, shall_have: impl Fn(usize) -> bool) -> Vec<StorageError> {
        let is_wanted = |copy: &Copy| copy.recipients.iter().any(|index| shall_have(*index));
        let unwanted = self.copies.extract_if(.., |copy| !is_wanted(copy));
        unwanted.filter_map(|copy| self.leftovers.take_back(copy).err()).collect()
    }

    /// The maildirs whose `new` is to be synced, of the last group; those of the others are.
    fn move_all(&mut self) -> Result<Vec<Arc<OpenMailbox>>, StorageError> {
        let mut moved: Vec<Arc<OpenMailbox>> = Vec::new();
        for group in self.copies.chunks_mut(GROUP) {
            mem::take(&mut moved).iter().try_for_each(|opened| opened.new.sync())?;
            moved = group.iter_mut().map(Copy::deliver).collect::<Result<Vec<_>, _>>()?;
        }
        Ok(moved)
    }

    /// What went wrong, by index of the copy.
    fn move_each(&mut self) -> HashMap<usize, StorageError> {
        let mut causes = HashMap::new();
        let mut indices = 0..;
        for group in self.copies.chunks_mut(GROUP) {
            let moved: Vec<_> = group.iter_mut().map(Copy::deliver).collect();
            for (moved, index) in moved.into_iter().zip(indices.by_ref()) {
                if let Err(cause) = moved.and_then(|opened| opened.new.sync()) {
                    causes.insert(index, cause);
                }
            }
        }
        causes
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.undo();
    }
}

/// Copies of a message that are written, and not all of them synced yet. Dropping undoes them.
#[derive(Debug)]
pub(crate) struct Written {
    prepared: Prepared,
    unsynced: Vec<(File, PathBuf)>,
}

impl Written {
    /// For one that is waited for behind others: it is on its way meanwhile.
    pub(crate) fn begin_to_store(&self) {
        begin_to_store(self.unsynced.iter());
    }

    /// Waits until they are on stable storage.
    pub(crate) fn sync(self) -> Result<Prepared, StorageError> {
        sync_all(&self.unsynced)?;
        Ok(self.prepared)
    }

    /// How many files it has open.
    pub(crate) fn open_files(&self) -> usize {
        self.unsynced.len()
    }
}

/// One that has nothing left to wait for.
impl From<Prepared> for Written {
    fn from(prepared: Prepared) -> Self {
        Self { prepared, unsynced: Vec::new() }
    }
}

/// Copies of a message that are in `new`, which is to be synced. Dropping undoes them.
#[derive(Debug)]
pub(crate) struct Moved {
    prepared: Prepared,
    unsynced: Vec<Arc<OpenMailbox>>,
}

impl Moved {
    /// Delivers them. When this returns `Ok` they are in `new`, for good; else they are nowhere.
    pub(crate) fn sync(mut self, once: &mut SyncOnce) -> Result<u64, CommitError> {
        match self.unsynced.iter().try_for_each(|opened| once.sync(&opened.new)) {
            Ok(()) => {
                let copies = &mut self.prepared.copies;
                let delivered = copies.len() as u64;
                copies.drain(..).filter_map(|copy| copy.room).for_each(Reservation::used);
                Ok(delivered)
            }
            Err(cause) => Err(CommitError { cause, left: self.prepared.undo() }),
        }
    }

    /// How many maildirs it has open.
    pub(crate) fn open_maildirs(&self) -> usize {
        self.unsynced.len()
    }
}

/// What copies are written with.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) names: &'a UniqueNames,
    pub(crate) ending: LineEnding,
    /// In maildirs with a quota.
    pub(crate) room: &'a Arc<Reservations>,
    pub(crate) kept: &'a KeptHandles,
    pub(crate) leftovers: &'a Arc<Leftovers>,
}

/// A mailbox that gets a copy, and for whom: indices of recipients.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub(crate) mailbox: Mailbox,
    pub(crate) recipients: Vec<usize>,
}

/// Counts the messages that have their maildir open between the halves: each clone of what is in it is one.
#[derive(Debug, Default)]
pub(crate) struct KeptHandles(Arc<()>);

impl KeptHandles {
    /// Keeps it open unless [`MOST_KEPT`] are. Threads that ask at the same moment may make it a few more.
    fn keep(&self, opened: Arc<OpenMailbox>) -> Option<Kept> {
        let is_room = Arc::strong_count(&self.0) <= MOST_KEPT;
        is_room.then(|| Kept { opened, _counted: Arc::clone(&self.0) })
    }
}

/// A maildir that stays open.
#[derive(Debug)]
struct Kept {
    opened: Arc<OpenMailbox>,
    _counted: Arc<()>,
}

/// A commit that failed.
#[derive(Debug, thiserror::Error)]
#[error("{cause}{}", fmt_left(.left))]
pub(crate) struct CommitError {
    /// What went wrong.
    pub(crate) cause: StorageError,
    /// Copies that could not be taken back yet: if they never can be, the client's next try makes duplicates of them.
    left: Vec<StorageError>,
}

/// One copy of a message.
#[derive(Debug)]
pub(crate) struct Copy {
    mailbox: Mailbox,
    recipients: Vec<usize>,
    name: String,
    size: u64,
    place: Place,
    /// In a maildir with a quota; given back with the copy.
    room: Option<Reservation>,
    /// Its maildir, until it is delivered or taken back.
    open: Option<Kept>,
}

/// Where a copy is.
#[derive(Debug)]
enum Place {
    Tmp,
    New,
}

impl Copy {
    /// Readers take the size from the name and save themselves a stat for each message.
    fn final_name(&self) -> String {
        format!("{},S={}", self.name, self.size)
    }

    /// Moves it to where readers find it; that is to be synced.
    fn deliver(&mut self) -> Result<Arc<OpenMailbox>, StorageError> {
        let opened = match self.open.take() {
            Some(kept) => kept.opened,
            None => Arc::new(self.mailbox.open()?),
        };
        opened.tmp.rename(&self.name, &opened.new, &self.final_name())?;
        self.place = Place::New;
        Ok(opened)
    }

    /// Closes its maildir: it may have to wait long for being taken back.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Removes it from where it is.
    pub(crate) fn remove(&self) -> Result<(), StorageError> {
        match self.place {
            Place::Tmp => self.mailbox.open_part(TMP)?.remove_file(&self.name),
            Place::New => self.mailbox.open_part(NEW)?.remove_file(&self.final_name()),
        }
    }
}

fn make_file(tmp: &Directory, names: &UniqueNames) -> Result<(String, File), StorageError> {
    let mut tries = 0;
    loop {
        let name = names.next();
        match tmp.make_file(&name) {
            Ok(file) => return Ok((name, file)),
            Err(e) if e.is_taken() && tries < MAX_TRIES => tries += 1,
            Err(e) => return Err(e),
        }
    }
}

fn write_group<'m>(
    group: &[(File, PathBuf)],
    ending: LineEnding,
    pieces: impl Iterator<Item = &'m [u8]>,
) -> Result<u64, StorageError> {
    let files: Vec<&File> = group.iter().map(|(file, _)| file).collect();
    write_message(&files, ending, pieces)
        .map_err(|(index, e)| failed("cannot write", &group[index].1, e))
}

fn sync_all(files: &[(File, PathBuf)]) -> Result<(), StorageError> {
    begin_to_store(files.iter().skip(1));
    files
        .iter()
        .try_for_each(|(file, path)| file.sync_all().map_err(|e| failed("cannot sync", path, e)))
}

/// Has the system write files to the disk without waiting for it, which is what Linux takes this advice for while they are
/// not there yet. So a journal has all of them in one commit; without, each sync would have one to make.
fn begin_to_store<'f>(files: impl Iterator<Item = &'f (File, PathBuf)>) {
    for (file, _) in files {
        // Where it is not taken, the sync has more to do.
        let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    }
}

fn fmt_left(left: &[StorageError]) -> String {
    left.iter().map(|e| format!("; a copy may remain: {e}")).collect()
}

/// How many maildirs are worked on at a time.
pub(crate) const GROUP: usize = 16;

/// How many messages keep their maildir open between the halves; two handles each.
const MOST_KEPT: usize = 128;

/// A name that is taken is somebody's mistake; a second one is somebody's intent.
const MAX_TRIES: u32 = 4;

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;

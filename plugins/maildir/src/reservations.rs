//! Room in a maildir with a quota, taken before a message is written and given back if it is not delivered.
//!
//! The room is taken in `maildirsize`, so that other deliverers know of it. What is on its way is known here as well: when
//! the file is made anew by counting, messages that are in `tmp` still must not be forgotten. One lock stands
//! for looking and taking, so that deliveries at the same time do not share the last room.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::directory::{Directory, StorageError};
use crate::mailbox::Mailbox;
use crate::maildirsize::{MaildirSize, add};
use crate::path_template::MailboxPath;
use crate::quota::{Quota, Usage};

/// What is on its way into the maildirs.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    /// Several, so that counting one maildir does not hold up the others.
    shards: [Mutex<HashMap<MailboxPath, Usage>>; SHARDS],
    hasher: RandomState,
}

impl Reservations {
    /// Takes room for a message of so many bytes; `unique` names a file that is not there yet. Without a quota there is
    /// nothing to take.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        mailbox: &Mailbox,
        bytes: u64,
        unique: &str,
    ) -> Result<Option<Reservation>, StorageError> {
        let quota = mailbox.quota();
        if quota == Quota::NONE {
            return Ok(None);
        }
        let maildir = mailbox.open_maildir()?;
        let more = Usage { bytes, messages: 1 };
        let mut shard = self.shard(mailbox.path());
        let on_its_way = shard.get(mailbox.path()).copied().unwrap_or_default();
        let make = || MaildirSize::make(&maildir, quota, mailbox.own_keeping(), unique, on_its_way);
        let mut size = match MaildirSize::read(&maildir, quota, SystemTime::now()) {
            Some(size) => size,
            None => make()?,
        };
        if !quota.allows(size.held, more) && !size.is_fresh {
            size = make()?;
        }
        if !quota.allows(size.held, more) {
            return Err(StorageError::OverQuota(maildir.path().to_owned()));
        }
        add(&maildir, bytes.into(), 1)?;
        let taken = shard.entry(mailbox.path().clone()).or_default();
        taken.bytes = taken.bytes.saturating_add(bytes);
        taken.messages += 1;
        let (all, mailbox) = (Arc::clone(self), mailbox.clone());
        Ok(Some(Reservation { all, mailbox, bytes, is_used: false }))
    }

    fn shard(&self, path: &MailboxPath) -> MutexGuard<'_, HashMap<MailboxPath, Usage>> {
        let number = self.hasher.hash_one(path) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a maildir is full by what its `maildirsize` says, for a message that is to have so many bytes. A look only: where
/// counting would be needed, the answer is no, and the delivery will count.
pub(crate) fn is_known_to_be_full(mailbox: &Mailbox, bytes: u64) -> bool {
    let quota = mailbox.quota();
    if quota == Quota::NONE {
        return false;
    }
    let read = |maildir: &Directory| MaildirSize::read(maildir, quota, SystemTime::now());
    let size = mailbox.open_maildir().ok().as_ref().and_then(read);
    let more = Usage { bytes, messages: 1 };
    size.is_some_and(|size| size.is_fresh && !quota.allows(size.held, more))
}

/// Room that was taken. Dropped without having been used it is given back.
#[derive(Debug)]
pub(crate) struct Reservation {
    all: Arc<Reservations>,
    mailbox: Mailbox,
    bytes: u64,
    is_used: bool,
}

impl Reservation {
    /// The message is delivered.
    pub(crate) fn used(mut self) {
        self.is_used = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let path = self.mailbox.path();
        let mut shard = self.all.shard(path);
        if let Some(taken) = shard.get_mut(path) {
            taken.bytes = taken.bytes.saturating_sub(self.bytes);
            taken.messages = taken.messages.saturating_sub(1);
            if taken.messages == 0 {
                shard.remove(path);
            }
        }
        if !self.is_used {
            // What cannot be written down is found out by the next count.
            let maildir = self.mailbox.open_maildir();
            let _ = maildir.and_then(|maildir| add(&maildir, -i128::from(self.bytes), -1));
        }
    }
}

/// Locks for all maildirs together.
const SHARDS: usize = 16;

#[cfg(test)]
#[path = "reservations_tests.rs"]
mod tests;

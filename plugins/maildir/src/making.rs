//! Making directories while others deliver.
//!
//! A directory that has just been made is on stable storage when its parent has been synced, is taken back when that fails, and
//! looks foreign until it is given to its owner. So one maildir is made at a time, and who finds it meanwhile waits for the end of that:
//! else a message would be acknowledged that a crash can take away with its maildir.
//!
//! The whole process knows of it: other sections of the configuration, and the instances before and after a reload, may deliver there too.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::path_template::MailboxPath;

/// Held by who makes.
static MAKING: Mutex<()> = Mutex::new(());

/// What is being made: this, and what is below.
static UNDER_WAY: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Makes what is missing of a path; nobody makes anything else meanwhile.
pub(crate) fn alone<T>(path: &Path, make: impl FnOnce() -> T) -> T {
    let _making = lock(&MAKING);
    *lock(&UNDER_WAY) = Some(path.to_owned());
    let _done = Done;
    make()
}

/// Whether what was found there may not be on stable storage yet. It is asked when it has been opened, for it may be made between
/// the question and the opening.
pub(crate) fn is_under_way(path: &MailboxPath) -> bool {
    lock(&UNDER_WAY).as_deref().is_some_and(|made| path.whole().starts_with(made))
}

/// Does something when nothing is being made.
pub(crate) fn when_done<T>(then: impl FnOnce() -> T) -> T {
    let _nobody_makes = lock(&MAKING);
    then()
}

/// Also after a panic.
struct Done;

impl Drop for Done {
    fn drop(&mut self) {
        *lock(&UNDER_WAY) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

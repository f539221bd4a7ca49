//! `maildirsize`: the file of Maildir++ that says how much a maildir holds, so that nobody need count for each message.
//!
//! Its first line is the quota it was made for; each further line is `bytes messages`, what it held or what was added (or,
//! with a minus, removed) since; the sum is what it holds. It is made anew by counting when it is missing, malformed, made for
//! another quota, longer than [`LARGEST`], or says "full" and is not just made: a reader that removes
//! messages without a word would leave a mailbox full for ever.
//!
//! Standards: Maildir++ (README.maildirquota of Courier): messages in `.Trash` and those marked as
//! trashed do not count, nor does what lies in `tmp`.
//!
//! Trust: the maildir is its user's, and so is the file. No link is followed, only a plain file is read, numbers cannot
//! overflow. A user who writes what he likes into it has what he could have by other means as well.

use std::fs::{File, Metadata};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstatat};

use crate::directory::{Directory, StorageError, failed, give};
use crate::mailbox::{CUR, NEW, TMP};
use crate::ownership::Keeping;
use crate::quota::{Quota, Usage};

/// What such a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaildirSize {
    /// What the maildir holds.
    pub(crate) held: Usage,
    /// It was made by counting a short while ago and nothing was added since: counting again would tell nothing new.
    pub(crate) is_fresh: bool,
}

impl MaildirSize {
    /// Reads the file of a maildir. `None`: there is none that can be used for this quota.
    pub(crate) fn read(maildir: &Directory, quota: Quota, now: SystemTime) -> Option<Self> {
        let file = maildir.open_file(NAME).ok()?;
        let meta = plain(&file).filter(|meta| meta.len() < LARGEST)?;
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).ok()?;
        // The last line may be one that is being written.
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()?.parse::<Quota>().ok()? != quota {
            return None;
        }
        let (mut bytes, mut messages, mut count) = (0_i64, 0_i64, 0);
        for line in lines {
            let mut numbers = line.split_ascii_whitespace().map(str::parse::<i64>);
            bytes = bytes.checked_add(numbers.next()?.ok()?)?;
            messages = messages.checked_add(numbers.next()?.ok()?)?;
            count += 1;
        }
        // Below nothing: somebody has not counted what was added.
        let held = Usage { bytes: bytes.try_into().ok()?, messages: messages.try_into().ok()? };
        let age = meta.modified().ok().and_then(|made| now.duration_since(made).ok());
        let is_fresh = count == 1 && age.is_none_or(|age| age < FRESH);
        (count > 0).then_some(Self { held, is_fresh })
    }

    /// Counts what a maildir holds, and puts that with what is on its way into a new file. `keeping` is the maildir's.
    pub(crate) fn make(
        maildir: &Directory,
        quota: Quota,
        keeping: Keeping,
        unique: &str,
        on_its_way: Usage,
    ) -> Result<Self, StorageError> {
        let mut held = counted(maildir, keeping)?;
        held.bytes = held.bytes.saturating_add(on_its_way.bytes);
        held.messages = held.messages.saturating_add(on_its_way.messages);
        let tmp = maildir.child(TMP, keeping)?;
        let mut file = tmp.make_file(unique)?;
        let path = tmp.path().join(unique);
        let written = give(&file, keeping.new_owner(), &path).and_then(|()| {
            let text = format!("{quota}\n{} {}\n", held.bytes, held.messages);
            file.write_all(text.as_bytes()).map_err(|e| failed("cannot write", &path, e))?;
            tmp.rename(unique, maildir, NAME)
        });
        if let Err(e) = written {
            // The error that matters is at hand.
            let _ = tmp.remove_file(unique);
            return Err(e);
        }
        Ok(Self { held, is_fresh: true })
    }
}

/// Adds a line to the file of a maildir, if it has one: one write, as others may add at the same time.
pub(crate) fn add(maildir: &Directory, bytes: i128, messages: i64) -> Result<(), StorageError> {
    let mut file: File = match maildir.append_to_file(NAME) {
        Err(e) if e.is_missing() => return Ok(()),
        file => file?,
    };
    // Another will be made in its place by who reads it.
    let Some(_) = plain(&file) else { return Ok(()) };
    file.write_all(format!("{bytes} {messages}\n").as_bytes())
        .map_err(|e| failed("cannot write", &maildir.path().join(NAME), e))
}

/// A plain file that has no other name: who owns the directory could have made one of a file that is not his.
fn plain(file: &File) -> Option<Metadata> {
    file.metadata().ok().filter(|meta| meta.is_file() && meta.nlink() == 1)
}

/// What a maildir and its folders hold.
fn counted(maildir: &Directory, keeping: Keeping) -> Result<Usage, StorageError> {
    let mut held = Usage::default();
    count_folder(maildir, keeping, &mut held)?;
    let names = maildir.names()?;
    let is_folder = |name: &&String| name.starts_with('.') && !OUTSIDE.contains(&name.as_str());
    for name in names.iter().filter(is_folder) {
        // A folder that is none, or somebody else's, is not ours to count.
        if let Ok(folder) = maildir.child(name, keeping) {
            count_folder(&folder, keeping, &mut held)?;
        }
    }
    Ok(held)
}

fn count_folder(
    folder: &Directory,
    keeping: Keeping,
    held: &mut Usage,
) -> Result<(), StorageError> {
    for part in [NEW, CUR] {
        let part = match folder.child(part, keeping) {
            Err(e) if e.is_missing() => continue,
            part => part?,
        };
        let handle = part.readable()?;
        for name in part.names()?.iter().filter(|name| !name.starts_with('.')) {
            if is_trashed(name) {
                continue;
            }
            let size = size_in(name).or_else(|| {
                let stat = fstatat(&handle, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
                size_of(stat)
            });
            // One that is gone meanwhile counts for nothing.
            let Some(size) = size else { continue };
            held.bytes = held.bytes.saturating_add(size);
            held.messages += 1;
        }
    }
    Ok(())
}

fn size_of(stat: Result<nix::sys::stat::FileStat, Errno>) -> Option<u64> {
    let stat = stat.ok()?;
    let is_file = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
    is_file.then(|| stat.st_size.try_into().unwrap_or(0))
}

/// The size that a name tells: `,S=` and digits, before the reader's flags.
fn size_in(name: &str) -> Option<u64> {
    let base = name.split(":2,").next()?;
    base.split(',').skip(1).find_map(|field| field.strip_prefix("S=")?.parse().ok())
}

/// Whether a reader has marked the message for removal.
fn is_trashed(name: &str) -> bool {
    name.split_once(":2,").is_some_and(|(_, flags)| flags.contains('T'))
}

/// Of the file, in the maildir itself.
const NAME: &str = "maildirsize";
/// Entries that are no folders, and the one folder that does not count.
const OUTSIDE: [&str; 3] = [".", "..", ".Trash"];
/// Bytes from which on the file is made anew.
const LARGEST: u64 = 5120;
/// For so long a new file is believed when it says "full".
const FRESH: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
#[path = "maildirsize_tests.rs"]
mod tests;

//! One mailbox: a maildir or a folder within it; where it is, whose it is, and its three sub-directories.

use std::path::Path;

use crate::directory::{Directory, StorageError, give};
use crate::folder::MOST_FOLDERS;
use crate::making;
use crate::ownership::{Keeping, Kind, Owner};
use crate::path_template::MailboxPath;
use crate::quota::Quota;

/// The mailbox of one recipient. It need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mailbox {
    path: MailboxPath,
    owner: Owner,
    /// [`Kind::Listed`] or [`Kind::Chosen`].
    kind: Kind,
    quota: Quota,
    /// Directory of a sub-folder, with its leading dot.
    folder: Option<String>,
}

impl Mailbox {
    /// The maildir at that place. `listed` says that the operator has named its user.
    pub(crate) fn new(path: MailboxPath, owner: Owner, listed: bool) -> Self {
        let kind = if listed { Kind::Listed } else { Kind::Chosen };
        Self { path, owner, kind, quota: Quota::NONE, folder: None }
    }

    /// The same with a limit to what it may hold.
    pub(crate) fn with_quota(self, quota: Quota) -> Self {
        Self { quota, ..self }
    }

    /// A sub-folder of it, or itself.
    pub(crate) fn in_folder(self, folder: Option<String>) -> Self {
        Self { folder, ..self }
    }

    /// What makes two mailboxes the same.
    pub(crate) fn place(&self) -> (MailboxPath, Option<String>) {
        (self.path.clone(), self.folder.clone())
    }

    /// Where the maildir is that it is, or is a folder of.
    pub(crate) fn path(&self) -> &MailboxPath {
        &self.path
    }

    /// How much that maildir may hold.
    pub(crate) fn quota(&self) -> Quota {
        self.quota
    }

    /// Opens that maildir.
    pub(crate) fn open_maildir(&self) -> Result<Directory, StorageError> {
        self.walk(Directory::open, Directory::child)
    }

    /// What its own directories are to be.
    pub(crate) fn own_keeping(&self) -> Keeping {
        self.keeping(self.kind)
    }

    /// Who owns its files.
    pub(crate) fn owner(&self) -> Owner {
        self.owner
    }

    /// Opens it, unless it is missing; what is being made is waited for.
    pub(crate) fn open(&self) -> Result<OpenMailbox, StorageError> {
        let opened = self.open_parts();
        if making::is_under_way(&self.path) {
            return making::when_done(|| self.open_parts());
        }
        opened
    }

    fn open_parts(&self) -> Result<OpenMailbox, StorageError> {
        let mailbox = self.open_itself()?;
        let tmp = mailbox.child(TMP, self.own_keeping())?;
        let new = mailbox.child_to_sync(NEW, self.own_keeping())?;
        Ok(OpenMailbox { tmp, new })
    }

    /// Opens one of its sub-directories; the others may be missing.
    pub(crate) fn open_part(&self, name: &str) -> Result<Directory, StorageError> {
        self.open_itself()?.child(name, self.own_keeping())
    }

    /// Opens it, making what is missing.
    pub(crate) fn open_or_make(&self) -> Result<OpenMailbox, StorageError> {
        making::alone(&self.path.whole(), || self.open_making())
    }

    fn open_making(&self) -> Result<OpenMailbox, StorageError> {
        let maildir = self.walk(Directory::open_or_make, Directory::child_or_make)?;
        let inbox = self.make_parts(&maildir)?;
        match &self.folder {
            Some(folder) => self.make_parts(&self.make_folder(&maildir, folder)?),
            None => Ok(inbox),
        }
    }

    fn make_parts(&self, mailbox: &Directory) -> Result<OpenMailbox, StorageError> {
        let part = |name| mailbox.child_or_make(name, self.own_keeping());
        // Not needed to deliver, but a reader without it cannot mark a message as seen.
        part(CUR)?;
        Ok(OpenMailbox { tmp: part(TMP)?, new: part(NEW)? })
    }

    fn make_folder(&self, maildir: &Directory, name: &str) -> Result<Directory, StorageError> {
        let keeping = self.own_keeping();
        match maildir.child(name, keeping) {
            Err(e) if e.is_missing() => {}
            found => return found,
        }
        let folders = maildir.names()?.iter().filter(|name| name.starts_with('.')).count();
        if folders >= MOST_FOLDERS {
            return Err(StorageError::TooManyFolders(maildir.path().to_owned()));
        }
        let folder = maildir.child_or_make(name, keeping)?;
        match folder.make_file(FOLDER_MARK) {
            Ok(file) => give(&file, keeping.new_owner(), &folder.path().join(FOLDER_MARK))?,
            Err(e) if e.is_taken() => {}
            Err(e) => return Err(e),
        }
        Ok(folder)
    }

    fn open_itself(&self) -> Result<Directory, StorageError> {
        let maildir = self.open_maildir()?;
        match &self.folder {
            Some(folder) => maildir.child(folder, self.own_keeping()),
            None => Ok(maildir),
        }
    }

    fn walk(
        &self,
        base: fn(&Path) -> Result<Directory, StorageError>,
        child: fn(&Directory, &str, Keeping) -> Result<Directory, StorageError>,
    ) -> Result<Directory, StorageError> {
        let mut directory = base(&self.path.base)?;
        for (index, part) in self.path.parts.iter().enumerate() {
            let shared = index < self.path.private_from;
            let kind = if shared { Kind::Shared } else { self.kind };
            directory = child(&directory, part, self.keeping(kind))?;
        }
        Ok(directory)
    }

    fn keeping(&self, kind: Kind) -> Keeping {
        Keeping { owner: self.owner, kind }
    }
}

/// Handles of a maildir.
#[derive(Debug)]
pub(crate) struct OpenMailbox {
    /// Where files are written.
    pub(crate) tmp: Directory,
    /// Where readers find them.
    pub(crate) new: Directory,
}

/// Where files are written.
pub(crate) const TMP: &str = "tmp";
/// Where readers find them.
pub(crate) const NEW: &str = "new";
/// Where readers move them when they have seen them.
pub(crate) const CUR: &str = "cur";
/// What tells readers that a directory is a folder of the maildir it lies in (Maildir++).
const FOLDER_MARK: &str = "maildirfolder";

//! Who gets a copy, and where: the processor without the daemon round it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use nix::unistd::{Uid, User, geteuid};

use crate::config::Config;
use crate::delivery::{Addressed, KeptHandles, Means, Prepared, Written};
use crate::directory::{Directory, StorageError};
use crate::folder::{BadSeparator, FolderSeparator};
use crate::leftovers::Leftovers;
use crate::line_ending::LineEnding;
use crate::mailbox::Mailbox;
use crate::mailbox_name::{self, BadName};
use crate::making;
use crate::opened::{Found, Opened};
use crate::ownership::Identity;
use crate::path_template::{PathTemplate, PathTemplateError};
use crate::quota::{BadQuota, Quota};
use crate::reservations::Reservations;
use crate::stale::remove_stale;
use crate::unique_name::UniqueNames;
use crate::users::{CurrentUsers, NotPermitted, Report, Users, UsersError};

/// All maildirs of a configuration.
pub(crate) struct Maildirs {
    template: PathTemplate,
    users: Users,
    folders: FolderSeparator,
    ending: LineEnding,
    names: UniqueNames,
    /// Of users whose entries name no other.
    quota: Quota,
    reservations: Arc<Reservations>,
    kept: KeptHandles,
    leftovers: Arc<Leftovers>,
}

impl Maildirs {
    /// Checks a configuration. Touches nothing.
    pub(crate) fn new(config: &Config, report: Report) -> Result<Self, SetupError> {
        let current = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let template = PathTemplate::parse(&config.maildir_path, home().as_deref(), &current)?;
        let users = Users::new(&config.maildir_user_map, &config.maildir_user_file, report)?;
        let quota = config.maildir_quota.parse().map_err(SetupError::Quota)?;
        if !template.has_user() {
            one_for_all(&users.now())?;
        }
        let folders = FolderSeparator::parse(&config.maildir_folder_separator)?;
        let ending = config.maildir_line_ending;
        let names = UniqueNames::of_this_host();
        Ok(Self {
            template,
            users,
            folders,
            ending,
            names,
            quota,
            reservations: Arc::default(),
            kept: KeptHandles::default(),
            leftovers: Arc::default(),
        })
    }

    /// Checks that this process can give mail to its owners, makes the maildirs of the listed users, and answers how
    /// many stale files were removed from them.
    pub(crate) fn start(&self, identity: &Identity) -> Result<u64, SetupError> {
        let users = self.users.now();
        users.check_owners(identity)?;
        let base = self.template.base();
        making::alone(base, || Directory::open_or_make(base))?;
        if self.template.has_domain() {
            // Which domains there are, the recipients will tell.
            return Ok(0);
        }
        let mut removed = 0;
        for user in users.listed() {
            let path = self.template.fill(&user.name, "");
            let path = path.map_err(|why| SetupError::User { name: user.name.clone(), why })?;
            let mailbox = Mailbox::new(path, user.owner, user.listed);
            removed += remove_stale(&mailbox.open_or_make()?.tmp, SystemTime::now())?;
        }
        Ok(removed)
    }

    /// The maildir of a recipient.
    pub(crate) fn find(&self, local_part: &str, domain: &str) -> Result<Mailbox, Unknown> {
        mailbox_name::check(local_part).map_err(Unknown::BadName)?;
        let users = self.users.now();
        // A listed name may contain the separator.
        let (name, folder) = match users.find_listed(local_part, domain) {
            Some(_) => (local_part, None),
            None => self.folders.split(local_part),
        };
        let user = users.find(name, domain).ok_or(Unknown::NoSuchUser)?;
        let path = self.template.fill(&user.name, &domain.to_lowercase());
        let inbox = Mailbox::new(path.map_err(Unknown::BadName)?, user.owner, user.listed);
        Ok(inbox.with_quota(user.quota.unwrap_or(self.quota)).in_folder(folder))
    }

    /// Writes a copy for each recipient, given by index and mailbox, and one only where several share a mailbox.
    /// `opened` is what earlier messages of the batch have opened.
    pub(crate) fn prepare<'m, I: Iterator<Item = &'m [u8]>>(
        &self,
        opened: &mut Opened,
        recipients: Vec<(usize, Mailbox)>,
        pieces: impl Fn() -> I,
    ) -> Result<Written, StorageError> {
        let mut addressed: Vec<Addressed> = Vec::with_capacity(recipients.len());
        let mut known = HashMap::new();
        for (recipient, mailbox) in recipients {
            let at = *known.entry(mailbox.place()).or_insert(addressed.len());
            match addressed.get_mut(at) {
                Some(shared) => shared.recipients.push(recipient),
                None => addressed.push(Addressed { mailbox, recipients: vec![recipient] }),
            }
        }
        if addressed.is_empty() {
            return Err(StorageError::NoRecipient);
        }
        let means = Means {
            names: &self.names,
            ending: self.ending,
            room: &self.reservations,
            kept: &self.kept,
            leftovers: &self.leftovers,
        };
        let is_alone = addressed.len() == 1;
        let open = |mailbox| match is_alone {
            true => opened.find_or(mailbox, |mailbox| self.open(mailbox)),
            false => self.open(mailbox),
        };
        Prepared::write(addressed, means, open, pieces)
    }

    /// Takes back what could not be taken back before.
    pub(crate) fn sweep(&self) {
        self.leftovers.sweep();
    }

    /// Opens a mailbox, making what is missing. It is the inbox where a folder is one too many.
    fn open(&self, mailbox: Mailbox) -> Result<Found, StorageError> {
        let opened = match mailbox.open() {
            Err(e) if e.is_missing() || matches!(e, StorageError::Foreign { .. }) => {
                mailbox.open_or_make()
            }
            done => done,
        };
        match opened {
            Err(StorageError::TooManyFolders(_)) => self.open(mailbox.in_folder(None)),
            done => Ok((mailbox, Arc::new(done?))),
        }
    }
}

/// Why a recipient gets no mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Not in the map, and there is no catch-all.
    NoSuchUser,
    /// Cannot be a name in the file system.
    BadName(BadName),
}

/// Why a configuration cannot be used, or not by this process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error(transparent)]
    Path(#[from] PathTemplateError),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    Separator(#[from] BadSeparator),
    #[error(
        "maildir_user_map: all users share the directory of maildir_path, so they need one owner and one quota; add [user] to the path, or give all the same uid:gid"
    )]
    SharedByOwners,
    #[error("maildir_quota: {0}")]
    Quota(BadQuota),
    #[error(transparent)]
    NotPermitted(#[from] NotPermitted),
    #[error("maildir_user_map: the directory of \"{name}\" has a name that {why}")]
    User { name: String, why: BadName },
    #[error("maildir_path: {0}")]
    Storage(#[from] StorageError),
}

fn one_for_all(users: &CurrentUsers) -> Result<(), SetupError> {
    let same = all_same(users.owners().map(|(_, owner)| owner)) && all_same(users.quotas());
    if same { Ok(()) } else { Err(SetupError::SharedByOwners) }
}

fn all_same<T: PartialEq>(mut all: impl Iterator<Item = T>) -> bool {
    let first = all.next();
    all.all(|other| Some(other) == first)
}

/// The daemon's home directory, as a shell would have it.
fn home() -> Option<PathBuf> {
    let set = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    set.or_else(|| home_of(geteuid()))
}

fn home_of(uid: Uid) -> Option<PathBuf> {
    User::from_uid(uid).ok().flatten().map(|user| user.dir).filter(|home| Path::is_absolute(home))
}

#[cfg(test)]
#[path = "maildirs_tests.rs"]
mod tests;

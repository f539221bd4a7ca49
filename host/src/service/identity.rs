//! From root to another user (`user`, `group`), for good.
//!
//! *Trust*: what root is needed for (ports below 1024, a pid file in a directory of root's) is done before, everything
//! else afterwards: logs, plugins, certificates and spool files are opened by the user, so that nothing of a user's is
//! followed or given away by root, and what works at the start works for a reload.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{
    Gid, Group, Uid, User, getegid, geteuid, initgroups, setgroups, setresgid, setresuid, setuid,
};

use crate::config::Rights;

/// A user with a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// As configured.
    name: String,
    uid: Uid,
    gid: Gid,
    /// The user's name in the system's table, whose supplementary groups come with it.
    login: Option<String>,
}

/// The user cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// There is no such user or group.
    #[error("{key}: there is no {key} \"{name}\" on this machine")]
    Unknown {
        /// `user` or `group`.
        key: &'static str,
        /// As configured.
        name: String,
    },
    /// A user without an entry has no group of its own.
    #[error("group: user {0} is not in the table of users, so the group must be given")]
    NoGroup(Uid),
    /// Only root may become another.
    #[error(
        "user: this process runs as uid {ours} with gid {our_group} and cannot become {wanted}; start it as root or as that user, or leave user out"
    )]
    NotRoot {
        /// Who it is.
        ours: Uid,
        /// With this group.
        our_group: Gid,
        /// Who it is to be.
        wanted: Identity,
    },
    /// The system has refused, or has not done what it said.
    #[error("user: cannot become {wanted}: {what}: {errno}")]
    System {
        /// Who it is to be.
        wanted: Identity,
        /// The call.
        what: &'static str,
        /// What the system said.
        errno: Errno,
    },
    /// Root could be had again.
    #[error("user: became {0}, and could become root again")]
    NotForGood(Identity),
}

impl Identity {
    /// Who is to be become; `None` when nobody is configured or it is so already.
    ///
    /// # Errors
    /// When there is no such user or it cannot be become.
    pub(crate) fn to_become(rights: &Rights) -> Result<Option<Self>, IdentityError> {
        let Some(name) = &rights.user else { return Ok(None) };
        let wanted = Self::find(name, rights.group.as_deref())?;
        let (ours, our_group) = (geteuid(), getegid());
        if wanted.uid == ours && wanted.gid == our_group {
            return Ok(None);
        }
        if !ours.is_root() {
            return Err(IdentityError::NotRoot { ours, our_group, wanted });
        }
        Ok(Some(wanted))
    }

    fn find(name: &str, group: Option<&str>) -> Result<Self, IdentityError> {
        let unknown = |key, name: &str| IdentityError::Unknown { key, name: name.to_owned() };
        let user = match name.parse() {
            Ok(number) => User::from_uid(Uid::from_raw(number)).ok().flatten(),
            Err(_) => User::from_name(name).ok().flatten(),
        };
        let uid = match (&user, name.parse()) {
            (Some(user), _) => user.uid,
            (None, Ok(number)) => Uid::from_raw(number),
            (None, Err(_)) => return Err(unknown("user", name)),
        };
        let gid = match (group.map(|group| (group, group.parse())), &user) {
            (Some((_, Ok(number))), _) => Gid::from_raw(number),
            (Some((group, Err(_))), _) => match Group::from_name(group) {
                Ok(Some(found)) => found.gid,
                _ => return Err(unknown("group", group)),
            },
            (None, Some(user)) => user.gid,
            (None, None) => return Err(IdentityError::NoGroup(uid)),
        };
        Ok(Self { name: name.to_owned(), uid, gid, login: user.map(|user| user.name) })
    }

    /// Becomes it, with all threads there are and will be (the C library sees to that), and makes sure that there is no
    /// way back.
    ///
    /// # Errors
    /// When the system refuses. The process is to end then: it may be half another.
    pub(crate) fn assume(&self) -> Result<(), IdentityError> {
        let failed =
            |what| move |errno| IdentityError::System { wanted: self.clone(), what, errno };
        match self.login.as_deref().map(CString::new) {
            Some(Ok(login)) => initgroups(&login, self.gid).map_err(failed("initgroups"))?,
            _ => setgroups(&[self.gid]).map_err(failed("setgroups"))?,
        }
        setresgid(self.gid, self.gid, self.gid).map_err(failed("setresgid"))?;
        setresuid(self.uid, self.uid, self.uid).map_err(failed("setresuid"))?;
        if !self.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
            return Err(IdentityError::NotForGood(self.clone()));
        }
        Ok(())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (uid {}, gid {})", self.name, self.uid, self.gid)
    }
}

/// Whether only root can have put anything where a file is to be. In another directory root would follow whatever lies
/// there.
pub(crate) fn is_roots_alone(file: &Path) -> bool {
    let Some(Ok(directory)) = file.parent().map(Path::canonicalize) else { return false };
    directory.ancestors().enumerate().all(|(above, directory)| {
        let Ok(found) = fs::metadata(directory) else { return false };
        // Further up it is enough that nobody else can rename what is root's, as in /tmp.
        let is_sticky = above > 0 && found.mode() & 0o1000 != 0;
        found.uid() == 0 && (found.mode() & 0o022 == 0 || is_sticky)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(user: &str, group: Option<&str>) -> Result<(u32, u32, Option<String>), String> {
        match Identity::find(user, group) {
            Ok(identity) => Ok((identity.uid.as_raw(), identity.gid.as_raw(), identity.login)),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn names_and_numbers() {
        let root = Some("root".to_owned());
        assert_eq!(found("root", None), Ok((0, 0, root.clone())));
        assert_eq!(found("0", Some("7")), Ok((0, 7, root)));
        assert_eq!(found("4000000000", Some("0")), Ok((4_000_000_000, 0, None)));
        for (user, group, error) in [
            ("no one", None, "user: there is no user \"no one\" on this machine"),
            ("root", Some("no one"), "group: there is no group \"no one\" on this machine"),
            (
                "4000000000",
                None,
                "group: user 4000000000 is not in the table of users, so the group must be given",
            ),
        ] {
            assert_eq!(found(user, group), Err(error.to_owned()));
        }
    }

    #[test]
    fn who_it_is_already_need_not_be_become() {
        let rights = |user: Uid| Rights {
            user: Some(user.to_string()),
            group: Some(getegid().to_string()),
            ..Rights::default()
        };
        assert_eq!(Identity::to_become(&Rights::default()).unwrap(), None);
        assert_eq!(Identity::to_become(&rights(geteuid())).unwrap(), None);
        let other = Identity::to_become(&rights(Uid::from_raw(4_000_000_000)));
        if geteuid().is_root() {
            assert_eq!(other.unwrap().unwrap().uid.as_raw(), 4_000_000_000);
        } else {
            assert!(other.unwrap_err().to_string().contains("start it as root"));
        }
    }
}

//! Whose files and directories are, and whether this process can make it so.

use std::fmt;

use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups};

/// Who shall own a file; `None` leaves uid or gid as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl Owner {
    /// Leaves a file to whoever made it.
    pub(crate) const UNCHANGED: Self = Self { uid: None, gid: None };

    /// In the order in which `fchown` wants it.
    pub(crate) fn ids(self) -> (Option<Uid>, Option<Gid>) {
        (self.uid.map(Uid::from_raw), self.gid.map(Gid::from_raw))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |id: Option<u32>| id.map_or_else(|| "-1".to_owned(), |id| id.to_string());
        write!(f, "{}:{}", id(self.uid), id(self.gid))
    }
}

/// What this process may do with ownership.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    uid: u32,
    groups: Vec<u32>,
}

impl Identity {
    /// Of the running process.
    pub(crate) fn current() -> Self {
        let mut groups = vec![getegid().as_raw()];
        // Without the supplementary groups fewer owners are possible, never more.
        groups.extend(getgroups().unwrap_or_default().into_iter().map(Gid::as_raw));
        Self { uid: geteuid().as_raw(), groups }
    }

    /// Of some other process.
    #[cfg(test)]
    pub(crate) fn of(uid: u32, groups: Vec<u32>) -> Self {
        Self { uid, groups }
    }

    /// Whether it can give its files to an owner.
    pub(crate) fn can_give_to(&self, owner: Owner) -> bool {
        self.uid == ROOT
            || (owner.uid.is_none_or(|uid| uid == self.uid)
                && owner.gid.is_none_or(|gid| self.groups.contains(&gid)))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}", self.uid)
    }
}

/// What a directory on the way to a mailbox is to be, when it is made and when it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// Who owns the mail.
    pub(crate) owner: Owner,
    /// How far the directory and its name can be trusted.
    pub(crate) kind: Kind,
}

/// Which directories are met on the way to a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Holds the mailboxes of several users, such as the one of a domain.
    Shared,
    /// Belongs to one user, whom the operator has listed.
    Listed,
    /// Belongs to one user, whose name the client has chosen.
    Chosen,
}

impl Keeping {
    /// Mode of a new directory: users must get through shared ones.
    pub(crate) fn mode(self) -> u32 {
        if self.kind == Kind::Shared { 0o755 } else { 0o700 }
    }

    /// Owner of a new directory.
    pub(crate) fn new_owner(self) -> Owner {
        if self.kind == Kind::Shared { Owner::UNCHANGED } else { self.owner }
    }

    /// Whether a directory of this owner may be used.
    ///
    /// Under the catch-all a client can name any directory that lies beside the mailboxes: only what this
    /// processor would have made there itself is used.
    pub(crate) fn accepts(self, uid: u32) -> bool {
        let own = geteuid().as_raw();
        match (self.kind, self.owner.uid) {
            (Kind::Chosen, user) => uid == user.unwrap_or(own),
            (Kind::Listed, None) => true,
            (Kind::Shared | Kind::Listed, user) => uid == ROOT || uid == own || Some(uid) == user,
        }
    }

    /// Whether a directory must be handed to its user: only the daemon can enter it. go-guerrilla made parents
    /// that way, and so does a crash between making a directory and giving it away. Never under the
    /// catch-all: a client could have a private directory of root's handed over.
    pub(crate) fn must_be_given(self, uid: u32, mode: u32) -> bool {
        self.kind == Kind::Listed
            && uid == geteuid().as_raw()
            && self.owner.uid.is_some_and(|user| user != uid)
            && mode & 0o077 == 0
    }
}

const ROOT: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Owner = Owner { uid: Some(1001), gid: Some(1002) };

    #[test]
    fn only_root_gives_files_away() {
        let root = Identity::of(0, vec![0]);
        assert!(root.can_give_to(USER));
        let user = Identity::of(1001, vec![1001, 8]);
        assert!(!user.can_give_to(USER), "not in the group");
        assert!(user.can_give_to(Owner { uid: Some(1001), gid: Some(8) }));
        assert!(user.can_give_to(Owner { uid: None, gid: None }));
        assert!(!user.can_give_to(Owner { uid: Some(1002), gid: None }));
        assert!(!user.can_give_to(Owner { uid: Some(0), gid: Some(0) }));
    }

    #[test]
    fn foreign_directories_are_refused() {
        let own = geteuid().as_raw();
        let listed = Keeping { owner: USER, kind: Kind::Listed };
        assert!(listed.accepts(1001) && listed.accepts(own) && listed.accepts(0));
        assert!(!listed.accepts(4711));
        let unowned = Keeping { owner: Owner::UNCHANGED, kind: Kind::Listed };
        assert!(unowned.accepts(4711), "whose it is was left open");
        let shared = Keeping { owner: USER, kind: Kind::Shared };
        assert!(shared.accepts(0) && !shared.accepts(4711));
    }

    #[test]
    fn a_name_of_the_clients_choice_reaches_only_what_is_the_users() {
        let own = geteuid().as_raw();
        let chosen = Keeping { owner: USER, kind: Kind::Chosen };
        assert!(chosen.accepts(1001) && !chosen.accepts(own) && !chosen.accepts(0));
        let unowned = Keeping { owner: Owner::UNCHANGED, kind: Kind::Chosen };
        assert!(unowned.accepts(own) && !unowned.accepts(4711));
        assert!(!chosen.must_be_given(own, 0o700));
    }

    #[test]
    fn ids_keep_their_order() {
        let (uid, gid) = USER.ids();
        assert_eq!((uid.unwrap().as_raw(), gid.unwrap().as_raw()), (1001, 1002));
        assert_eq!(USER.to_string(), "1001:1002");
        assert_eq!(Owner { uid: None, gid: Some(3) }.to_string(), "-1:3");
    }
}

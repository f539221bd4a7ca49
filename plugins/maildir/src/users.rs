//! Who receives mail: the users of the configuration, and those of a file.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::ownership::{Identity, Owner};
use crate::quota::Quota;
use crate::user_file::{UserFile, UserFileError};
use crate::user_map::{User, UserMap, UserMapError};

/// All users. Those of the configuration come first.
pub(crate) struct Users {
    map: Arc<UserMap>,
    file: Option<UserFile>,
    report: Report,
}

/// Is told what happens to the file: `Err` when it cannot be used.
pub(crate) type Report = Box<dyn Fn(Result<&str, &str>) + Send + Sync>;

impl Users {
    /// From the texts of the configuration; either may be empty, not both.
    pub(crate) fn new(map: &str, file: &str, report: Report) -> Result<Self, UsersError> {
        if file.trim().is_empty() {
            return Ok(Self { map: Arc::new(UserMap::parse(map)?), file: None, report });
        }
        let map = if map.trim().is_empty() { UserMap::default() } else { UserMap::parse(map)? };
        let file = UserFile::open(Path::new(file), Instant::now())?;
        Ok(Self { map: Arc::new(map), file: Some(file), report })
    }

    /// The users as of now, in the order in which they are asked.
    pub(crate) fn now(&self) -> CurrentUsers {
        let check =
            |users: &UserMap| check_owners(users, &Identity::current()).map_err(|e| e.to_string());
        let file = self.file.as_ref().map(|file| file.users(Instant::now(), check, &self.report));
        CurrentUsers(Some(Arc::clone(&self.map)).into_iter().chain(file).collect())
    }
}

/// The users at one time.
pub(crate) struct CurrentUsers(Vec<Arc<UserMap>>);

impl CurrentUsers {
    /// The user that receives mail under a name in a domain, in any case.
    pub(crate) fn find(&self, name: &str, domain: &str) -> Option<User> {
        let anyone = || self.0.iter().find_map(|users| users.find_anyone(name));
        self.find_listed(name, domain).or_else(anyone)
    }

    /// The user that is listed as `name@domain`, or else as `name`.
    pub(crate) fn find_listed(&self, name: &str, domain: &str) -> Option<User> {
        let address = format!("{name}@{domain}");
        let listed = |name: &str| self.0.iter().find_map(|users| users.find_listed(name));
        // A quoted local part may look like an address; it is none of this house's.
        listed(&address).or_else(|| if name.contains('@') { None } else { listed(name) })
    }

    /// The users that are listed.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &User> {
        self.0.iter().flat_map(|users| users.listed())
    }

    /// Every owner, with the name of its entry.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (&str, Owner)> {
        self.0.iter().flat_map(|users| users.owners())
    }

    /// The quota of every entry, where it has one of its own.
    pub(crate) fn quotas(&self) -> impl Iterator<Item = Option<Quota>> {
        self.0.iter().flat_map(|users| users.quotas())
    }

    /// Whether a process can give mail to its owners.
    pub(crate) fn check_owners(&self, identity: &Identity) -> Result<(), NotPermitted> {
        self.0.iter().try_for_each(|users| check_owners(users, identity))
    }
}

/// Why there are no users.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error(transparent)]
    Map(#[from] UserMapError),
    #[error(transparent)]
    File(#[from] UserFileError),
}

/// An owner that this process cannot give files to.
#[derive(Debug, thiserror::Error)]
#[error(
    "maildir_user_map: the daemon runs as {identity} and cannot give the mail of \"{name}\" to {owner}; run it as root, or write -1 to leave the owner as it is"
)]
pub(crate) struct NotPermitted {
    name: String,
    owner: Owner,
    identity: Identity,
}

fn check_owners(users: &UserMap, identity: &Identity) -> Result<(), NotPermitted> {
    match users.owners().find(|(_, owner)| !identity.can_give_to(*owner)) {
        None => Ok(()),
        Some((name, owner)) => {
            Err(NotPermitted { name: name.to_owned(), owner, identity: identity.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(map: &str, file: &str) -> CurrentUsers {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("users");
        std::fs::write(&path, file).unwrap();
        let users = Users::new(map, path.to_str().unwrap(), Box::new(|_| {})).unwrap();
        users.now()
    }

    fn uid(user: Option<User>) -> Option<u32> {
        user.unwrap().owner.uid
    }

    #[test]
    fn the_configuration_comes_before_the_file_and_anyone_last() {
        let users = users("a=1:1,*=9:9", "a=2:2\nb=3:3\n");
        assert_eq!(uid(users.find("a", "d")), Some(1));
        assert_eq!(uid(users.find("B", "d")), Some(3));
        assert_eq!(uid(users.find("c", "d")), Some(9));
        assert!(users.find_listed("c", "d").is_none());
        assert_eq!((users.listed().count(), users.owners().count()), (3, 4));
    }

    #[test]
    fn an_address_is_more_than_a_name() {
        let users = users("", "a=1:1\na@Example.com=2:2\nb@example.com=3:3");
        assert_eq!(uid(users.find("A", "example.COM")), Some(2));
        assert_eq!(uid(users.find("a", "example.org")), Some(1));
        assert!(users.find("b", "example.org").is_none());
        assert!(users.find("b@example.com", "example.org").is_none());
        assert_eq!(users.find("b", "example.com").unwrap().name, "b");
    }

    #[test]
    fn somebody_must_be_named() {
        assert!(matches!(Users::new(" ", "", Box::new(|_| {})), Err(UsersError::Map(_))));
        let missing = Users::new("a=1:1", "/nowhere/users", Box::new(|_| {}));
        assert!(matches!(missing, Err(UsersError::File(_))));
    }

    #[test]
    fn every_owner_must_be_possible() {
        let users = users("a=-1:-1", "b=1001:1002");
        users.check_owners(&Identity::of(0, vec![0])).unwrap();
        let refused = users.check_owners(&Identity::of(7, vec![7])).unwrap_err().to_string();
        assert!(refused.contains("\"b\" to 1001:1002"), "{refused}");
    }
}

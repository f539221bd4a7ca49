//! `maildir_user_map`: who receives mail, and who owns it.
//!
//! The text is `user=uid:gid` entries separated by commas; an entry may end in `:quota`, the user's own. go-guerrilla stopped reading at the first malformed entry and
//! took an unreadable id for 0, which is root; here each of them is an error that names the entry.

use std::collections::HashMap;

use crate::mailbox_name::{self, BadName};
use crate::ownership::Owner;
use crate::quota::{BadQuota, Quota};

/// The users that receive mail.
#[derive(Debug, Default)]
pub(crate) struct UserMap {
    /// By name in lower case.
    named: HashMap<String, User>,
    /// Of the entry `*`.
    anyone: Option<(Owner, Option<Quota>)>,
}

impl UserMap {
    /// Reads the text of the configuration.
    pub(crate) fn parse(text: &str) -> Result<Self, UserMapError> {
        Self::of_entries(text.split(','))
    }

    /// Reads entries one by one; blank ones are skipped.
    pub(crate) fn of_entries<'e>(
        entries: impl Iterator<Item = &'e str>,
    ) -> Result<Self, UserMapError> {
        let mut map = Self::default();
        for entry in entries.map(str::trim).filter(|entry| !entry.is_empty()) {
            map.add(entry)?;
        }
        if map.named.is_empty() && map.anyone.is_none() {
            return Err(UserMapError::Nobody);
        }
        Ok(map)
    }

    /// The user that the entry for everybody else makes of a name.
    pub(crate) fn find_anyone(&self, name: &str) -> Option<User> {
        let name = || name.to_lowercase();
        self.anyone.map(|(owner, quota)| User { name: name(), owner, quota, listed: false })
    }

    /// The user that is listed under a name, in any case.
    pub(crate) fn find_listed(&self, name: &str) -> Option<User> {
        self.named.get(&name.to_lowercase()).cloned()
    }

    /// The users that are listed by name.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &User> {
        self.named.values()
    }

    /// Every owner, with the name of its entry.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (&str, Owner)> {
        let named = self.named.values().map(|user| (user.name.as_str(), user.owner));
        named.chain(self.anyone.map(|(owner, _)| (ANYONE, owner)))
    }

    /// The quota of every entry that has one of its own, and `None` for those that do not.
    pub(crate) fn quotas(&self) -> impl Iterator<Item = Option<Quota>> {
        let named = self.named.values().map(|user| user.quota);
        named.chain(self.anyone.map(|(_, quota)| quota))
    }

    fn add(&mut self, entry: &str) -> Result<(), UserMapError> {
        let malformed = |why| UserMapError::Malformed { entry: entry.to_owned(), why };
        let (name, ids) = entry.rsplit_once('=').ok_or_else(|| malformed(Malformed::NoEquals))?;
        let (uid, gid) = ids.split_once(':').ok_or_else(|| malformed(Malformed::NoColon))?;
        let (gid, quota) = match gid.split_once(':') {
            Some((gid, quota)) => (gid, Some(quota.parse())),
            None => (gid, None),
        };
        let quota = quota.transpose().map_err(|why| malformed(Malformed::Quota(why)))?;
        let owner = Owner {
            uid: id(uid).ok_or_else(|| malformed(Malformed::Uid))?,
            gid: id(gid).ok_or_else(|| malformed(Malformed::Gid))?,
        };
        let name = name.trim();
        let known = if name == ANYONE {
            self.anyone.replace((owner, quota))
        } else {
            mailbox_name::check(name).map_err(|why| malformed(Malformed::Name(why)))?;
            // The entry of an address is for one domain; the user's name is without it.
            let user = name.rsplit_once('@').map_or(name, |(user, _)| user);
            mailbox_name::check(user).map_err(|why| malformed(Malformed::Name(why)))?;
            let user = User { name: user.to_owned(), owner, quota, listed: true };
            let known = self.named.insert(name.to_lowercase(), user);
            known.map(|user| (user.owner, user.quota))
        };
        if known.is_some_and(|known| known != (owner, quota)) {
            return Err(malformed(Malformed::Twice));
        }
        Ok(())
    }
}

/// One who receives mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// What `[user]` becomes: the name as the operator wrote it, or what the client gave, in lower case.
    pub(crate) name: String,
    /// Who owns the mail.
    pub(crate) owner: Owner,
    /// How much the maildir may hold, where the entry says so.
    pub(crate) quota: Option<Quota>,
    /// Whether the operator named this user: then the name is trusted, and else it is the client's choice.
    pub(crate) listed: bool,
}

/// Why the map cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UserMapError {
    #[error(
        "maildir_user_map: the entry \"{entry}\" {why}; write user=uid:gid or user=uid:gid:quota, such as alice=1001:1001 or bob=1002:1002:500M"
    )]
    Malformed { entry: String, why: Malformed },
    #[error("maildir_user_map names nobody; write user=uid:gid entries separated by commas")]
    Nobody,
}

/// What is wrong with an entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("has no =")]
    NoEquals,
    #[error("has no : between uid and gid")]
    NoColon,
    #[error("has a uid that is neither a number nor -1")]
    Uid,
    #[error("has a gid that is neither a number nor -1")]
    Gid,
    #[error("has a name that {0}")]
    Name(BadName),
    #[error("has a quota where {0}")]
    Quota(BadQuota),
    #[error("names a user that an earlier entry gives to another owner or quota")]
    Twice,
}

/// Reads an id: the outer `None` is malformed, the inner one is -1.
fn id(text: &str) -> Option<Option<u32>> {
    let text = text.trim();
    if text == "-1" {
        return Some(None);
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // The highest number is -1 to chown(2) and would leave the owner alone by accident.
    text.parse().ok().filter(|id| *id != u32::MAX).map(Some)
}

/// The name of the entry for everybody else.
const ANYONE: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    impl UserMap {
        fn find(&self, name: &str) -> Option<User> {
            self.find_listed(name).or_else(|| self.find_anyone(name))
        }
    }

    fn owner(uid: u32, gid: u32) -> Owner {
        Owner { uid: Some(uid), gid: Some(gid) }
    }

    fn why(text: &str) -> Malformed {
        match UserMap::parse(text) {
            Err(UserMapError::Malformed { why, .. }) => why,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn entries_are_trimmed_and_names_match_in_any_case() {
        let map = UserMap::parse(" test = 1002 : 2003 ,Guerrilla=1001:1001,\n").unwrap();
        let test = map.find("TEST").unwrap();
        assert_eq!((test.name.as_str(), test.owner), ("test", owner(1002, 2003)));
        let guerrilla = map.find("guerrilla").unwrap();
        assert_eq!(guerrilla.name, "Guerrilla", "the path keeps the operator's spelling");
        assert!(guerrilla.listed);
        assert_eq!(map.find("nobody"), None);
        assert_eq!(map.listed().count(), 2);
    }

    #[test]
    fn the_catch_all_takes_everybody_else() {
        let map = UserMap::parse("a=1:2,*=5000:-1").unwrap();
        assert_eq!(map.find("A").unwrap().owner, owner(1, 2));
        let other = map.find("Zoë").unwrap();
        assert_eq!(other.name, "zoë");
        assert_eq!(other.owner, Owner { uid: Some(5000), gid: None });
        assert!(!other.listed);
        assert_eq!(map.owners().count(), 2);
    }

    #[test]
    fn an_entry_may_have_a_quota_of_its_own() {
        let map = UserMap::parse("a=1:2:5M 100C, b=1:2:none,c=1:2:,d=1:2,*=1:2:1G").unwrap();
        let quota = |name: &str| map.find(name).unwrap().quota;
        assert_eq!(quota("A"), Some("5M,100C".parse().unwrap()));
        assert_eq!(
            (quota("b"), quota("c"), quota("d")),
            (Some(Quota::NONE), Some(Quota::NONE), None)
        );
        assert_eq!(quota("anybody"), Some("1G".parse().unwrap()));
        assert_eq!(map.quotas().count(), 5);
    }

    #[test]
    fn minus_one_is_kept_for_each_id_on_its_own() {
        let map = UserMap::parse("a=-1:7,b=7:-1,c=-1:-1,d=0:0").unwrap();
        assert_eq!(map.find("a").unwrap().owner, Owner { uid: None, gid: Some(7) });
        assert_eq!(map.find("b").unwrap().owner, Owner { uid: Some(7), gid: None });
        assert_eq!(map.find("c").unwrap().owner, Owner { uid: None, gid: None });
        assert_eq!(map.find("d").unwrap().owner, owner(0, 0));
    }

    #[test]
    fn a_malformed_entry_is_an_error_that_names_it() {
        assert_eq!(why("a"), Malformed::NoEquals);
        assert_eq!(why("a=1"), Malformed::NoColon);
        assert_eq!(why("a=x:1"), Malformed::Uid);
        assert_eq!(why("a=:1"), Malformed::Uid);
        assert_eq!(why("a=+1:1"), Malformed::Uid);
        assert_eq!(why("a=-2:1"), Malformed::Uid);
        assert_eq!(why("a=4294967295:1"), Malformed::Uid);
        assert_eq!(why("a=99999999999:1"), Malformed::Uid);
        assert_eq!(why("a=1:"), Malformed::Gid);
        assert!(matches!(why("a=1:1:x"), Malformed::Quota(_)));
        assert!(matches!(why("a=1:1:1K:2"), Malformed::Quota(_)));
        assert_eq!(why("a=1:1:1K,a=1:1:2K"), Malformed::Twice);
        assert_eq!(why("../a=1:1"), Malformed::Name(BadName::LeadingDot));
        assert_eq!(why("=1:1"), Malformed::Name(BadName::Empty));
        assert_eq!(why("a=1:1,A=2:2"), Malformed::Twice);
        let text = UserMap::parse("good=1:1, bad=x:1 ,later=1:1").unwrap_err().to_string();
        assert!(text.contains("\"bad=x:1\"") && !text.contains('\n'), "{text}");
    }

    #[test]
    fn a_repeated_entry_is_harmless_and_an_empty_map_is_not() {
        UserMap::parse("a=1:1,a=1:1").unwrap();
        assert_eq!(UserMap::parse(" , ").unwrap_err(), UserMapError::Nobody);
        assert_eq!(UserMap::parse("").unwrap_err(), UserMapError::Nobody);
    }
}

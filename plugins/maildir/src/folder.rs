//! Sub-folders by tag: with the separator `+`, mail for `alice+lists.rust` goes into the folder `lists/rust` of `alice`.
//!
//! Standards: Maildir++, where a folder is a maildir `.name` within the maildir, marked by a file `maildirfolder`,
//! and a dot in its name separates levels. RFC 5233 calls the two parts user and detail.
//!
//! Trust: the tag is the client's choice, and each new one makes a folder. So their number has a limit.
//! A tag that cannot be a folder is no reason to refuse mail for a user that exists: it goes to the inbox.
//!
//! Limits: [`MOST_FOLDERS`] in a maildir; new ones beyond go to the inbox.

use crate::mailbox_name;

/// Divides local parts.
#[derive(Debug)]
pub(crate) struct FolderSeparator(String);

impl FolderSeparator {
    /// From the configuration; an empty text divides nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, BadSeparator> {
        let fits = |c: char| c.is_ascii_punctuation() && !matches!(c, '/' | '.' | '@' | '"' | '\\');
        if text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadSeparator(text.to_owned()))
        }
    }

    /// User and folder of a local part. The user may be all of it.
    pub(crate) fn split<'l>(&self, local_part: &'l str) -> (&'l str, Option<String>) {
        if self.0.is_empty() {
            return (local_part, None);
        }
        match local_part.split_once(&self.0) {
            Some((user, tag)) if !user.is_empty() => (user, folder(tag)),
            _ => (local_part, None),
        }
    }
}

/// A separator that local parts cannot be divided by.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("maildir_folder_separator: \"{}\" does not separate; write a sign such as +", .0.escape_debug())]
pub(crate) struct BadSeparator(String);

/// Name of the directory for a tag, if it can have one. Signs that Maildir++ writes in modified UTF-7 cannot: they would
/// have other names for other readers.
fn folder(tag: &str) -> Option<String> {
    let plain = tag.bytes().all(|b| b.is_ascii_graphic() && b != b'&');
    let levels = tag.split('.').all(|level| !level.is_empty());
    let name = format!(".{}", tag.to_ascii_lowercase());
    let fits = !tag.contains('/') && mailbox_name::check_length(&name).is_ok();
    (plain && levels && fits).then_some(name)
}

/// Folders that tags can make in one maildir.
pub(crate) const MOST_FOLDERS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn split(local_part: &str) -> (&str, Option<String>) {
        FolderSeparator::parse("+").unwrap().split(local_part)
    }

    #[test]
    fn the_tag_names_a_folder() {
        assert_eq!(split("alice+Lists.Rust"), ("alice", Some(".lists.rust".to_owned())));
        assert_eq!(split("a+b+c"), ("a", Some(".b+c".to_owned())));
        assert_eq!(split("alice"), ("alice", None));
        assert_eq!(split("+alice"), ("+alice", None));
        let two = FolderSeparator::parse("--").unwrap();
        assert_eq!(two.split("a-b--c"), ("a-b", Some(".c".to_owned())));
        assert_eq!(FolderSeparator::parse("").unwrap().split("a+b"), ("a+b", None));
    }

    #[test]
    fn a_tag_that_cannot_be_a_folder_goes_to_the_inbox() {
        let long = "x".repeat(255);
        for tag in ["", ".", "..", ".x", "x.", "a..b", "a/b", "a b", "ä", "a&b", "a\0", "\n", &long]
        {
            assert_eq!(split(&format!("alice+{tag}")), ("alice", None), "{tag:?}");
        }
    }

    #[test]
    fn what_cannot_separate_is_refused() {
        for text in ["a", " ", "/", ".", "@", "ü", "\\"] {
            assert_eq!(FolderSeparator::parse(text).unwrap_err(), BadSeparator(text.to_owned()));
        }
    }
}

//! `maildir_path`: where the maildir of a recipient is.
//!
//! The path is cut in two. The *base* has no placeholder: it is the operator's and opened as written, symbolic links
//! included. From the first placeholder on, components depend on what a client wrote and are opened one by
//! one, without following links. Of these, those before the first `[user]` are shared by several users.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::mailbox_name::{self, BadName};

/// The path with its placeholders.
#[derive(Debug)]
pub(crate) struct PathTemplate {
    base: Arc<Path>,
    parts: Vec<String>,
    /// Index of the first part that belongs to one user.
    private_from: usize,
}

impl PathTemplate {
    /// Reads the text of the configuration; `home` is what `~` stands for, and relative paths begin at `current`.
    pub(crate) fn parse(
        text: &str,
        home: Option<&Path>,
        current: &Path,
    ) -> Result<Self, PathTemplateError> {
        let absolute = absolute(text, home, current)?;
        let mut components = Vec::new();
        for component in absolute.split('/').filter(|part| !part.is_empty() && *part != ".") {
            components.push(checked(component)?);
        }
        let Some(last) = components.len().checked_sub(1) else {
            return Err(PathTemplateError::Root);
        };
        let first_variable = components.iter().position(|c| c.contains('[')).unwrap_or(last);
        let first_private = components.iter().position(|c| c.contains(USER)).unwrap_or(last);
        let parts = components.split_off(first_variable);
        let base: PathBuf = Path::new("/").join(components.join("/"));
        Ok(Self { base: base.into(), parts, private_from: first_private - first_variable })
    }

    /// The path for one user.
    pub(crate) fn fill(&self, user: &str, domain: &str) -> Result<MailboxPath, BadName> {
        if self.has_user() {
            mailbox_name::check(user)?;
        }
        if self.has_domain() {
            mailbox_name::check(domain)?;
        }
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let part = replaced(part, user, domain);
            mailbox_name::check_length(&part)?;
            parts.push(part);
        }
        Ok(MailboxPath { base: Arc::clone(&self.base), parts, private_from: self.private_from })
    }

    /// Whether each user has a maildir.
    pub(crate) fn has_user(&self) -> bool {
        self.parts.iter().any(|part| part.contains(USER))
    }

    /// Whether each domain has a directory.
    pub(crate) fn has_domain(&self) -> bool {
        self.parts.iter().any(|part| part.contains(DOMAIN))
    }

    /// The part without placeholders.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }
}

/// Where one maildir is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MailboxPath {
    /// Opened as written.
    pub(crate) base: Arc<Path>,
    /// Opened one from the other; the last is the maildir.
    pub(crate) parts: Vec<String>,
    /// Index of the first part that belongs to the user.
    pub(crate) private_from: usize,
}

impl MailboxPath {
    /// All of it, to be compared; it is opened in parts.
    pub(crate) fn whole(&self) -> PathBuf {
        let mut whole = self.base.to_path_buf();
        whole.extend(&self.parts);
        whole
    }
}

/// Why the path cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathTemplateError {
    #[error("maildir_path is empty; write a directory such as /home/[user]/Maildir")]
    Empty,
    #[error("maildir_path is the root directory; write one such as /home/[user]/Maildir")]
    Root,
    #[error(
        "maildir_path: \"{0}\" cannot be a directory on the way to a maildir; write the path without it"
    )]
    BadComponent(String),
    #[error("maildir_path: \"{0}\" has an unknown placeholder; [user] and [domain] are known")]
    Placeholder(String),
    #[error(
        "maildir_path begins with ~, but the daemon has no home directory; write the path in full"
    )]
    NoHome,
    #[error("maildir_path: only ~/ is known, not \"{0}\"; write the path in full")]
    OtherHome(String),
}

/// Replaces in one pass: a user that is called `[domain]` stays what it is.
fn replaced(part: &str, user: &str, domain: &str) -> String {
    let by_user = part.split(USER).map(|piece| piece.replace(DOMAIN, domain));
    by_user.collect::<Vec<_>>().join(user)
}

fn absolute(text: &str, home: Option<&Path>, current: &Path) -> Result<String, PathTemplateError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(PathTemplateError::Empty);
    }
    let below = |directory: &Path, rest: &str| match directory.to_str() {
        Some(directory) => Ok(format!("{directory}/{rest}")),
        None => Err(PathTemplateError::BadComponent(directory.display().to_string())),
    };
    if text == "~" || text.starts_with("~/") {
        let home = home.ok_or(PathTemplateError::NoHome)?;
        return below(home, &text[1..]);
    }
    if text.starts_with('~') {
        let first = text.split('/').next().unwrap_or(text);
        return Err(PathTemplateError::OtherHome(first.to_owned()));
    }
    if text.starts_with('/') { Ok(text.to_owned()) } else { below(current, text) }
}

fn checked(component: &str) -> Result<String, PathTemplateError> {
    let literal = component.replace(USER, "").replace(DOMAIN, "");
    if component == ".." || literal.contains('\0') || literal.len() > mailbox_name::LONGEST {
        return Err(PathTemplateError::BadComponent(component.escape_debug().to_string()));
    }
    if literal.contains('[') {
        return Err(PathTemplateError::Placeholder(component.to_owned()));
    }
    Ok(component.to_owned())
}

const USER: &str = "[user]";
const DOMAIN: &str = "[domain]";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PathTemplate, PathTemplateError> {
        PathTemplate::parse(text, Some(Path::new("/root")), Path::new("/srv/g"))
    }

    fn filled(text: &str, user: &str, domain: &str) -> (String, Vec<String>, usize) {
        let path = parse(text).unwrap().fill(user, domain).unwrap();
        (path.base.display().to_string(), path.parts, path.private_from)
    }

    #[test]
    fn the_base_ends_before_the_first_placeholder() {
        let of = |base: &str, parts: &[&str], private| {
            (base.to_owned(), parts.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>(), private)
        };
        assert_eq!(filled("/home/[user]/Maildir", "a", "d"), of("/home", &["a", "Maildir"], 0));
        assert_eq!(filled("/m/[domain]/x/[user]/", "a", "d"), of("/m", &["d", "x", "a"], 2));
        assert_eq!(filled("/m/[user]@[domain]", "a", "d"), of("/m", &["a@d"], 0));
        assert_eq!(filled("/m/[domain]/all", "a", "d"), of("/m", &["d", "all"], 1));
        assert_eq!(filled("/m/all", "a", "d"), of("/m", &["all"], 0));
        assert_eq!(filled("/[user]", "a", "d"), of("/", &["a"], 0));
    }

    #[test]
    fn home_and_relative_paths_are_made_absolute() {
        assert_eq!(parse("~/Mail/[user]").unwrap().base(), Path::new("/root/Mail"));
        assert_eq!(parse("var/./mail//[user]").unwrap().base(), Path::new("/srv/g/var/mail"));
        let homeless = PathTemplate::parse("~/x", None, Path::new("/"));
        assert_eq!(homeless.unwrap_err(), PathTemplateError::NoHome);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(parse("  ").unwrap_err(), PathTemplateError::Empty);
        assert_eq!(parse("/").unwrap_err(), PathTemplateError::Root);
        assert!(matches!(parse("/m/../[user]"), Err(PathTemplateError::BadComponent(_))));
        assert!(matches!(parse("/m\0/[user]"), Err(PathTemplateError::BadComponent(_))));
        assert!(matches!(parse("/m/[User]"), Err(PathTemplateError::Placeholder(_))));
        assert!(matches!(parse("~bob/[user]"), Err(PathTemplateError::OtherHome(_))));
    }

    #[test]
    fn a_name_cannot_leave_its_component() {
        let template = parse("/m/[domain]/[user]").unwrap();
        for name in ["..", "a/b", ".x", "", "a\0"] {
            assert!(template.fill(name, "d").is_err(), "user {name:?}");
            assert!(template.fill("u", name).is_err(), "domain {name:?}");
        }
        let long = "x".repeat(200);
        let joined = parse("/m/[user]@[domain]").unwrap();
        assert_eq!(joined.fill(&long, &long), Err(BadName::TooLong));
    }

    #[test]
    fn names_are_not_expanded_again() {
        let template = parse("/m/[user]/[domain]").unwrap();
        assert_eq!(template.fill("[domain]", "[user]").unwrap().parts, ["[domain]", "[user]"]);
    }
}

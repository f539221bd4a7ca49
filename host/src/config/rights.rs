//! What the process may do once it has started: `user`, `group`, `umask`, `landlock` and its lists.

use std::path::PathBuf;

use super::problem::Findings;
use super::raw::RawConfig;

/// As whom the daemon runs, and what is left to it. All of it is done once, at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The user to become when started as root, a name or a number (`user`); nobody else when left out.
    pub user: Option<String>,
    /// The group, a name or a number (`group`); the user's own when left out.
    pub group: Option<String>,
    /// Permission bits that new files do not get (`umask`); inherited when left out.
    pub umask: Option<u32>,
    /// Whether the kernel keeps the process from files it has no business with (`landlock`).
    pub landlock: Landlock,
    /// Files and directories that may be read beside those the daemon needs itself (`landlock_read`).
    pub read: Vec<PathBuf>,
    /// The same for writing (`landlock_write`), which implies reading.
    pub write: Vec<PathBuf>,
}

/// Whether file access is restricted by the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Landlock {
    /// No: which files plugins need is not known to the daemon, only to whoever configures them.
    #[default]
    Off,
    /// As far as the kernel can.
    Auto,
    /// Without it the daemon does not start.
    Require,
}

impl Rights {
    /// Gives meaning to what was typed.
    pub(super) fn check(raw: &mut RawConfig, findings: &mut Findings) -> Self {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let rights = Self {
            user: given(raw.user.take()),
            group: given(raw.group.take()),
            umask: given(raw.umask.take()).and_then(|text| umask(&text, findings)),
            landlock: Landlock::check(raw.landlock.as_deref(), findings),
            read: paths(raw.landlock_read.take()),
            write: paths(raw.landlock_write.take()),
        };
        if rights.group.is_some() && rights.user.is_none() {
            findings.error("group", "without a user nothing is gained by it; give user, too");
        }
        if rights.landlock == Landlock::Off {
            for (key, list) in [("landlock_read", &rights.read), ("landlock_write", &rights.write)]
            {
                if !list.is_empty() {
                    findings.warn(key, "has no effect: landlock is off");
                }
            }
        }
        rights
    }

    /// The keys that say something else in another one.
    pub(crate) fn changed_keys(&self, other: &Self) -> Vec<&'static str> {
        let Self { user, group, umask, landlock, read, write } = other;
        [
            ("user", self.user != *user),
            ("group", self.group != *group),
            ("umask", self.umask != *umask),
            ("landlock", self.landlock != *landlock),
            ("landlock_read", self.read != *read),
            ("landlock_write", self.write != *write),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }
}

impl Landlock {
    fn check(word: Option<&str>, findings: &mut Findings) -> Self {
        match word {
            None | Some("" | "off") => Self::Off,
            Some("auto") => Self::Auto,
            Some("require") => Self::Require,
            Some(other) => {
                let message = format!("expected \"off\", \"auto\" or \"require\", found {other:?}");
                findings.error("landlock", message);
                Self::Off
            }
        }
    }

    /// As the file spells it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Auto => "auto",
            Self::Require => "require",
        }
    }
}

fn paths(list: Option<Vec<String>>) -> Vec<PathBuf> {
    list.unwrap_or_default().into_iter().map(PathBuf::from).collect()
}

fn umask(text: &str, findings: &mut Findings) -> Option<u32> {
    let octal = text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mask = u32::from_str_radix(text, 8).ok().filter(|mask| octal && *mask <= 0o777);
    match mask {
        // The daemon could not use what it makes itself.
        Some(mask) if mask & 0o700 != 0 => {
            let message = format!("{text:?} takes rights from the owner; use at most \"0077\"");
            findings.error("umask", message);
        }
        None => {
            let message = format!("expected octal digits such as \"0027\", found {text:?}");
            findings.error("umask", message);
        }
        Some(_) => {}
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: RawConfig) -> (Rights, Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        let rights = Rights::check(&mut { raw }, &mut findings);
        let text = |problems: &[crate::config::Problem]| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        (rights, text(&findings.errors), text(&findings.warnings))
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn everything_given() {
        let (rights, errors, warnings) = check(RawConfig {
            user: some("mail"),
            group: some("8"),
            umask: some("0027"),
            landlock: some("require"),
            landlock_write: Some(vec!["/var/mail".to_owned()]),
            ..RawConfig::default()
        });
        assert_eq!((errors, warnings), (vec![], vec![]));
        assert_eq!((rights.umask, rights.landlock), (Some(0o027), Landlock::Require));
        assert_eq!(rights.write, [PathBuf::from("/var/mail")]);
    }

    #[test]
    fn what_is_wrong() {
        let (_, errors, warnings) = check(RawConfig {
            group: some("mail"),
            umask: some("0o27"),
            landlock: some("on"),
            landlock_read: Some(vec!["/x".to_owned()]),
            ..RawConfig::default()
        });
        assert_eq!(
            errors,
            [
                "umask: expected octal digits such as \"0027\", found \"0o27\"",
                "landlock: expected \"off\", \"auto\" or \"require\", found \"on\"",
                "group: without a user nothing is gained by it; give user, too",
            ]
        );
        assert_eq!(warnings, ["landlock_read: has no effect: landlock is off"]);
        let (_, errors, _) = check(RawConfig { umask: some("777"), ..RawConfig::default() });
        assert_eq!(errors, ["umask: \"777\" takes rights from the owner; use at most \"0077\""]);
    }
}

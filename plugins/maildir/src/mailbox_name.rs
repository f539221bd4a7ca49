//! Which names may become a component of a path.
//!
//! Trust: the names come from RCPT and are chosen by the client. This is the only gate between them and the
//! file system, so it refuses whatever could leave the directory (`/`, `..`), hide in it (a leading dot, which in a
//! maildir also marks sub-folders), cut a path short (NUL) or fool whoever lists it (control characters).
//!
//! Limits: 255 bytes, which is what Linux file systems hold.

/// Why a name cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadName {
    #[error("is empty")]
    Empty,
    #[error("contains a slash")]
    Slash,
    #[error("begins with a dot")]
    LeadingDot,
    #[error("contains a control character")]
    Control,
    #[error("is longer than {LONGEST} bytes")]
    TooLong,
}

/// Whether a name from outside can stand in a path as one component, or as a part of one.
pub(crate) fn check(name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty);
    }
    if name.starts_with('.') {
        return Err(BadName::LeadingDot);
    }
    if name.contains('/') {
        return Err(BadName::Slash);
    }
    if name.contains(char::is_control) {
        return Err(BadName::Control);
    }
    check_length(name)
}

/// Whether a whole component fits into a directory entry.
pub(crate) fn check_length(component: &str) -> Result<(), BadName> {
    if component.len() > LONGEST { Err(BadName::TooLong) } else { Ok(()) }
}

/// Bytes of a directory entry (`NAME_MAX`).
pub(crate) const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for name in ["alice", "alice+tag", "a.b", "Ünal", "a b", "x..y", "[192.0.2.1]", "-rf", "~"]
        {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(check(&"x".repeat(255)), Ok(()));
    }

    #[test]
    fn hostile_names_do_not() {
        for (name, why) in [
            ("", BadName::Empty),
            ("/", BadName::Slash),
            ("a/../b", BadName::Slash),
            ("/etc", BadName::Slash),
            (".", BadName::LeadingDot),
            ("..", BadName::LeadingDot),
            ("../x", BadName::LeadingDot),
            (".Sent", BadName::LeadingDot),
            ("a\0b", BadName::Control),
            ("a\nb", BadName::Control),
            ("a\x1b[2Jb", BadName::Control),
            ("a\x7f", BadName::Control),
            ("a\u{85}", BadName::Control),
        ] {
            assert_eq!(check(name), Err(why), "{name:?}");
        }
        assert_eq!(check(&"x".repeat(256)), Err(BadName::TooLong));
        assert_eq!(check(&"ü".repeat(128)), Err(BadName::TooLong));
    }

    proptest! {
        #[test]
        fn what_passes_is_one_normal_component(name in any::<String>()) {
            if check(&name).is_ok() {
                let path = std::path::Path::new(&name);
                prop_assert_eq!(path.components().count(), 1);
                prop_assert_eq!(path.file_name(), Some(name.as_ref()));
            }
        }
    }
}

//! Who could have written a file: what runs inside the daemon must come from root or the daemon's own user.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use nix::unistd::geteuid;

/// Why a file or directory cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ownership {
    /// It belongs to somebody who is neither root nor the daemon's user.
    #[error("owned by uid {found}, expected root{}: chown root it", or_daemon(*daemon))]
    Owner {
        /// The owner.
        found: u32,
        /// The daemon's user.
        daemon: u32,
    },
    /// Others than its owner may write to it.
    #[error(
        "mode {mode:04o} lets others than its owner write, expected at most 0755: chmod go-w it"
    )]
    Writable {
        /// Its permission bits.
        mode: u32,
    },
}

impl Ownership {
    /// Checks a file, or a directory whose entries are to be loaded.
    ///
    /// # Errors
    /// What is wrong with it; the owner first, for a stranger's file is not made better by its mode.
    pub(super) fn check(metadata: &Metadata) -> Result<(), Self> {
        Self::verdict(metadata.uid(), metadata.mode(), geteuid().as_raw())
    }

    /// Checks a directory that a private directory is to be made in. There others may write if they cannot
    /// rename or remove what is not theirs, as in `/tmp`.
    ///
    /// # Errors
    /// As [`Ownership::check`].
    pub(super) fn check_parent(metadata: &Metadata) -> Result<(), Self> {
        let mode = metadata.mode();
        let writable = if mode & STICKY == 0 { mode } else { mode & !GROUP_AND_OTHERS_WRITE };
        Self::verdict(metadata.uid(), writable, geteuid().as_raw())
    }

    fn verdict(owner: u32, mode: u32, daemon: u32) -> Result<(), Self> {
        if owner != ROOT && owner != daemon {
            return Err(Self::Owner { found: owner, daemon });
        }
        if mode & GROUP_AND_OTHERS_WRITE != 0 {
            return Err(Self::Writable { mode: mode & 0o7777 });
        }
        Ok(())
    }
}

fn or_daemon(uid: u32) -> String {
    if uid == ROOT { String::new() } else { format!(" or uid {uid} (the daemon's)") }
}

const ROOT: u32 = 0;
const GROUP_AND_OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_root_and_the_daemon() {
        assert_eq!(Ownership::verdict(0, 0o100755, 998), Ok(()));
        assert_eq!(Ownership::verdict(998, 0o100500, 998), Ok(()));
    }

    #[test]
    fn refuses_strangers_whatever_the_mode() {
        let refused = Ownership::verdict(1000, 0o100777, 998).expect_err("a stranger's");
        assert_eq!(
            refused.to_string(),
            "owned by uid 1000, expected root or uid 998 (the daemon's): chown root it"
        );
        let refused = Ownership::verdict(998, 0o100755, 0).expect_err("root loads only root's");
        assert_eq!(refused.to_string(), "owned by uid 998, expected root: chown root it");
    }

    #[test]
    fn refuses_group_and_world_writable() {
        for mode in [0o664, 0o646, 0o2775, 0o777] {
            let refused = Ownership::verdict(0, 0o100000 | mode, 0).expect_err("writable");
            assert_eq!(refused, Ownership::Writable { mode });
        }
        assert_eq!(
            Ownership::Writable { mode: 0o664 }.to_string(),
            "mode 0664 lets others than its owner write, expected at most 0755: chmod go-w it"
        );
    }
}

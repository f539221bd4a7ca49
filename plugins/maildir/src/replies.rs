//! What clients hear; the details are for the log.

use guerrilla_plugin_api::{Reply, Verdict};

use crate::config::OverQuota;
use crate::directory::StorageError;
use crate::maildirs::Unknown;

/// About a recipient that has no maildir.
pub(crate) fn refusal(why: Unknown) -> Verdict {
    Verdict::reject(match why {
        Unknown::NoSuchUser => Reply::new(550, "5.1.1", "No such user here"),
        Unknown::BadName(why) => Reply::new(553, "5.1.3", format!("The mailbox name {why}")),
    })
}

/// About a mailbox that is over its quota (RFC 3463 section 3.3).
pub(crate) fn full(over_quota: OverQuota) -> Verdict {
    match over_quota {
        OverQuota::Defer => {
            Verdict::defer(Reply::new(452, "4.2.2", "The mailbox is full, try again later"))
        }
        OverQuota::Reject => Verdict::reject(Reply::new(552, "5.2.2", "The mailbox is full")),
    }
}

/// About a message that cannot be kept.
pub(crate) fn storage_trouble(e: &StorageError) -> Verdict {
    if e.is_full() { Verdict::NO_ROOM } else { Verdict::UNSTORED }
}

//! Maildirs that are open for the messages of a batch, so that several for one mailbox walk to it once.
//!
//! Limits: two handles for each message of a batch that has one mailbox.

use std::sync::Arc;

use crate::directory::StorageError;
use crate::mailbox::{Mailbox, OpenMailbox};

/// What was opened for a batch; another batch looks anew.
#[derive(Debug, Default)]
pub(crate) struct Opened(Vec<(Mailbox, Found)>);

/// A mailbox, or the one in its place, with its handles.
pub(crate) type Found = (Mailbox, Arc<OpenMailbox>);

impl Opened {
    /// The mailbox as it was opened for an earlier message; it is the same only if it is to be owned and limited alike.
    pub(crate) fn find_or(
        &mut self,
        mailbox: Mailbox,
        open: impl FnOnce(Mailbox) -> Result<Found, StorageError>,
    ) -> Result<Found, StorageError> {
        if let Some((_, found)) = self.0.iter().find(|(wanted, _)| *wanted == mailbox) {
            return Ok(found.clone());
        }
        let found = open(mailbox.clone())?;
        self.0.push((mailbox, found.clone()));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{found, maildirs_at};

    #[test]
    fn one_mailbox_is_opened_once_and_each_owner_has_his_own() {
        let root = tempfile::tempdir().unwrap();
        let maildirs = maildirs_at(root.path(), "[user]", "a=-1:-1,a@d=-1:5,b=-1:-1").unwrap();
        let mut opened = Opened::default();
        let mut count = 0;
        for (_, mailbox) in found(&maildirs, &["a@x", "A@y", "a@d", "b@x", "a@x"]) {
            let open = |mailbox: Mailbox| {
                count += 1;
                let open = mailbox.open_or_make()?;
                Ok((mailbox, Arc::new(open)))
            };
            opened.find_or(mailbox, open).unwrap();
        }
        assert_eq!(count, 3);
    }
}

//! One recipient, as a processor sees it.

use guerrilla_plugin_abi::{ItemField, List, Status};

use crate::transaction::Transaction;

/// One recipient of a transaction.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    txn: &'a Transaction<'a>,
    index: usize,
}

impl<'a> Recipient<'a> {
    pub(crate) fn new(txn: &'a Transaction<'a>, index: usize) -> Self {
        Self { txn, index }
    }

    /// Its place in the list, as [`Transaction::set_recipient`] wants it.
    pub fn index(self) -> usize {
        self.index
    }

    /// The mailbox as given, without brackets.
    pub fn address(self) -> &'a str {
        self.field(ItemField::VALUE)
    }

    /// Local part, unquoted.
    pub fn local_part(self) -> &'a str {
        self.field(ItemField::LOCAL_PART)
    }

    /// Domain as given; an address literal keeps its brackets. A bare `<postmaster>` has the server's host name.
    pub fn domain(self) -> &'a str {
        self.field(ItemField::DOMAIN)
    }

    /// Parameters of RCPT, such as `("NOTIFY", Some("NEVER"))`.
    pub fn parameters(self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        parameters(self.field(ItemField::PARAMETERS))
    }

    /// Whether a stage has refused this recipient by [`Transaction::set_recipient`].
    pub fn is_refused(self) -> bool {
        self.txn
            .recipient_verdict(self.index)
            .is_some_and(|status| status > u64::from(Status::ACCEPT.0))
    }

    fn field(self, field: ItemField) -> &'a str {
        self.txn.item(List::RECIPIENTS, self.index, field).unwrap_or_default()
    }
}

/// Splits ESMTP parameters as the host passes them on: blank-separated, checked by the protocol already.
pub(crate) fn parameters(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split_ascii_whitespace().map(|parameter| match parameter.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (parameter, None),
    })
}

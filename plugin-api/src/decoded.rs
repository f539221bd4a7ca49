//! Header fields as people read them: decoded texts and addresses.
//!
//! *Trust*: strangers' bytes. *Standards*: RFC 5322 section 3.4, RFC 2047. *Limits*: [`LIMIT`] for one field.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address};

use crate::transaction::Transaction;

/// One address of a header field. It is what the author of the message wrote: nobody has checked it, and it says nothing
/// about who gets or sends the message. That is in [`Transaction::recipients`] and [`Transaction::sender`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderAddress {
    /// Display name, decoded.
    pub name: Option<String>,
    /// The address; empty when there is only a name.
    pub address: String,
}

/// With the feature `headers`.
impl Transaction<'_> {
    /// Text of the first header field of that name: in one line, and with encoded words decoded from any charset.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # struct Example;
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[Phase::Save];
    /// #     type Config = NoConfig;
    /// #     fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
    /// fn save(&self, txn: Transaction<'_>) -> Verdict {
    ///     let from = txn.header_addresses("From");
    ///     let familiar = from.iter().any(|from| from.address == "anna@example.com");
    ///     if familiar && txn.header_text("Subject").as_deref() == Some("Grüße") {
    ///         return Verdict::CONTINUE;
    ///     }
    ///     Verdict::REJECT
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// # let example = Harness::<Example>::new("{}")?;
    /// let mail = Mail::new()
    ///     .header("From", "=?utf-8?q?Anna_M=C3=BCller?=\r\n <anna@example.com>")
    ///     .subject("=?iso-8859-1?q?Gr=FC=DFe?=");
    /// assert!(example.deliver(mail).is_accepted());
    /// # Ok(())
    /// # }
    /// ```
    pub fn header_text(&self, name: &str) -> Option<String> {
        let line = line(self.header(name)?);
        let text = MessageStream::new(&line).parse_unstructured().into_text();
        Some(text.map(Cow::into_owned).unwrap_or_default())
    }

    /// Addresses of all header fields of that name, in order; those of groups too.
    pub fn header_addresses(&self, name: &str) -> Vec<HeaderAddress> {
        self.headers()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .flat_map(|(_, value)| addresses(value))
            .collect()
    }
}

fn addresses(value: &[u8]) -> Vec<HeaderAddress> {
    let line = line(value);
    match MessageStream::new(&line).parse_address().into_address() {
        Some(Address::List(list)) => list.into_iter().map(address).collect(),
        Some(Address::Group(groups)) => {
            groups.into_iter().flat_map(|group| group.addresses).map(address).collect()
        }
        None => Vec::new(),
    }
}

fn address(address: Addr<'_>) -> HeaderAddress {
    HeaderAddress {
        name: address.name.map(Cow::into_owned),
        address: address.address.unwrap_or_default().into_owned(),
    }
}

/// The value with the line end that the parser looks for.
fn line(value: &[u8]) -> Vec<u8> {
    [&value[..value.len().min(LIMIT)], b"\r\n"].concat()
}

/// Longest value that is decoded, in bytes: it bounds the time, and fields of real mail are a hundred times shorter.
const LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(Option<String>, String)> {
        addresses(value.as_bytes()).into_iter().map(|a| (a.name, a.address)).collect()
    }

    #[test]
    fn lists_groups_and_nonsense() {
        let named = |name: &str, address: &str| (Some(name.to_owned()), address.to_owned());
        let bare = |address: &str| (None, address.to_owned());
        assert_eq!(read("a@b.example"), [bare("a@b.example")]);
        assert_eq!(
            read("\"Last, First\" <a@b.example>,\r\n c@d.example"),
            [named("Last, First", "a@b.example"), bare("c@d.example")]
        );
        assert_eq!(
            read("Friends: a@b.example, X <c@d.example>; e@f.example"),
            [bare("a@b.example"), named("X", "c@d.example"), bare("e@f.example")]
        );
        for nothing in ["", " ", ";", "undisclosed-recipients:;"] {
            assert_eq!(read(nothing), [], "{nothing:?}");
        }
    }

    #[test]
    fn hostile_values_end() {
        for part in ["(", "<", "\"", "=?utf-8?b?", ":", "a@", "\\", "(<\":;"] {
            let value = part.repeat(LIMIT);
            let _ = addresses(value.as_bytes());
            let _ = MessageStream::new(&line(value.as_bytes())).parse_unstructured();
        }
    }
}

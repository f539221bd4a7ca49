//! The parameters of RCPT.

use super::{Offered, ParameterError, Parameters, set_once};
use crate::xtext::Xtext;

/// The parameters of RCPT, checked against what was offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RcptParameters<'a> {
    /// NOTIFY, RFC 3461 4.1.
    pub notify: Option<Notify>,
    /// ORCPT, RFC 3461 4.2.
    pub orcpt: Option<OriginalRecipient<'a>>,
    /// All of them as written.
    pub all: Parameters<'a>,
}

impl<'a> RcptParameters<'a> {
    pub(crate) fn parse(text: &'a str, offered: Offered<'_>) -> Result<Self, ParameterError> {
        let mut this = Self { all: Parameters::new(text), ..Self::default() };
        for parameter in this.all.checked() {
            let (keyword, value) = parameter?;
            let dsn = offered.extensions && offered.settings.dsn;
            if dsn && keyword.eq_ignore_ascii_case("NOTIFY") {
                set_once(&mut this.notify, value.and_then(Notify::parse))?;
            } else if dsn && keyword.eq_ignore_ascii_case("ORCPT") {
                set_once(&mut this.orcpt, value.and_then(OriginalRecipient::parse))?;
            } else {
                return Err(ParameterError::Unknown);
            }
        }
        Ok(this)
    }
}

/// When the sender wants to hear of this recipient; all false is NEVER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// On delivery.
    pub success: bool,
    /// On failure.
    pub failure: bool,
    /// When delivery takes long.
    pub delay: bool,
}

impl Notify {
    fn parse(value: &str) -> Option<Self> {
        let mut notify = Self::default();
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(notify); // and only alone
        }
        for word in value.split(',') {
            match word {
                _ if word.eq_ignore_ascii_case("SUCCESS") => notify.success = true,
                _ if word.eq_ignore_ascii_case("FAILURE") => notify.failure = true,
                _ if word.eq_ignore_ascii_case("DELAY") => notify.delay = true,
                _ => return None,
            }
        }
        Some(notify)
    }
}

/// The address the sender first gave: `addr-type ";" xtext`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalRecipient<'a> {
    /// `rfc822`, `utf-8` (RFC 6533), ...
    pub address_type: &'a str,
    /// The address as it travels; xtext, or for `utf-8` also the forms of RFC 6533 3.
    pub address: &'a str,
}

impl<'a> OriginalRecipient<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        if value.len() > ORCPT_LIMIT {
            return None;
        }
        let (address_type, address) = value.split_once(';')?;
        let good_type = !address_type.is_empty()
            && address_type.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        // RFC 6533 writes `\x{HEX}` or plain UTF-8 where xtext has `+XX`; the grammar of values has
        // already kept out blanks, `=` and controls.
        let good_address =
            address_type.eq_ignore_ascii_case("utf-8") || Xtext::parse(address).is_some();
        (good_type && !address.is_empty() && good_address).then_some(Self { address_type, address })
    }
}

/// RFC 3461 4.2, as it travels.
const ORCPT_LIMIT: usize = 500;

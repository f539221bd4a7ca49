//! ESMTP parameters: the `KEYWORD=value` list behind a path.
//!
//! Nothing is ignored: a keyword that was not offered is refused with 555 (RFC 5321 4.1.1.11),
//! because a client that gets a 250 takes it for a promise.

use crate::settings::Settings;

mod mail;
mod rcpt;

pub use mail::{BodyType, MailParameters, Ret};
pub use rcpt::{Notify, OriginalRecipient, RcptParameters};

/// The parameters as written, in order: what was checked, for those who want to see all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameters<'a>(&'a str);

impl<'a> Parameters<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// As written, without the blank before the first.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// Keyword and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        self.0.split(' ').filter(|word| !word.is_empty()).map(|word| match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        })
    }

    /// As [`iter`](Self::iter), but with the grammar of RFC 5321 4.1.2 (`esmtp-param`) enforced.
    fn checked(
        self,
    ) -> impl Iterator<Item = Result<(&'a str, Option<&'a str>), ParameterError>> + use<'a> {
        let words = (!self.0.is_empty()).then(|| self.0.split(' '));
        words.into_iter().flatten().map(|word| {
            let (keyword, value) = match word.split_once('=') {
                Some((keyword, value)) => (keyword, Some(value)),
                None => (word, None),
            };
            let good = is_keyword(keyword) && value.is_none_or(is_value);
            if good { Ok((keyword, value)) } else { Err(ParameterError::Syntax) }
        })
    }
}

/// What a parameter needs to know of the session it arrives in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered<'s> {
    pub(crate) settings: &'s Settings,
    /// Not after HELO.
    pub(crate) extensions: bool,
    pub(crate) tls: bool,
}

/// Why a parameter is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParameterError {
    /// Malformed, a bad value, or given twice.
    Syntax,
    /// SIZE above the limit.
    TooBig,
    /// Not known, or not offered to this client.
    Unknown,
}

/// Sets a field that may be set once.
fn set_once<T>(field: &mut Option<T>, value: Option<T>) -> Result<(), ParameterError> {
    match (&field, value) {
        (None, Some(value)) => {
            *field = Some(value);
            Ok(())
        }
        _ => Err(ParameterError::Syntax),
    }
}

/// Sets a flag that may be set once and takes no value.
fn set_flag(flag: &mut bool, value: Option<&str>) -> Result<(), ParameterError> {
    if *flag || value.is_some() {
        return Err(ParameterError::Syntax);
    }
    *flag = true;
    Ok(())
}

fn is_keyword(word: &str) -> bool {
    word.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Printable, no blank, no `=`; beyond ASCII as RFC 6531 3.3 widens it.
fn is_value(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c != '=' && c != ' ' && !c.is_control())
}

#[cfg(test)]
mod tests;

//! How much a maildir may hold, as `maildir_quota` and the entries of users write it.
//!
//! A quota is a size, a number of messages, or both, parted by blanks or commas: `500M`, `1000C`, `2G 5000C`. `K`, `M`, `G` and
//! `T` are powers of 1024; a bare number is bytes. The forms of Maildir++, `500000000S` and `1000C`, are among them.

use std::fmt;
use std::str::FromStr;

/// How much a maildir with all its folders may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Quota {
    bytes: Option<u64>,
    messages: Option<u64>,
}

/// How much it holds, or how much more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
}

impl Quota {
    /// There is no limit.
    pub(crate) const NONE: Self = Self { bytes: None, messages: None };

    /// Whether a maildir that holds so much may hold so much more.
    pub(crate) fn allows(self, held: Usage, more: Usage) -> bool {
        let fits = |most: Option<u64>, held: u64, more: u64| {
            most.is_none_or(|most| held.saturating_add(more) <= most)
        };
        fits(self.bytes, held.bytes, more.bytes)
            && fits(self.messages, held.messages, more.messages)
    }
}

impl FromStr for Quota {
    type Err = BadQuota;

    /// Empty and `none` are no limit.
    fn from_str(text: &str) -> Result<Self, BadQuota> {
        let mut quota = Self::NONE;
        if text.trim().eq_ignore_ascii_case("none") {
            return Ok(quota);
        }
        for term in text.split([',', ' ', '\t']).filter(|term| !term.is_empty()) {
            let (number, unit) =
                term.split_at(term.find(|c: char| !c.is_ascii_digit()).unwrap_or(term.len()));
            let unit = unit.to_ascii_uppercase();
            let (place, factor) = match (unit.as_str(), unit.strip_suffix('S').unwrap_or(&unit)) {
                ("C", _) => (&mut quota.messages, 1),
                (_, "") => (&mut quota.bytes, 1),
                (_, "K") => (&mut quota.bytes, 1 << 10),
                (_, "M") => (&mut quota.bytes, 1 << 20),
                (_, "G") => (&mut quota.bytes, 1 << 30),
                (_, "T") => (&mut quota.bytes, 1 << 40),
                _ => return Err(BadQuota(text.to_owned())),
            };
            let number = number.parse().ok().and_then(|number: u64| number.checked_mul(factor));
            // Nothing at all is no quota but a mailbox that is closed; who wants that does not list the user.
            let number = number.filter(|number| *number > 0 && place.is_none());
            *place = Some(number.ok_or_else(|| BadQuota(text.to_owned()))?);
        }
        Ok(quota)
    }
}

/// As the first line of `maildirsize`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bytes, self.messages) {
            (Some(bytes), Some(messages)) => write!(f, "{bytes}S,{messages}C"),
            (Some(bytes), None) => write!(f, "{bytes}S"),
            (None, Some(messages)) => write!(f, "{messages}C"),
            (None, None) => Ok(()),
        }
    }
}

/// A text that is no quota.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{}\" is no quota; write a size such as 500M, a number of messages such as 1000C, both, or none",
    .0.escape_debug()
)]
pub(crate) struct BadQuota(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(text: &str) -> Quota {
        text.parse().unwrap()
    }

    #[test]
    fn sizes_and_numbers_in_either_order() {
        let (bytes, messages) = (Some(500 << 20), Some(1000));
        assert_eq!(quota("500M"), Quota { bytes, messages: None });
        assert_eq!(quota("1000c"), Quota { bytes: None, messages });
        for text in
            ["500M,1000C", " 1000C  500m ", "512000K 1000C", "524288000S,1000C", "500MS 1000C"]
        {
            assert_eq!(quota(text), Quota { bytes, messages }, "{text}");
        }
        assert_eq!(quota("524288000").bytes, bytes);
        assert_eq!((quota("2g").bytes, quota("1T").bytes), (Some(2 << 30), Some(1 << 40)));
        for text in ["", "  ", "none", " None "] {
            assert_eq!(quota(text), Quota::NONE, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_quota_is_refused() {
        for text in
            ["M", "5X", "-5M", "1.5G", "0", "0C", "5M 6M", "5C,6C", "5CS", "99999999999T", "five"]
        {
            let refused = text.parse::<Quota>().unwrap_err().to_string();
            assert!(refused.contains(text) && !refused.contains('\n'), "{refused}");
        }
    }

    #[test]
    fn written_as_maildir_plus_plus_has_it() {
        for text in ["500M", "1000C", "1K 7C", ""] {
            assert_eq!(quota(&quota(text).to_string()), quota(text));
        }
        assert_eq!(quota("7C 1K").to_string(), "1024S,7C");
    }

    #[test]
    fn a_quota_may_be_filled_to_the_last_byte() {
        let held = Usage { bytes: 1000, messages: 9 };
        let more = |bytes| Usage { bytes, messages: 1 };
        assert!(quota("1024").allows(held, more(24)) && !quota("1024").allows(held, more(25)));
        assert!(quota("10C").allows(held, more(u64::MAX)) && !quota("9C").allows(held, more(0)));
        assert!(!quota("1K 99C").allows(held, more(u64::MAX)));
        assert!(Quota::NONE.allows(held, more(u64::MAX)));
    }
}

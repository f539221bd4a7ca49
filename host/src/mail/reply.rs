//! A reply that a processor has chosen.
//!
//! *Trust*: plugins write it. It is checked here, once, so that what reaches the protocol is well formed.
//! *Standards*: RFC 5321 section 4.2, RFC 3463.

use std::fmt;
use std::str::FromStr;

/// Code, enhanced status code and text of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenReply {
    /// Basic code: class 2, 4 or 5, second digit at most 5.
    pub code: u16,
    /// Enhanced status code.
    pub enhanced: EnhancedCode,
    /// Text without control characters; may have several lines.
    pub text: String,
}

impl ChosenReply {
    /// Checks what a plugin gave. An empty enhanced code becomes the undefined one of the class (`5.0.0`).
    ///
    /// # Errors
    /// When the code is no reply code, or the enhanced one is malformed or of another class.
    pub fn new(code: u16, enhanced: &str, text: &str) -> Result<Self, ReplyRefused> {
        // RFC 5321 section 4.2: the second digit is at most 5.
        let class = match code {
            200..=259 => 2,
            400..=459 => 4,
            500..=559 => 5,
            _ => return Err(ReplyRefused::Code(code)),
        };
        let enhanced = if enhanced.is_empty() {
            EnhancedCode { class, subject: 0, detail: 0 }
        } else {
            enhanced.parse().map_err(|()| ReplyRefused::Enhanced)?
        };
        if enhanced.class != class {
            return Err(ReplyRefused::Enhanced);
        }
        let text = text.replace(|c: char| c.is_control() && c != '\n', " ");
        Ok(Self { code, enhanced, text })
    }
}

/// An enhanced status code (RFC 3463 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnhancedCode {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about.
    pub subject: u16,
    /// Which case.
    pub detail: u16,
}

impl FromStr for EnhancedCode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut number = || {
            let part = parts.next().filter(|p| (1..=3).contains(&p.len())).ok_or(())?;
            if part.bytes().all(|b| b.is_ascii_digit()) {
                part.parse().map_err(|_| ())
            } else {
                Err(())
            }
        };
        let (class, subject, detail): (u16, u16, u16) = (number()?, number()?, number()?);
        match (class, parts.next()) {
            (2 | 4 | 5, None) => Ok(Self { class: class as u8, subject, detail }),
            _ => Err(()),
        }
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Why a reply was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyRefused {
    /// Not a final reply code.
    #[error("reply code {0} is none of RFC 5321: expected 200-259, 400-459 or 500-559")]
    Code(u16),
    /// Malformed, or of another class than the code.
    #[error("the enhanced status code must look like 5.7.1 and have the class of the reply code")]
    Enhanced,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checked() {
        let reply = ChosenReply::new(550, "5.7.1", "no\r\nthanks").unwrap();
        assert_eq!(
            (reply.enhanced.to_string().as_str(), reply.text.as_str()),
            ("5.7.1", "no \nthanks")
        );
        assert_eq!(ChosenReply::new(451, "", "later").unwrap().enhanced.to_string(), "4.0.0");
        for (code, enhanced) in [
            (354, ""),
            (199, ""),
            (600, ""),
            (260, ""),
            (499, ""),
            (550, "4.7.1"),
            (550, "5.7"),
            (550, "5.7.1.2"),
            (550, "5.7.x"),
            (550, "5.7.1234"),
        ] {
            assert!(ChosenReply::new(code, enhanced, "").is_err(), "{code} {enhanced}");
        }
    }
}

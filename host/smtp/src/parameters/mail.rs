//! The parameters of MAIL.

use super::{Offered, ParameterError, Parameters, set_flag, set_once};
use crate::xtext::Xtext;

/// The parameters of MAIL, checked against what was offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters<'a> {
    /// SIZE, RFC 1870: what the client believes the size to be, in octets.
    pub size: Option<u64>,
    /// BODY, RFC 6152 and RFC 3030.
    pub body: Option<BodyType>,
    /// SMTPUTF8, RFC 6531: addresses and headers may be UTF-8.
    pub smtputf8: bool,
    /// REQUIRETLS, RFC 8689: never pass the message on in the clear.
    pub requiretls: bool,
    /// RET, RFC 3461 4.3.
    pub ret: Option<Ret>,
    /// ENVID, RFC 3461 4.4.
    pub envid: Option<Xtext<'a>>,
    /// PRDR: the client reads one reply for each recipient.
    pub prdr: bool,
    /// All of them as written.
    pub all: Parameters<'a>,
}

impl<'a> MailParameters<'a> {
    pub(crate) fn parse(text: &'a str, offered: Offered<'_>) -> Result<Self, ParameterError> {
        let mut this = Self { all: Parameters::new(text), ..Self::default() };
        for parameter in this.all.checked() {
            let (keyword, value) = parameter?;
            this.take(keyword, value, offered)?;
        }
        Ok(this)
    }

    fn take(
        &mut self,
        keyword: &str,
        value: Option<&'a str>,
        offered: Offered<'_>,
    ) -> Result<(), ParameterError> {
        let on = offered.settings;
        let is = |name: &str, switch: bool| {
            offered.extensions && switch && keyword.eq_ignore_ascii_case(name)
        };
        if is("SIZE", on.size) {
            set_once(&mut self.size, size(value)?)?;
            match self.size {
                Some(size) if size > on.size_limit() => Err(ParameterError::TooBig),
                _ => Ok(()),
            }
        } else if is("BODY", on.eight_bit_mime) {
            let body = BodyType::parse(value).ok_or(ParameterError::Syntax)?;
            if body == BodyType::BinaryMime && !on.offers_binarymime() {
                return Err(ParameterError::Unknown);
            }
            set_once(&mut self.body, Some(body))
        } else if is("SMTPUTF8", on.offers_smtputf8()) {
            set_flag(&mut self.smtputf8, value)
        } else if is("REQUIRETLS", on.requiretls && offered.tls) {
            set_flag(&mut self.requiretls, value)
        } else if is("RET", on.dsn) {
            set_once(&mut self.ret, Ret::parse(value))
        } else if is("ENVID", on.dsn) {
            let envid = value.filter(|value| value.len() <= ENVID_LIMIT).and_then(Xtext::parse);
            set_once(&mut self.envid, envid)
        } else if is("PRDR", on.offers_prdr()) {
            set_flag(&mut self.prdr, value)
        } else {
            Err(ParameterError::Unknown)
        }
    }
}

/// What kind of lines the body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// RFC 3030: no lines at all; travels by BDAT only.
    BinaryMime,
    /// RFC 6152.
    EightBitMime,
    /// RFC 5321.
    SevenBit,
}

impl BodyType {
    fn parse(value: Option<&str>) -> Option<Self> {
        let value = value?;
        [
            ("7BIT", Self::SevenBit),
            ("8BITMIME", Self::EightBitMime),
            ("BINARYMIME", Self::BinaryMime),
        ]
        .into_iter()
        .find_map(|(name, body)| value.eq_ignore_ascii_case(name).then_some(body))
    }
}

/// How much of a message a failure report should quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// All of it.
    Full,
    /// The headers.
    Headers,
}

impl Ret {
    fn parse(value: Option<&str>) -> Option<Self> {
        let value = value?;
        [("FULL", Self::Full), ("HDRS", Self::Headers)]
            .into_iter()
            .find_map(|(name, ret)| value.eq_ignore_ascii_case(name).then_some(ret))
    }
}

/// RFC 3461 4.4, as it travels.
const ENVID_LIMIT: usize = 100;

/// RFC 1870 4: one to twenty digits. What does not fit in 64 bits is above every limit.
fn size(value: Option<&str>) -> Result<Option<u64>, ParameterError> {
    let digits = value.filter(|v| v.len() <= 20 && v.bytes().all(|b| b.is_ascii_digit()));
    match digits.ok_or(ParameterError::Syntax)?.parse() {
        Ok(size) => Ok(Some(size)),
        Err(_) => Err(ParameterError::TooBig),
    }
}

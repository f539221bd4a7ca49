//! XCLIENT and XFORWARD: a trusted proxy tells whom it speaks for.
//!
//! **Trust:** the session lets only listed peers come this far. Values end up in log lines and
//! headers all the same, so each is checked for its kind.
//!
//! **Standards:** the XCLIENT and XFORWARD documents of Postfix.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::xtext::Xtext;

/// The attributes of XCLIENT; `None` where the proxy said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xclient<'a> {
    /// ADDR: the address of the client.
    pub addr: Option<Attribute<IpAddr>>,
    /// DESTADDR: the address the client connected to.
    pub dest_addr: Option<Attribute<IpAddr>>,
    /// DESTPORT: the port the client connected to.
    pub dest_port: Option<Attribute<u16>>,
    /// HELO: the name the client gave.
    pub helo: Option<Attribute<Cow<'a, str>>>,
    /// LOGIN: the name the client is authenticated by.
    pub login: Option<Attribute<Cow<'a, str>>>,
    /// NAME: the host name of the client, from reverse DNS.
    pub name: Option<Attribute<Cow<'a, str>>>,
    /// PORT: the port of the client.
    pub port: Option<Attribute<u16>>,
    /// PROTO: whether the client speaks ESMTP (`true`) or SMTP.
    pub esmtp: Option<Attribute<bool>>,
}

impl<'a> Xclient<'a> {
    /// The attributes, in the words of EHLO.
    pub(crate) const KEYWORDS: &'static str = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";

    /// `None`: an attribute is unknown, malformed or given twice, or there is none at all.
    pub(crate) fn parse(argument: &'a str) -> Option<Self> {
        let mut this = Self::default();
        for word in argument.split(' ') {
            let (name, value) = word.split_once('=')?;
            match name.to_ascii_uppercase().as_str() {
                "ADDR" => set(&mut this.addr, value, address)?,
                "DESTADDR" => set(&mut this.dest_addr, value, address)?,
                "DESTPORT" => set(&mut this.dest_port, value, port)?,
                "HELO" => set(&mut this.helo, value, printable)?,
                "LOGIN" => set(&mut this.login, value, printable)?,
                "NAME" => set(&mut this.name, value, host_name)?,
                "PORT" => set(&mut this.port, value, port)?,
                "PROTO" => set(&mut this.esmtp, value, esmtp)?,
                _ => return None,
            }
        }
        Some(this)
    }
}

/// The attributes of XFORWARD; `None` where the proxy said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xforward<'a> {
    /// ADDR: the address of the client.
    pub addr: Option<Attribute<IpAddr>>,
    /// HELO: the name the client gave.
    pub helo: Option<Attribute<Cow<'a, str>>>,
    /// IDENT: the proxy's own id of the message.
    pub ident: Option<Attribute<Cow<'a, str>>>,
    /// SOURCE: whether the message comes from this host (`true`) or another.
    pub local: Option<Attribute<bool>>,
    /// NAME: the host name of the client.
    pub name: Option<Attribute<Cow<'a, str>>>,
    /// PORT: the port of the client.
    pub port: Option<Attribute<u16>>,
    /// PROTO: the protocol of the client, a word.
    pub proto: Option<Attribute<Cow<'a, str>>>,
}

impl<'a> Xforward<'a> {
    /// The attributes, in the words of EHLO.
    pub(crate) const KEYWORDS: &'static str = "NAME ADDR PORT PROTO HELO IDENT SOURCE";

    /// `None`: an attribute is unknown, malformed or given twice, or there is none at all.
    pub(crate) fn parse(argument: &'a str) -> Option<Self> {
        let mut this = Self::default();
        for word in argument.split(' ') {
            let (name, value) = word.split_once('=')?;
            match name.to_ascii_uppercase().as_str() {
                "ADDR" => set(&mut this.addr, value, address)?,
                "HELO" => set(&mut this.helo, value, printable)?,
                "IDENT" => set(&mut this.ident, value, printable)?,
                "NAME" => set(&mut this.name, value, host_name)?,
                "PORT" => set(&mut this.port, value, port)?,
                "PROTO" => set(&mut this.proto, value, protocol)?,
                "SOURCE" => set(&mut this.local, value, local)?,
                _ => return None,
            }
        }
        Some(this)
    }
}

/// What the proxy knows of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute<T> {
    /// `[TEMPUNAVAIL]`: not now, for a passing reason.
    TemporarilyUnavailable,
    /// `[UNAVAILABLE]`: there is none.
    Unavailable,
    /// This.
    Value(T),
}

impl<T> Attribute<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::TemporarilyUnavailable | Self::Unavailable => None,
        }
    }
}

/// The longest value, decoded: Postfix takes 255 octets.
const VALUE_LIMIT: usize = 255;

/// Sets a field once.
fn set<'a, T>(
    field: &mut Option<Attribute<T>>,
    value: &'a str,
    read: impl FnOnce(Cow<'a, str>) -> Option<T>,
) -> Option<()> {
    if field.is_some() {
        return None;
    }
    *field = Some(if value.eq_ignore_ascii_case("[UNAVAILABLE]") {
        Attribute::Unavailable
    } else if value.eq_ignore_ascii_case("[TEMPUNAVAIL]") {
        Attribute::TemporarilyUnavailable
    } else {
        Attribute::Value(read(decoded(value)?)?)
    });
    Some(())
}

/// xtext undone; UTF-8 without control characters.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let text = match Xtext::parse(value)?.decode() {
        Cow::Borrowed(_) => Cow::Borrowed(value), // nothing was encoded
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).ok()?),
    };
    let good = !text.is_empty() && text.len() <= VALUE_LIMIT && !text.chars().any(char::is_control);
    good.then_some(text)
}

fn address(text: Cow<'_, str>) -> Option<IpAddr> {
    let tagged = text.split_at_checked(5).filter(|(tag, _)| tag.eq_ignore_ascii_case("IPV6:"));
    match tagged {
        Some((_, address)) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn port(text: Cow<'_, str>) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn printable(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    Some(text)
}

fn host_name(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    // Reverse DNS knows names with underscores, which are no mail domains.
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let good = text.bytes().all(allowed) && !text.split('.').any(str::is_empty);
    good.then_some(text)
}

fn protocol(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    text.bytes().all(|b| b.is_ascii_alphanumeric()).then_some(text)
}

fn esmtp(text: Cow<'_, str>) -> Option<bool> {
    choice(&text, "ESMTP", "SMTP")
}

fn local(text: Cow<'_, str>) -> Option<bool> {
    choice(&text, "LOCAL", "REMOTE")
}

fn choice(text: &str, yes: &str, no: &str) -> Option<bool> {
    let is_yes = text.eq_ignore_ascii_case(yes);
    (is_yes || text.eq_ignore_ascii_case(no)).then_some(is_yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xclient() {
        let all = "ADDR=IPV6:2001:db8::1 name=mail_1.example.com PORT=2500 PROTO=esmtp HELO=a+20b \
                   LOGIN=[UNAVAILABLE] DESTADDR=192.0.2.1 DESTPORT=[TEMPUNAVAIL]";
        let x = Xclient::parse(all).unwrap();
        assert_eq!(x.addr, Some(Attribute::Value("2001:db8::1".parse().unwrap())));
        assert_eq!(x.name.as_ref().and_then(Attribute::value).unwrap(), "mail_1.example.com");
        assert_eq!(x.port, Some(Attribute::Value(2500)));
        assert_eq!(x.esmtp, Some(Attribute::Value(true)));
        assert_eq!(x.helo.as_ref().and_then(Attribute::value).unwrap(), "a b");
        assert_eq!(x.login, Some(Attribute::Unavailable));
        assert_eq!(x.dest_port, Some(Attribute::TemporarilyUnavailable));
        for bad in [
            "",
            "c",
            "ADDR",
            "ADDR=",
            "ADDR=2001:db8::1",
            "ADDR=1.2.3",
            "ADDR=1.2.3.4 ADDR=1.2.3.4",
            "ADDR=1.2.3.4  PORT=1",
            "PORT=65536",
            "PORT=+1",
            "PROTO=SMTPS",
            "NAME=a..b",
            "NAME=<b>",
            "HELO=+0D+0Ax",
            "HELO=+FF",
            "WHO=me",
            "LOGIN=",
            "ADDR=[unknown]",
        ] {
            assert_eq!(Xclient::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn xforward() {
        let x = Xforward::parse("NAME=a.b ADDR=192.0.2.1 PROTO=ESMTP SOURCE=remote IDENT=4F+2B")
            .unwrap();
        assert_eq!(x.local, Some(Attribute::Value(false)));
        assert_eq!(x.ident.as_ref().and_then(Attribute::value).unwrap(), "4F+");
        assert_eq!(Xforward::parse("LOGIN=joe"), None);
        assert_eq!(Xforward::parse("SOURCE=here"), None);
    }
}

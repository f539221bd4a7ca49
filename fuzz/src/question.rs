//! What every question promises its driver, whatever the client has sent.
//!
//! **Standards:** RFC 5321 4.1.2, 4.5.3.1; RFC 3461 4.

use std::fmt::{Display, Write as _};

use guerrilla_smtp::{
    Attribute, Domain, ForwardPath, Mailbox, Question, ReversePath, Xclient, Xforward,
};

/// Checks the promises.
///
/// # Panics
/// When one is broken.
pub fn check(question: &Question<'_>) {
    match question {
        Question::Connect | Question::Data | Question::Message => {}
        Question::Helo { name, .. } => {
            assert!(!name.is_empty() && name.len() <= 255 && name.is_ascii(), "{name:?}");
            plain(name);
        }
        Question::Mail { path, parameters } => {
            match path {
                ReversePath::Mailbox(mailbox) => check_mailbox(mailbox),
                ReversePath::Null => {}
            }
            plain(parameters.all.as_str());
            if let Some(envid) = parameters.envid {
                assert!(envid.as_written().len() <= 100);
                let _ = envid.decode();
            }
            check_words(parameters.all.as_str(), parameters.all.iter());
        }
        Question::Rcpt { path, parameters } => {
            match path {
                ForwardPath::Mailbox(mailbox) => check_mailbox(mailbox),
                ForwardPath::Postmaster(name) => {
                    assert!(name.eq_ignore_ascii_case("postmaster"));
                }
            }
            plain(parameters.all.as_str());
            if let Some(orcpt) = parameters.orcpt {
                let length = orcpt.address_type.len() + 1 + orcpt.address.len();
                assert!(length <= 500 && !orcpt.address.is_empty());
            }
            check_words(parameters.all.as_str(), parameters.all.iter());
        }
        Question::Xclient(_) | Question::Xforward(_) => {
            canonical(question).expect("it is one of the two"); // checks as it writes
        }
    }
}

/// XCLIENT or XFORWARD written anew from what was understood; `None` for other questions.
#[must_use]
pub fn canonical(question: &Question<'_>) -> Option<String> {
    let mut line = String::new();
    match question {
        Question::Xclient(told) => xclient(told, &mut line),
        Question::Xforward(told) => xforward(told, &mut line),
        _ => return None,
    }
    Some(line)
}

fn check_mailbox(mailbox: &Mailbox<'_>) {
    let (local, domain) = (mailbox.local(), mailbox.domain());
    assert_eq!(mailbox.as_str(), format!("{}@{}", local.as_written(), domain.as_str()));
    assert!(!local.as_written().is_empty() && local.as_written().len() <= 64);
    assert!(!domain.as_str().is_empty() && domain.as_str().len() <= 255);
    assert!(mailbox.as_str().len() <= 254, "256 octets with the brackets");
    plain(mailbox.as_str());
    plain(&local.unquoted());
    match domain {
        Domain::Literal { text, ip } => {
            assert_eq!(domain.ip(), Some(ip));
            assert!(text.starts_with('[') && text.ends_with(']'));
        }
        Domain::Name(name) => {
            assert!(name.split('.').all(|label| !label.is_empty() && label.len() <= 63));
            assert!(!name.contains(['@', '<', '>', ' ', '[', ']', '/', '\\', '"']), "{name:?}");
        }
    }
    if !local.needs_quotes() && !local.as_written().starts_with('"') {
        assert_eq!(local.unquoted(), local.as_written());
    }
}

/// The list holds each word as it stands in the text.
fn check_words<'a>(text: &str, words: impl Iterator<Item = (&'a str, Option<&'a str>)>) {
    let written: Vec<String> = words
        .map(|(keyword, value)| match value {
            Some(value) => format!("{keyword}={value}"),
            None => keyword.to_owned(),
        })
        .collect();
    assert_eq!(written.join(" "), text);
}

/// Nothing that could end a line, a header field or a log line.
fn plain(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

fn xclient(told: &Xclient<'_>, line: &mut String) {
    line.push_str("XCLIENT");
    attribute(line, "ADDR", &told.addr, |ip| tagged(&ip.to_string()));
    attribute(line, "DESTADDR", &told.dest_addr, |ip| tagged(&ip.to_string()));
    attribute(line, "DESTPORT", &told.dest_port, ToString::to_string);
    attribute(line, "HELO", &told.helo, |text| xtext(text));
    attribute(line, "LOGIN", &told.login, |text| xtext(text));
    attribute(line, "NAME", &told.name, |text| xtext(text));
    attribute(line, "PORT", &told.port, ToString::to_string);
    attribute(line, "PROTO", &told.esmtp, |yes| (if *yes { "ESMTP" } else { "SMTP" }).to_owned());
}

fn xforward(told: &Xforward<'_>, line: &mut String) {
    line.push_str("XFORWARD");
    attribute(line, "ADDR", &told.addr, |ip| tagged(&ip.to_string()));
    attribute(line, "HELO", &told.helo, |text| xtext(text));
    attribute(line, "IDENT", &told.ident, |text| xtext(text));
    attribute(line, "NAME", &told.name, |text| xtext(text));
    attribute(line, "PORT", &told.port, ToString::to_string);
    attribute(line, "PROTO", &told.proto, |text| xtext(text));
    attribute(line, "SOURCE", &told.local, |y| (if *y { "LOCAL" } else { "REMOTE" }).to_owned());
}

fn attribute<T>(
    line: &mut String,
    name: &str,
    attribute: &Option<Attribute<T>>,
    write: impl Fn(&T) -> String,
) {
    let value: Box<dyn Display> = match attribute {
        None => return,
        Some(Attribute::TemporarilyUnavailable) => Box::new("[TEMPUNAVAIL]"),
        Some(Attribute::Unavailable) => Box::new("[UNAVAILABLE]"),
        Some(Attribute::Value(value)) => Box::new(write(value)),
    };
    let _ = write!(line, " {name}={value}"); // writing into a String cannot fail
}

fn tagged(address: &str) -> String {
    if address.contains(':') { format!("IPV6:{address}") } else { address.to_owned() }
}

/// Every octet but letters and digits as `+XX` (RFC 3461 4).
fn xtext(text: &str) -> String {
    assert!(!text.is_empty() && text.len() <= 255);
    plain(text);
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => out.push(byte.into()),
            _ => out.push_str(&format!("+{byte:02X}")),
        }
        out
    })
}

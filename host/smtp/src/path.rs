//! Reverse-path and forward-path: the argument of MAIL and RCPT.
//!
//! Parsing yields a type that cannot hold a wrong address, so nobody behind it has to check again.
//!
//! **Trust:** the bytes are the client's. The parser is linear and allocates nothing.
//!
//! **Standards:** RFC 5321 4.1.2 (grammar), 4.5.3.1 (limits), C (source routes: read and ignored),
//! 4.5.1 (`<Postmaster>`), RFC 6531 3.3 (beyond ASCII).
//!
//! **Leniency:** one blank between the colon and the path, which RFC 5321 3.3 forbids and a good
//! part of the world's senders writes. Nothing else: text glued to the path, missing brackets or
//! doubled blanks are refused, because a client that is misread believes in a delivery that never
//! happens.

use std::borrow::Cow;

use crate::domain::{DOMAIN_LIMIT, Domain};

/// The argument of MAIL FROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReversePath<'a> {
    /// Somebody.
    Mailbox(Mailbox<'a>),
    /// `<>`: bounces and other mail that must not be answered.
    Null,
}

/// The argument of RCPT TO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardPath<'a> {
    /// Somebody.
    Mailbox(Mailbox<'a>),
    /// `<Postmaster>` without a domain, in any case; as written.
    Postmaster(&'a str),
}

/// An address: `local-part@domain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox<'a> {
    text: &'a str,
    local: LocalPart<'a>,
    domain: Domain<'a>,
}

impl<'a> Mailbox<'a> {
    /// The whole address as written, without brackets and source route.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The part before the `@`.
    #[must_use]
    pub const fn local(&self) -> LocalPart<'a> {
        self.local
    }

    /// The part behind the `@`.
    #[must_use]
    pub const fn domain(&self) -> Domain<'a> {
        self.domain
    }
}

/// The part before the `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPart<'a>(&'a str);

impl<'a> LocalPart<'a> {
    /// As written, with quotes and backslashes if it has them.
    #[must_use]
    pub const fn as_written(&self) -> &'a str {
        self.0
    }

    /// What it means: without quotes and backslashes. `"a\b"` and `ab` are the same mailbox (RFC
    /// 5321 4.1.2). It may hold blanks, `@`, `/` and more; it never holds a control character.
    #[must_use]
    pub fn unquoted(&self) -> Cow<'a, str> {
        let Some(inside) = self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Cow::Borrowed(self.0);
        };
        if !inside.contains('\\') {
            return Cow::Borrowed(inside);
        }
        let mut plain = String::with_capacity(inside.len());
        let mut chars = inside.chars();
        while let Some(c) = chars.next() {
            // The parser has seen to it that something follows a backslash.
            plain.extend(if c == '\\' { chars.next() } else { Some(c) });
        }
        Cow::Owned(plain)
    }

    /// Whether [`unquoted`](Self::unquoted) would need quotes to be written as an address.
    #[must_use]
    pub fn needs_quotes(&self) -> bool {
        let plain = self.unquoted();
        dot_string(&plain).is_none_or(|rest| !rest.is_empty())
    }
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathError {
    Syntax,
    TooLong,
}

/// Reads what follows `FROM:`; returns the path and the text of the parameters behind it.
pub(crate) fn reverse_path(text: &str) -> Result<(ReversePath<'_>, &str), PathError> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    if let Some(rest) = text.strip_prefix("<>") {
        return Ok((ReversePath::Null, parameters(rest)?));
    }
    let (mailbox, rest) = path(text)?;
    Ok((ReversePath::Mailbox(mailbox), rest))
}

/// Reads what follows `TO:`; returns the path and the text of the parameters behind it.
pub(crate) fn forward_path(text: &str) -> Result<(ForwardPath<'_>, &str), PathError> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    if let Some((name, rest)) = text.strip_prefix('<').and_then(|inside| inside.split_once('>'))
        && name.eq_ignore_ascii_case("postmaster")
    {
        return Ok((ForwardPath::Postmaster(name), parameters(rest)?));
    }
    let (mailbox, rest) = path(text)?;
    Ok((ForwardPath::Mailbox(mailbox), rest))
}

/// RFC 5321 4.5.3.1.1, in octets, quotes and backslashes included.
const LOCAL_LIMIT: usize = 64;

/// RFC 5321 4.5.3.1.3, in octets, brackets and source route included.
const PATH_LIMIT: usize = 256;

/// `"<" [ A-d-l ":" ] Mailbox ">"`
fn path(text: &str) -> Result<(Mailbox<'_>, &str), PathError> {
    let inside = text.strip_prefix('<').ok_or(PathError::Syntax)?;
    let start = source_route(inside)?;
    let (local, at) = local_part(start)?;
    let domain = at.strip_prefix('@').ok_or(PathError::Syntax)?;
    let (domain, end) = domain.split_once('>').ok_or(PathError::Syntax)?;
    let mailbox = &start[..local.len() + 1 + domain.len()];
    let parsed = Domain::parse(domain).ok_or(PathError::Syntax)?;
    let rest = parameters(end)?;
    let path_length = text.len() - end.len();
    if path_length > PATH_LIMIT || local.len() > LOCAL_LIMIT || domain.len() > DOMAIN_LIMIT {
        return Err(PathError::TooLong);
    }
    Ok((Mailbox { text: mailbox, local: LocalPart(local), domain: parsed }, rest))
}

/// A path is followed by the end of the line or by a blank and parameters, never by anything else.
fn parameters(rest: &str) -> Result<&str, PathError> {
    match rest.strip_prefix(' ') {
        Some(parameters) => Ok(parameters),
        None if rest.is_empty() => Ok(rest),
        None => Err(PathError::Syntax),
    }
}

/// Skips `@a,@b:` (RFC 5321 appendix C: accept and ignore).
fn source_route(text: &str) -> Result<&str, PathError> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    let mut rest = text;
    loop {
        let hop = rest.strip_prefix('@').ok_or(PathError::Syntax)?;
        // The colon of an IPv6 literal stands inside its brackets.
        let from = if hop.starts_with('[') { hop.find(']').ok_or(PathError::Syntax)? } else { 0 };
        let end = hop[from..].find([',', ':']).ok_or(PathError::Syntax)? + from;
        Domain::parse(&hop[..end]).ok_or(PathError::Syntax)?;
        rest = &hop[end + 1..];
        if hop.as_bytes()[end] == b':' {
            return Ok(rest);
        }
    }
}

/// Splits the local part off the head of `text`.
fn local_part(text: &str) -> Result<(&str, &str), PathError> {
    let rest = match text.strip_prefix('"') {
        Some(inside) => quoted_string(inside),
        None => dot_string(text),
    };
    let rest = rest.ok_or(PathError::Syntax)?;
    Ok(text.split_at(text.len() - rest.len()))
}

/// `Atom *("." Atom)`: what is left behind it.
fn dot_string(text: &str) -> Option<&str> {
    let mut after_dot = true;
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        match c {
            '.' if after_dot => return None,
            '.' => after_dot = true,
            c if is_atext(c) => after_dot = false,
            _ => {
                end = at;
                break;
            }
        }
    }
    if after_dot { None } else { Some(&text[end..]) }
}

/// `*QcontentSMTP DQUOTE`: what is left behind the closing quote.
fn quoted_string(text: &str) -> Option<&str> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(&text[at + 1..]),
            '\\' => {
                chars.next().filter(|(_, escaped)| matches!(escaped, ' '..='~'))?;
            }
            c if c.is_control() => return None,
            _ => {}
        }
    }
    None
}

fn is_atext(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '/' | '=' | '?' | '^' | '_'
        | '`' | '{' | '|' | '}' | '~' => true,
        // RFC 6531 3.3 allows all of UTF-8; controls and blanks would only serve to deceive.
        c => !c.is_ascii() && !c.is_control() && !c.is_whitespace(),
    }
}

#[cfg(test)]
mod tests;

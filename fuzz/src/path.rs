//! The grammar of paths, written down a second time and as plainly as possible, octet by octet.
//!
//! **Standards:** RFC 5321 4.1.2 (`Path`, `Mailbox`), 4.1.3 (literals), 4.5.3.1 (lengths).
//!
//! **Limits:** ASCII only. As in the engine, one blank may stand before the path, of the tagged
//! literals only IPv6 exists, and numbers of IPv4 literals have no leading zeros.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether `text` is a path, the whole of it, within the limits.
#[must_use]
pub fn is_path(text: &str) -> bool {
    let text = text.strip_prefix(' ').unwrap_or(text);
    let Some(inside) = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')) else {
        return false;
    };
    // Every place where a route might end and every `@` is tried: no lookahead to get wrong.
    let splits = inside.match_indices(':').map(|(at, _)| (&inside[..at], &inside[at + 1..]));
    let routed = splits.into_iter().any(|(route, rest)| is_route(route) && is_mailbox(rest));
    text.len() <= 256 && (is_mailbox(inside) || routed)
}

/// `At-domain *( "," At-domain )`
fn is_route(text: &str) -> bool {
    text.split(',').all(|hop| hop.strip_prefix('@').is_some_and(is_domain))
}

/// `Local-part "@" ( Domain / address-literal )`
fn is_mailbox(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let (local, domain) = (&text[..at], &text[at + 1..]);
        local.len() <= 64
            && domain.len() <= 255
            && (is_dot_string(local) || is_quoted_string(local))
            && is_domain(domain)
    })
}

fn is_dot_string(text: &str) -> bool {
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(atext))
}

/// `DQUOTE *QcontentSMTP DQUOTE`
fn is_quoted_string(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return false;
    };
    let mut rest = inside.as_bytes();
    loop {
        rest = match rest {
            [] => return true,
            [b'\\', b' '..=b'~', rest @ ..] => rest,
            [b' ' | b'!' | b'#'..=b'[' | b']'..=b'~', rest @ ..] => rest,
            _ => return false,
        }
    }
}

fn is_domain(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return match literal.split_at_checked(5) {
            Some((tag, address)) if tag.eq_ignore_ascii_case("ipv6:") => {
                address.parse::<Ipv6Addr>().is_ok()
            }
            _ => literal.parse::<Ipv4Addr>().is_ok(),
        };
    }
    text.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

//! The answers that say what the server can: to EHLO and LHLO, and to HELP. Only what is true here and now.
//!
//! **Standards:** RFC 5321 4.1.1.1, 4.1.1.8. Between this list and what the session accepts there must be no
//! difference: a keyword that is offered works, a keyword that is not is refused.

use std::fmt::Write as _;

use crate::replies;
use crate::reply::{Reply, write_lines};
use crate::settings::{PeerTraits, Protocol, Settings};
use crate::xclient::{Xclient, Xforward};

/// Appends the multi-line 250; no enhanced code (RFC 2034 4).
pub(crate) fn write_extensions(settings: &Settings, peer: PeerTraits, out: &mut Vec<u8>) {
    write_lines(out, 250, None, &extensions(settings, peer));
}

/// The name of the host, then one keyword a line; the first four as go-guerrilla has them.
fn extensions(settings: &Settings, peer: PeerTraits) -> String {
    let mut text = String::with_capacity(256);
    // Writing into a String cannot fail.
    let _ = write!(text, "{} Hello", settings.host_name);
    if settings.size {
        let _ = write!(text, "\nSIZE {}", settings.max_size);
    }
    let switches = [
        (settings.pipelining, "\nPIPELINING"),
        (offers_starttls(settings, peer), "\nSTARTTLS"),
        (settings.enhanced_status_codes, "\nENHANCEDSTATUSCODES"),
        (settings.eight_bit_mime, "\n8BITMIME"),
        (settings.offers_smtputf8(), "\nSMTPUTF8"),
        (settings.chunking, "\nCHUNKING"),
        (settings.offers_binarymime(), "\nBINARYMIME"),
        (settings.dsn, "\nDSN"),
        (settings.requiretls && peer.tls, "\nREQUIRETLS"),
        (settings.offers_prdr(), "\nPRDR"),
    ];
    for (_, keyword) in switches.into_iter().filter(|(on, _)| *on) {
        text.push_str(keyword);
    }
    if settings.limits {
        let _ = write!(text, "\nLIMITS RCPTMAX={}", settings.max_rcpt);
        if settings.max_messages > 0 {
            let _ = write!(text, " MAILMAX={}", settings.max_messages);
        }
    }
    if offers_xclient(settings, peer) {
        let _ = write!(text, "\nXCLIENT {}", Xclient::KEYWORDS);
    }
    if offers_xforward(settings, peer) {
        let _ = write!(text, "\nXFORWARD {}", Xforward::KEYWORDS);
    }
    if settings.help {
        text.push_str("\nHELP");
    }
    text
}

/// The answer to HELP: the commands that are taken.
pub(crate) fn help(settings: &Settings, peer: PeerTraits) -> Reply<'static> {
    let hello = match settings.protocol {
        Protocol::Lmtp => "LHLO",
        Protocol::Smtp => "HELO EHLO",
    };
    let mut text = format!("Commands: {hello} MAIL RCPT DATA");
    let switches = [
        (settings.chunking, " BDAT"),
        (true, " RSET NOOP VRFY HELP QUIT"),
        (offers_starttls(settings, peer), " STARTTLS"),
        (offers_xclient(settings, peer), " XCLIENT"),
        (offers_xforward(settings, peer), " XFORWARD"),
    ];
    for (_, commands) in switches.into_iter().filter(|(on, _)| *on) {
        text.push_str(commands);
    }
    replies::HELP.below(&text)
}

fn offers_starttls(settings: &Settings, peer: PeerTraits) -> bool {
    settings.start_tls && !peer.tls
}

fn offers_xclient(settings: &Settings, peer: PeerTraits) -> bool {
    settings.xclient && peer.trusted_proxy
}

fn offers_xforward(settings: &Settings, peer: PeerTraits) -> bool {
    settings.xforward && peer.trusted_proxy
}

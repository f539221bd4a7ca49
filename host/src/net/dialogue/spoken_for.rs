//! What a proxy says of the client it speaks for: XCLIENT and XFORWARD.
//!
//! *Trust*: the session has asked only where the peer is one of `trusted_proxies`, and has read what it says as a stranger's words.

use std::net::{IpAddr, SocketAddr};

use guerrilla_smtp::{Attribute, Xclient, Xforward};

use crate::mail::{Client, MAX_SESSION_NOTE};

/// XFORWARD from a trusted proxy: what it knows of the client goes into notes of the session (`xforward.addr`, ...), for
/// the log and for processors; nobody is believed to be anybody else for it. What it says to be unavailable was known
/// of an earlier client, if at all, and is forgotten.
pub(super) fn remember(client: &mut Client, told: &Xforward<'_>) {
    fn text<T: ToString>(told: &Option<Attribute<T>>) -> Option<String> {
        told.as_ref().map(|told| told.value().map(T::to_string).unwrap_or_default())
    }
    let known = [
        ("xforward.addr", text(&told.addr)),
        ("xforward.port", text(&told.port)),
        ("xforward.name", text(&told.name)),
        ("xforward.helo", text(&told.helo)),
        ("xforward.proto", text(&told.proto)),
        ("xforward.ident", text(&told.ident)),
    ];
    for (key, value) in known {
        if let Some(value) = value {
            let session = client.session;
            tracing::debug!(%session, "{key}={value}");
            // A value beyond the limit of notes is left out; an empty one removes the note.
            let _ = client.notes.set(key, value.as_bytes(), MAX_SESSION_NOTE);
        }
    }
}

/// XCLIENT from a trusted proxy: it speaks for somebody else, whom we take at its word from here on. What it says to be
/// unavailable is not known; what was noted about the one before is forgotten.
pub(super) fn believe(client: &mut Client, told: &Xclient<'_>) {
    client.set_remote(place(client.remote, &told.addr, &told.port));
    client.set_local(place(client.local, &told.dest_addr, &told.dest_port));
    // Who has another address has another name; a long XCLIENT may come in parts.
    if told.addr.is_some() || told.name.is_some() {
        let name = told.name.as_ref().and_then(|name| name.value());
        client.remote_name = name.map(ToString::to_string);
    }
    client.helo = told.helo.as_ref().and_then(|helo| helo.value()).map(ToString::to_string);
    client.esmtp = false;
    client.notes.retain(|key| key.starts_with("proxy."));
}

/// An address of which all, a part or nothing is told anew.
fn place(
    known: Option<SocketAddr>,
    ip: &Option<Attribute<IpAddr>>,
    port: &Option<Attribute<u16>>,
) -> Option<SocketAddr> {
    let port = port.as_ref().map(|port| port.value().copied().unwrap_or(0));
    match ip {
        Some(ip) => ip.value().map(|ip| SocketAddr::new(*ip, port.unwrap_or(0))),
        None => {
            known.map(|known| SocketAddr::new(known.ip(), port.unwrap_or_else(|| known.port())))
        }
    }
}

//! What is known of the other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Notes, SessionId};

/// The client and how it is connected.
#[derive(Clone, Debug)]
pub struct Client {
    /// Id of the connection.
    pub session: SessionId,
    /// The listener, as configured (`listen_interface`).
    pub listener: Arc<str>,
    /// Host name of the server (`host_name`).
    pub server_name: Arc<str>,
    /// Address of the client; none on a Unix socket.
    pub remote: Option<SocketAddr>,
    /// Its IP address as text; empty on a Unix socket.
    pub remote_ip: String,
    /// Name of the client, as a trusted proxy told it.
    pub remote_name: Option<String>,
    /// Address it connected to.
    pub local: Option<SocketAddr>,
    /// That IP address as text.
    pub local_ip: Box<str>,
    /// Name given with HELO, EHLO or LHLO.
    pub helo: Option<String>,
    /// Whether it spoke EHLO or LHLO.
    pub esmtp: bool,
    /// Whether the server speaks LMTP.
    pub lmtp: bool,
    /// The protocol's name for the Received field (RFC 3848, RFC 6531 section 4.3).
    pub protocol: &'static str,
    /// Present on an encrypted connection. Boxed: plain ones do without the room.
    pub tls: Option<Box<TlsFacts>>,
    /// Messages accepted so far.
    pub messages: u64,
    /// Messages received whole so far, whatever became of them: part of the id of each.
    pub received: u64,
    /// Notes of the session.
    pub notes: Notes,
}

impl Client {
    /// A client that has just connected.
    pub fn new(
        listener: Arc<str>,
        server_name: Arc<str>,
        remote: Option<SocketAddr>,
        local: Option<SocketAddr>,
    ) -> Self {
        Self {
            session: SessionId::next(),
            listener,
            server_name,
            remote,
            remote_ip: ip_text(remote),
            remote_name: None,
            local,
            local_ip: ip_text(local).into(),
            helo: None,
            esmtp: false,
            lmtp: false,
            protocol: "SMTP",
            tls: None,
            messages: 0,
            received: 0,
            notes: Notes::default(),
        }
    }

    /// Sets the address of the client.
    pub fn set_remote(&mut self, remote: Option<SocketAddr>) {
        self.remote = remote;
        self.remote_ip = ip_text(remote);
    }

    /// Sets the address it connected to.
    pub fn set_local(&mut self, local: Option<SocketAddr>) {
        self.local = local;
        self.local_ip = ip_text(local).into();
    }
}

/// An IPv4 client on a dual-stack listener (`::ffff:192.0.2.1`) is an IPv4 client.
fn ip_text(address: Option<SocketAddr>) -> String {
    address.map_or_else(String::new, |address| address.ip().to_canonical().to_string())
}

/// What TLS has agreed on.
#[derive(Clone, Debug, Default)]
pub struct TlsFacts {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// IANA name of the cipher suite.
    pub cipher: String,
    /// Subject of the verified client certificate.
    pub client: Option<String>,
    /// Server name the client asked for: attacker's text.
    pub sni: Option<String>,
}

//! SMTP over rustls: for what the other clients cannot be made to do.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
};

use super::{Mode, Pki};
use crate::support::PATIENCE;

/// An encrypted connection.
pub(super) struct TlsClient {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

/// A client's settings; it believes in this authority.
pub(super) fn config(pki: &Pki) -> Arc<ClientConfig> {
    config_with_groups(pki, &aws_lc_rs::default_provider().kx_groups)
}

/// The same with these key exchange groups.
pub(super) fn config_with_groups(
    pki: &Pki,
    groups: &[&'static dyn SupportedKxGroup],
) -> Arc<ClientConfig> {
    let provider = CryptoProvider { kx_groups: groups.to_vec(), ..aws_lc_rs::default_provider() };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pki.ca()).expect("our own file")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_safe_default_protocol_versions().expect("they go together");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

impl TlsClient {
    /// Connects, verifies the server as `mail.example.test`, is greeted and says EHLO.
    #[track_caller]
    pub(super) fn connect(address: SocketAddr, mode: Mode, config: &Arc<ClientConfig>) -> Self {
        let mut socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        if mode == Mode::StartTls {
            let mut plain = BufReader::new(socket.try_clone().expect("a descriptor"));
            assert!(reply(&mut plain).starts_with("220 "));
            for (command, expected) in [("EHLO client.example", "250"), ("STARTTLS", "220 ")] {
                socket.write_all(format!("{command}\r\n").as_bytes()).expect("it reads");
                let found = reply(&mut plain);
                assert!(found.starts_with(expected), "{command}: {found}");
            }
        }
        let name = ServerName::try_from("mail.example.test").expect("a name");
        let session = ClientConnection::new(Arc::clone(config), name).expect("a session");
        let mut stream = StreamOwned::new(session, socket);
        stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        let mut client = Self { stream: BufReader::new(stream) };
        if mode == Mode::Always {
            let greeting = client.reply();
            assert!(greeting.starts_with("220 "), "{greeting}");
        }
        client
    }

    /// The session and the socket below it.
    pub(super) fn stream(&mut self) -> &mut StreamOwned<ClientConnection, TcpStream> {
        self.stream.get_mut()
    }

    /// Whether an earlier session was resumed.
    pub(super) fn is_resumed(&mut self) -> bool {
        self.stream().conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(super) fn send(&mut self, bytes: &str) {
        self.stream().write_all(bytes.as_bytes()).expect("the server reads");
        self.stream().flush().expect("the server reads");
    }

    /// The next whole reply, its lines parted by `\n`.
    #[track_caller]
    pub(super) fn reply(&mut self) -> String {
        reply(&mut self.stream)
    }

    /// Sends a command whose reply is to begin like this.
    #[track_caller]
    pub(super) fn expect(&mut self, command: &str, expected: &str) -> String {
        self.send(&format!("{command}\r\n"));
        let found = self.reply();
        assert!(found.starts_with(expected), "{command}: expected {expected}, found {found}");
        found
    }
}

#[track_caller]
fn reply(stream: &mut impl BufRead) -> String {
    let mut reply = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a reply");
        assert!(line.ends_with("\r\n"), "closed instead of a reply, behind {reply:?}{line:?}");
        reply.push_str(line.trim_end());
        if line.as_bytes().get(3) != Some(&b'-') {
            return reply;
        }
        reply.push('\n');
    }
}

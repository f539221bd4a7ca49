//! Raw SMTP: bytes out, whole replies in, everything with a deadline.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::PATIENCE;

/// A connection to a server.
pub(crate) struct Client {
    wire: Box<dyn Wire>,
    /// Received and not yet asked for.
    received: Vec<u8>,
}

impl Client {
    /// Connects and reads nothing yet.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the server listens"))
    }

    fn over(wire: TcpStream) -> Self {
        wire.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        wire.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { wire: Box::new(wire), received: Vec::new() }
    }

    /// Connects from this address, which may be any of 127.0.0.0/8.
    #[track_caller]
    pub(crate) fn connect_from(from: [u8; 4], address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of this machine");
        socket.connect(&address.into()).expect("the server listens");
        Self::over(socket.into())
    }

    /// Connects until there is a place, and is greeted. One that was given back is free a moment after its client knows.
    #[track_caller]
    pub(crate) fn admitted(address: SocketAddr) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut client = Self::connect(address);
            let greeting = client.reply();
            if greeting.starts_with("220 ") {
                return client;
            }
            assert!(greeting.starts_with("421 "), "{greeting}");
            assert!(Instant::now() < deadline, "no place for {PATIENCE:?}");
        }
    }

    /// Its own end of a TCP connection.
    #[track_caller]
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.wire.local_address().expect("a TCP connection")
    }

    /// Connects to a Unix socket.
    #[track_caller]
    pub(crate) fn connect_unix(path: &Path) -> Self {
        let wire = UnixStream::connect(path).expect("the server listens");
        wire.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { wire: Box::new(wire), received: Vec::new() }
    }

    /// Connects, is greeted, says EHLO.
    #[track_caller]
    pub(crate) fn introduced(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.expect_reply("220 ");
        client.expect("EHLO client.example", "250");
        client
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Sends a command; its reply, several lines of it parted by `\n`.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        self.reply()
    }

    /// Sends a command whose reply is to begin like this.
    #[track_caller]
    pub(crate) fn expect(&mut self, command: &str, reply: &str) -> String {
        let found = self.ask(command);
        assert!(found.starts_with(reply), "{command}: expected {reply}, found {found}");
        found
    }

    /// Wants the next reply to begin like this.
    #[track_caller]
    pub(crate) fn expect_reply(&mut self, reply: &str) -> String {
        let found = self.reply();
        assert!(found.starts_with(reply), "expected {reply}, found {found}");
        found
    }

    /// MAIL and RCPT, both accepted.
    #[track_caller]
    pub(crate) fn envelope(&mut self, from: &str, to: &[&str]) {
        self.expect(&format!("MAIL FROM:<{from}>"), "250");
        for to in to {
            self.expect(&format!("RCPT TO:<{to}>"), "250");
        }
    }

    /// Sends a message whose lines end in CRLF and do not begin with a dot; the first reply to it.
    #[track_caller]
    pub(crate) fn mail(&mut self, from: &str, to: &[&str], message: &str) -> String {
        self.envelope(from, to);
        self.expect("DATA", "354");
        self.send(message);
        self.ask(".")
    }

    /// The next whole reply.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line();
            let last = line.as_bytes().get(3) != Some(&b'-');
            let _ = write!(reply, "{}{line}", if reply.is_empty() { "" } else { "\n" });
            if last {
                return reply;
            }
        }
    }

    /// The next line without its CRLF.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.received.split_off(end + 2);
                let line = std::mem::replace(&mut self.received, rest);
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            let received = String::from_utf8_lossy(&self.received).into_owned();
            match self.more() {
                Ok(true) => {}
                Ok(false) => panic!("closed instead of a reply, behind \"{received}\""),
                Err(error) => panic!("no reply ({error}), behind \"{received}\""),
            }
        }
    }

    /// Wants nothing more and the end of the connection.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        while self.received.is_empty() {
            match self.more() {
                Ok(true) => {}
                Ok(false) => return,
                // The server has closed with bytes of ours unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the connection stays open ({error})"),
            }
        }
        panic!("more than expected: \"{}\"", self.received.escape_ascii());
    }

    /// Whether anything comes within so long.
    #[track_caller]
    pub(crate) fn hears_within(&mut self, patience: Duration) -> bool {
        if !self.received.is_empty() {
            return true;
        }
        self.wire.wait_for(patience).expect("a timeout");
        let came = self.more();
        self.wire.wait_for(PATIENCE).expect("a timeout");
        match came {
            Ok(came) => came,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => panic!("no reply ({error})"),
        }
    }

    /// Says that nothing more will be sent, while replies may still come.
    pub(crate) fn finish(&self) {
        // A server that has closed already has made this needless.
        let _ = self.wire.finish();
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let read = self.wire.read(&mut buffer)?;
        self.received.extend_from_slice(&buffer[..read]);
        Ok(read > 0)
    }
}

/// A stream socket.
trait Wire: Read + Write {
    fn finish(&self) -> io::Result<()>;

    /// How long a read may wait.
    fn wait_for(&self, patience: Duration) -> io::Result<()>;

    fn local_address(&self) -> Option<SocketAddr>;
}

impl Wire for TcpStream {
    fn finish(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn wait_for(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.local_addr().ok()
    }
}

impl Wire for UnixStream {
    fn finish(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn wait_for(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }

    fn local_address(&self) -> Option<SocketAddr> {
        None
    }
}

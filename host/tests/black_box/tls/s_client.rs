//! OpenSSL's own client.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::{Mode, Pair};
use crate::support::PATIENCE;

/// What a run of `openssl s_client` has printed.
#[derive(Debug)]
pub(super) struct Seen {
    text: String,
}

/// Connects with these arguments, says EHLO and QUIT, and reads until the server closes.
#[track_caller]
pub(super) fn s_client(address: SocketAddr, mode: Mode, arguments: &[&str]) -> Seen {
    // Bounded from outside: s_client has no time-out of its own.
    let mut command = Command::new("timeout");
    command.args([&PATIENCE.as_secs().to_string(), "openssl", "s_client"]);
    // Without these a line that begins with Q ends it, and so does the end of its input.
    command.args(["-nocommands", "-ign_eof", "-crlf", "-connect", &address.to_string()]);
    if mode == Mode::StartTls {
        command.args(["-starttls", "smtp", "-name", "client.example"]);
    }
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut input = child.stdin.take().expect("piped");
    // A handshake that fails ends it before it has read this.
    let _ = input.write_all(b"EHLO client.example\nQUIT\n");
    drop(input);
    let output = child.wait_with_output().expect("our own child");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Seen { text }
}

/// Arguments that show a client's certificate.
pub(super) fn showing(pair: &Pair) -> [&str; 4] {
    ["-cert", pair.certificate.to_str().expect("UTF-8"), "-key", pair.key.to_str().expect("UTF-8")]
}

impl Seen {
    /// Whether SMTP was spoken to the end.
    pub(super) fn served(&self) -> bool {
        self.text.contains("\n221 ") || self.text.contains("\r\n221 ")
    }

    #[track_caller]
    pub(super) fn expect_served(self) -> Self {
        assert!(self.served(), "{}", self.text);
        self
    }

    #[track_caller]
    pub(super) fn expect_refused(self) -> Self {
        assert!(!self.served(), "{}", self.text);
        self
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// Wants this in the output.
    #[track_caller]
    pub(super) fn expect(self, text: &str) -> Self {
        assert!(self.text.contains(text), "no \"{text}\" in:\n{}", self.text);
        self
    }
}

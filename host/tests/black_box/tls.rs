//! TLS as clients meet it: OpenSSL, Python's smtplib, rustls and raw sockets against STARTTLS and implicit TLS, with
//! certificates that are made for each test.

mod client;
mod client_certificates;
mod conversation;
mod figures;
mod files;
mod lifetime;
mod negotiation;
mod pki;
mod s_client;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Daemon, Setup};
use pki::{Kind, Pair, Pki};

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    StartTls,
    Always,
}

const BOTH: [Mode; 2] = [Mode::StartTls, Mode::Always];

impl Mode {
    fn key(self) -> &'static str {
        match self {
            Self::StartTls => "start_tls_on",
            Self::Always => "tls_always_on",
        }
    }
}

/// A `tls` object: the mode, the main pair, and more keys.
fn tls(mode: Mode, pair: &Pair, more: Value) -> Value {
    let mut tls = pair.json();
    tls[mode.key()] = json!(true);
    for (key, value) in more.as_object().expect("an object") {
        tls[key] = value.clone();
    }
    tls
}

/// A daemon with the built-in processors and one server that speaks TLS.
fn setup(tls: Value) -> Setup {
    Setup::without_plugins().server("tls", tls)
}

/// Ends a daemon; what it has logged is complete then.
#[track_caller]
fn log_lines(mut daemon: Daemon, text: &str) -> Vec<String> {
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), Some(0));
    daemon.log().with(text)
}

/// Certificates of an authority of our own, with one pair for `mail.example.test`.
fn pki() -> (Pki, Pair) {
    let pki = Pki::new();
    let pair = pki.server("mail", &["mail.example.test"], Kind::P256);
    (pki, pair)
}

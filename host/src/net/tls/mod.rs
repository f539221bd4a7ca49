//! TLS, by rustls: from the config's file names to an encrypted wire.
//!
//! - [`certificates`]: pairs of PEM files, and which of them a client gets.
//! - [`client_auth`]: what is asked of clients about certificates of their own.
//! - [`server_config`]: all that is configured, as rustls wants it.
//! - [`validity`]: certificates that are out of their time.
//! - [`session`]: an encrypted connection behind the same face as a plain socket.
//! - [`inlet`]: how it reads the socket.
//! - here: the acceptor, which does the handshakes of one server and picks up changed files.
//!
//! *Never*: plain text where TLS is configured. A server whose files cannot be used does not start, a handshake that
//! fails closes the connection, and changed files that cannot be used leave the old ones in place.
//!
//! *Limits*: a handshake takes at most [`LONGEST_HANDSHAKE`] or the server's `timeout`, whichever is shorter; no early
//! data is taken, since it could be replayed.

mod certificates;
mod client_auth;
mod error;
mod facts;
mod inlet;
mod server_config;
mod session;
#[cfg(test)]
pub(super) mod testing;
mod validity;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio_rustls::rustls::ServerConfig;

use super::stop::Stop;
use super::wire::Wire;
use crate::config::{ClientAuth, KeyPair, Tls, TlsMode};
use crate::mail::Client;
use crate::stamp::Stamp;
pub use error::TlsError;
pub(super) use session::TlsSession;

/// Does the handshakes of one server.
pub(crate) struct Acceptor {
    tls: Tls,
    pair: KeyPair,
    implicit: bool,
    /// The server's name in the log.
    listener: String,
    current: ArcSwap<ServerConfig>,
    /// The files as they were when they were last read.
    seen: Mutex<Seen>,
    /// When the files are looked at next, in milliseconds since `born`.
    next_check: AtomicU64,
    born: Instant,
}

/// Why there is no encrypted connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("{0}")]
    Failed(#[from] io::Error),
    #[error("the client took too long")]
    TimedOut,
    #[error("the server is ending")]
    Stopping,
}

impl Acceptor {
    /// Reads the files of a server; `None` when it does without TLS.
    ///
    /// # Errors
    /// When a file cannot be used, or the settings do not go together.
    pub(crate) fn open(tls: &Tls, listener: &str) -> Result<Option<Arc<Self>>, TlsError> {
        let (pair, implicit) = match &tls.mode {
            TlsMode::Off => return Ok(None),
            TlsMode::StartTls(pair) => (pair, false),
            TlsMode::Always(pair) => (pair, true),
        };
        let seen = Seen { files: stamps(tls, pair), dated: Instant::now() };
        let acceptor = Self {
            current: ArcSwap::from_pointee(server_config::build(tls, pair)?),
            tls: tls.clone(),
            pair: pair.clone(),
            implicit,
            listener: listener.to_owned(),
            seen: Mutex::new(seen),
            next_check: AtomicU64::new(millis(tls.check_interval.unwrap_or_default())),
            born: Instant::now(),
        };
        Ok(Some(Arc::new(acceptor)))
    }

    /// Whether one that was opened now would be just the same. Then it is better kept: its tickets stay good.
    pub(crate) fn is_current(&self, tls: &Tls) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.tls == *tls && seen.files == stamps(&self.tls, &self.pair)
    }

    /// Whether TLS begins with the first byte.
    pub(super) fn is_implicit(&self) -> bool {
        self.implicit
    }

    /// Makes a client's plain connection an encrypted one, and notes down what was agreed on. After an error the
    /// connection is good for nothing but to be closed.
    pub(super) async fn handshake(
        self: &Arc<Self>,
        wire: &mut Wire,
        client: &mut Client,
        patience: Duration,
        stop: &Stop,
    ) -> Result<(), HandshakeError> {
        self.check_files_when_due();
        let config = self.current.load_full();
        // Boxed: a connection that waits for its next command is not to carry room for a handshake.
        let handshake = Box::pin(wire.encrypt(config));
        let done = tokio::select! {
            biased;
            done = tokio::time::timeout(patience.min(LONGEST_HANDSHAKE), handshake) => done,
            () = stop.begun() => return Err(HandshakeError::Stopping),
        };
        let session = done.map_err(|_| HandshakeError::TimedOut)??;
        let verified = matches!(
            self.tls.client_auth,
            ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify
        );
        let facts = session.facts(verified);
        #[cfg(test)]
        super::panics::trip(facts.sni.as_deref().unwrap_or_default());
        tracing::debug!(
            session = %client.session,
            "tls version={} cipher={} {} sni={} client={}",
            facts.version,
            facts.cipher,
            session.details(),
            facts.sni.as_deref().unwrap_or("-"),
            facts.client.as_deref().unwrap_or("-"),
        );
        client.tls = Some(Box::new(facts));
        Ok(())
    }

    /// Reads the files again if they have changed. New connections get what is in them, the others keep what they have;
    /// tickets of earlier sessions are void. What cannot be used is logged and leaves all as it is.
    pub(crate) fn refresh(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.tls, &self.pair);
        if seen.files == now {
            if seen.dated.elapsed() >= DAY {
                seen.dated = Instant::now();
                certificates::look_at_dates([&self.pair].into_iter().chain(&self.tls.certificates));
            }
            return;
        }
        match server_config::build(&self.tls, &self.pair) {
            Ok(config) => {
                self.current.store(Arc::new(config));
                tracing::info!(
                    "{}: the certificate files have changed and are in use",
                    self.listener
                );
            }
            Err(error) => tracing::error!(
                "{}: the certificate files have changed and cannot be used, the old ones stay: {error}",
                self.listener
            ),
        }
        *seen = Seen { files: now, dated: Instant::now() };
    }

    /// A handshake is the occasion to look at the files: a server without clients has no need to. The looking is done
    /// beside it, since disks may be slow.
    fn check_files_when_due(self: &Arc<Self>) {
        let Some(interval) = self.tls.check_interval else { return };
        let now = millis(self.born.elapsed());
        let due = self.next_check.load(Ordering::Relaxed);
        let next = now.saturating_add(millis(interval));
        let ours = now >= due
            && self
                .next_check
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if ours {
            let this = Arc::clone(self);
            tokio::task::spawn_blocking(move || this.refresh());
        }
    }
}

/// What is known of the files.
struct Seen {
    /// None for one that is not there.
    files: Vec<Option<Stamp>>,
    /// When the dates of their certificates were last looked at.
    dated: Instant,
}

fn stamps(tls: &Tls, pair: &KeyPair) -> Vec<Option<Stamp>> {
    let pairs = [pair].into_iter().chain(&tls.certificates);
    let files = pairs.flat_map(|pair| [&pair.certificate_chain, &pair.private_key]);
    files.chain(&tls.client_roots).map(|path| Stamp::of(path)).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How often the dates of certificates are looked at whose files do not change.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a handshake may take at most: two round trips and a signature, on the slowest of lines.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(30);

//! One connection, from greeting to close.
//!
//! ```text
//! wait -> read -> session -> ask -> ... -> NeedInput -> write all replies -> wait
//! ```
//!
//! *Trust*: none in the client. Its silence, its bytes and its reading speed are bounded.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guerrilla_smtp::{CloseReason, PeerTraits, Session, Step};
use tokio::time::{Instant, Sleep};

use super::admission::TurnedAway;
use super::buffers::Buffers;
use super::dialogue::Dialogue;
use super::server::Server;
use super::wire::Wire;
use crate::mail::{Client, Transaction};

/// A client that has just been accepted.
pub(super) struct Arrival {
    pub(super) wire: Wire,
    pub(super) remote: Option<SocketAddr>,
    pub(super) local: Option<SocketAddr>,
}

/// Serves a client until one of both sides ends.
pub(super) async fn serve(server: Arc<Server>, arrival: Arrival) {
    let number = server.next_number();
    let _permit = match server.admit(arrival.remote) {
        Ok(permit) => permit,
        Err(why) => return turn_away(&server, arrival, why).await,
    };
    let mut client = Client::new(
        Arc::clone(&server.listener),
        Arc::clone(&server.host_name),
        arrival.remote,
        arrival.local,
    );
    client.lmtp = server.lmtp;
    let session = client.session;
    tracing::debug!("{session} opened remote={} listener={}", client.remote_ip, server.listener);
    let greeting = greeting(&server, number);
    let traits = PeerTraits { tls: false, trusted_proxy: server.trusts(arrival.remote) };
    let connection = Connection {
        session: Session::new(Arc::clone(&server.settings), traits),
        dialogue: Dialogue::new(Arc::clone(&server), greeting),
        wire: arrival.wire,
        last_heard: Instant::now(),
        alarm: Box::pin(tokio::time::sleep(server.timeout)),
        stopping: false,
        server,
    };
    let reason = connection.run(Box::new(Transaction::new(client))).await;
    tracing::debug!("{session} closed {reason}");
}

/// One place more than there are: the client hears 421 and tries again later, or elsewhere.
async fn turn_away(server: &Server, arrival: Arrival, why: TurnedAway) {
    let mut session = Session::new(Arc::clone(&server.settings), PeerTraits::default());
    let mut out = Vec::new();
    session.too_busy(&mut out);
    let peer = arrival.remote.map(|peer| peer.ip().to_string()).unwrap_or_default();
    tracing::warn!("{}: {peer} was turned away: {why}", server.listener);
    let _ = tokio::time::timeout(LAST_WORDS, arrival.wire.write_all(&out)).await;
}

struct Connection {
    server: Arc<Server>,
    wire: Wire,
    session: Session,
    dialogue: Dialogue,
    /// When the client was heard last.
    last_heard: Instant,
    /// Rings at the earliest moment at which the client may have been silent for too long. It is set anew only
    /// when it rings: a timer for each read would cost more than the read.
    alarm: Pin<Box<Sleep>>,
    /// The session knows that the server is to end.
    stopping: bool,
}

/// Why waiting came to an end.
enum Woken {
    Readable,
    Stop,
    TimedOut,
}

/// Why a connection has ended.
#[derive(Debug)]
enum Ended {
    Closed(CloseReason),
    ClientGone,
    Failed(io::Error),
}

impl Connection {
    async fn run(mut self, txn: Box<Transaction>) -> Ended {
        let mut buffers = Buffers::borrow();
        let (txn, ended) = match self.greet(&mut buffers).await {
            Ok(()) => self.converse(txn, buffers).await,
            Err(ended) => (txn, ended),
        };
        self.dialogue.closed(txn);
        ended
    }

    /// Holds the greeting back for a while, if so configured: who talks first is no mail server (RFC 5321 section 3.1).
    async fn greet(&mut self, buffers: &mut Buffers) -> Result<(), Ended> {
        let Some(delay) = self.server.greet_delay else { return Ok(()) };
        tokio::select! {
            biased;
            ready = self.wire.readable() => {
                ready.map_err(Ended::Failed)?;
                match self.wire.try_read(buffers.room()) {
                    Ok(0) => return Err(Ended::ClientGone),
                    Ok(read) => {
                        buffers.filled(read);
                        self.session.early_talker(&mut buffers.output);
                    }
                    Err(_) => {}
                }
            }
            () = self.server.stop.cancelled() => {}
            () = tokio::time::sleep(delay) => {}
        }
        Ok(())
    }

    async fn converse(
        &mut self,
        mut txn: Box<Transaction>,
        mut buffers: Buffers,
    ) -> (Box<Transaction>, Ended) {
        loop {
            let (input, output) = buffers.both();
            let (taken, step) = self.session.receive(input, output);
            let went = match step {
                Step::Body(bytes) => {
                    self.dialogue.body(bytes, &mut txn);
                    buffers.consume(taken);
                    Ok(())
                }
                Step::Ask(question) => {
                    let asking = self.dialogue.note(question, &mut txn);
                    buffers.consume(taken);
                    let told;
                    (txn, told) = self.dialogue.ask(asking, txn).await;
                    let answer = self.dialogue.answer(&told);
                    self.session.answer(answer, &mut buffers.output);
                    Ok(())
                }
                Step::NeedInput => {
                    buffers.consume(taken);
                    self.hear(&mut buffers).await
                }
                Step::Reset => {
                    buffers.consume(taken);
                    txn.envelope.clear();
                    Ok(())
                }
                Step::Pause(delay) => {
                    buffers.consume(taken);
                    self.pause(delay, &mut buffers).await
                }
                Step::StartTls => Err(Ended::Closed(CloseReason::Disconnected)),
                Step::Close(reason) => {
                    let told = self.flush(&mut buffers).await;
                    Err(told.err().unwrap_or(Ended::Closed(reason)))
                }
            };
            if let Err(ended) = went {
                return (txn, ended);
            }
        }
    }

    /// Says what is to be said, then listens.
    async fn hear(&mut self, buffers: &mut Buffers) -> Result<(), Ended> {
        self.flush(buffers).await?;
        if buffers.is_idle() {
            // Nothing of this client is in it: others may use it while this one is silent.
            std::mem::take(buffers).give_back();
        }
        match self.wait().await? {
            Woken::Readable => {}
            Woken::Stop => {
                self.stopping = true;
                self.session.shutting_down(&mut buffers.output);
                return Ok(());
            }
            Woken::TimedOut => {
                self.session.timed_out(&mut buffers.output);
                return Ok(());
            }
        }
        if buffers.is_hollow() {
            *buffers = Buffers::borrow();
        }
        match self.wire.try_read(buffers.room()) {
            Ok(0) => Err(Ended::ClientGone),
            Ok(read) => {
                buffers.filled(read);
                self.last_heard = Instant::now();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(Ended::Failed(error)),
        }
    }

    async fn wait(&mut self) -> Result<Woken, Ended> {
        loop {
            tokio::select! {
                biased;
                ready = self.wire.readable() => {
                    return ready.map(|()| Woken::Readable).map_err(Ended::Failed);
                }
                () = self.server.stop.cancelled(), if !self.stopping => return Ok(Woken::Stop),
                () = &mut self.alarm => {
                    let due = self.last_heard + self.server.timeout;
                    if Instant::now() >= due {
                        return Ok(Woken::TimedOut);
                    }
                    self.alarm.as_mut().reset(due);
                }
            }
        }
    }

    /// A client that makes errors waits for its replies.
    async fn pause(&mut self, delay: Duration, buffers: &mut Buffers) -> Result<(), Ended> {
        self.flush(buffers).await?;
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.server.stop.cancelled() => {}
        }
        Ok(())
    }

    /// Writes all replies at once. A client that does not read them may not hold us for longer than it may be silent.
    async fn flush(&mut self, buffers: &mut Buffers) -> Result<(), Ended> {
        if buffers.output.is_empty() {
            return Ok(());
        }
        let rest = self.wire.write_now(&buffers.output).map_err(Ended::Failed)?;
        if rest < buffers.output.len() {
            let write = self.wire.write_all(&buffers.output[rest..]);
            match tokio::time::timeout(self.server.timeout, write).await {
                Ok(written) => written.map_err(Ended::Failed)?,
                Err(_) => return Err(Ended::Closed(CloseReason::TimedOut)),
            }
        }
        buffers.output.clear();
        Ok(())
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed(reason) => write!(f, "reason={reason:?}"),
            Self::ClientGone => f.write_str("reason=ClientGone"),
            Self::Failed(error) => write!(f, "reason=Failed error={error}"),
        }
    }
}

/// What is said first, in go-guerrilla's form: host, version, number of the client, clients there are, time.
fn greeting(server: &Server, number: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let time = mail_parser::DateTime::from_timestamp(i64::try_from(now).unwrap_or(0));
    let (host, version, active) = (&server.host_name, env!("CARGO_PKG_VERSION"), server.active());
    let protocol = if server.lmtp { "LMTP" } else { "SMTP" };
    format!("{host} {protocol} Guerrilla({version}) #{number} ({active}) {}", time.to_rfc3339())
}

/// How long a client that is turned away has to take our last words.
const LAST_WORDS: Duration = Duration::from_secs(5);

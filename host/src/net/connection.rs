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

use guerrilla_smtp::{CloseReason, PeerTraits, Session, Step, Waiting};
use tokio::time::{Instant, Sleep};

use super::admission::TurnedAway;
use super::buffers::Buffers;
use super::dialogue::Dialogue;
use super::patience::Patience;
use super::proxied::{NoIntroduction, introduction};
use super::server::Server;
use super::tls::HandshakeError;
use super::wire::Wire;
use crate::config::ProxyProtocol;
use crate::mail::{Client, Transaction};

/// A client that has just been accepted.
pub(super) struct Arrival {
    pub(super) wire: Wire,
    pub(super) remote: Option<SocketAddr>,
    pub(super) local: Option<SocketAddr>,
}

impl Arrival {
    /// The peer, for messages.
    fn peer(&self) -> String {
        self.remote.map_or_else(|| "a local client".to_owned(), |peer| peer.to_string())
    }
}

/// Serves a client until one of both sides ends.
pub(super) async fn serve(server: Arc<Server>, mut arrival: Arrival) {
    let number = server.next_number();
    let mut permit = match server.admit() {
        Ok(permit) => permit,
        Err(why) => return turn_away(&server, arrival, why).await,
    };
    let mut client = match introduce(&server, &arrival).await {
        Ok(client) => client,
        Err(why) => {
            tracing::warn!("{}: {}: closed: {why}", server.listener, arrival.peer());
            return;
        }
    };
    let ip = client.remote.map(|remote| remote.ip());
    if let Some(Err(why)) = ip.map(|ip| permit.is_for(ip, std::time::Instant::now())) {
        return turn_away(&server, arrival, why).await;
    }
    let session = client.session;
    tracing::debug!("{session} opened remote={} listener={}", client.remote_ip, server.listener);
    if let Some(tls) = server.implicit_tls() {
        let patience = server.patience.idle;
        let wire = &mut arrival.wire;
        if let Err(error) = tls.handshake(wire, &mut client, patience, &server.stop).await {
            tracing::debug!("{session} closed {}", Ended::Handshake(error));
            return;
        }
    }
    let greeting = greeting(&server, number);
    let traits = PeerTraits {
        tls: client.tls.is_some(),
        trusted_proxy: server.takes_xclient_from(client.remote),
    };
    let connection = Connection {
        session: Session::new(Arc::clone(&server.settings), traits),
        dialogue: Dialogue::new(Arc::clone(&server), greeting),
        wire: arrival.wire,
        patience: Patience::new(server.patience, Instant::now()),
        progressed: false,
        received: 0,
        alarm: Box::pin(tokio::time::sleep(server.patience.idle)),
        stopping: false,
        server,
    };
    let reason = connection.run(Box::new(Transaction::new(client))).await;
    tracing::debug!("{session} closed {reason}");
}

/// Who the client is: the peer, or whoever a trusted proxy speaks for.
async fn introduce(server: &Server, arrival: &Arrival) -> Result<Client, NoIntroduction> {
    let mut client = Client::new(
        Arc::clone(&server.listener),
        Arc::clone(&server.host_name),
        arrival.remote,
        arrival.local,
    );
    client.lmtp = server.lmtp;
    let told = match (arrival.wire.as_tcp(), server.trusts(arrival.remote)) {
        (Some(stream), true) => introduction(stream, server.proxy_protocol).await?,
        _ if server.proxy_protocol == ProxyProtocol::Require => {
            return Err(NoIntroduction::NotTrusted);
        }
        _ => None,
    };
    if let Some(told) = told {
        client.notes = told.notes;
        if let Some((source, destination)) = told.addresses {
            client.set_remote(Some(source));
            client.set_local(Some(destination));
        }
    }
    Ok(client)
}

/// One place more than there are: the client hears 421 and tries again later, or elsewhere.
async fn turn_away(server: &Server, mut arrival: Arrival, why: TurnedAway) {
    let mut session = Session::new(Arc::clone(&server.settings), PeerTraits::default());
    let mut out = Vec::new();
    session.too_busy(&mut out);
    tracing::warn!("{}: {} was turned away: {why}", server.listener, arrival.peer());
    if server.implicit_tls().is_some() {
        // It waits for a handshake, which is more work than it may cause, and could make nothing of words in the clear.
        return;
    }
    let _ = tokio::time::timeout(LAST_WORDS, arrival.wire.write_all(&out)).await;
}

struct Connection {
    server: Arc<Server>,
    wire: Wire,
    session: Session,
    dialogue: Dialogue,
    /// How long the client may take.
    patience: Patience,
    /// The session has taken something in since the client was waited for.
    progressed: bool,
    /// Bytes of a body since then.
    received: u64,
    /// Rings when the client may have taken too long. It is set anew only when it rings: a timer for each read
    /// would cost more than the read.
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
    Handshake(HandshakeError),
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
            self.progressed |= taken > 0;
            let went = match step {
                Step::Body(bytes) => {
                    self.received += bytes.len() as u64;
                    self.dialogue.body(bytes, &mut txn);
                    buffers.consume(taken);
                    Ok(())
                }
                Step::Ask(question) => {
                    txn.client.protocol = self.session.protocol_name();
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
                Step::StartTls => {
                    buffers.consume(taken);
                    self.start_tls(&mut buffers, &mut txn).await
                }
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

    /// Says that we are ready, does the handshake, and forgets what the client has said so far: it may have been somebody
    /// else who said it (RFC 3207 section 4.2).
    async fn start_tls(
        &mut self,
        buffers: &mut Buffers,
        txn: &mut Transaction,
    ) -> Result<(), Ended> {
        self.flush(buffers).await?;
        // The session has refused the client if there was more in the buffer. It counts on being given all that has
        // been read; should that ever change, this is where commands in the clear must not get through.
        let Some(tls) = self.server.tls.as_ref().filter(|_| buffers.is_idle()) else {
            return Err(Ended::Closed(CloseReason::DataBehindStartTls));
        };
        let patience = self.server.patience.idle;
        let shaken = tls.handshake(&mut self.wire, &mut txn.client, patience, &self.server.stop);
        shaken.await.map_err(Ended::Handshake)?;
        txn.client.helo = None;
        txn.client.esmtp = false;
        // What the proxy in front of us has said, it has not heard from the client.
        txn.client.notes.retain(|key| key.starts_with("proxy."));
        txn.envelope.clear();
        self.session.tls_done();
        Ok(())
    }

    /// Says what is to be said, then listens.
    async fn hear(&mut self, buffers: &mut Buffers) -> Result<(), Ended> {
        self.flush(buffers).await?;
        if buffers.is_idle() {
            // Nothing of this client is in it: others may use it while this one is silent.
            std::mem::take(buffers).give_back();
        }
        self.note_pace();
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
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(Ended::Failed(error)),
        }
    }

    fn note_pace(&mut self) {
        let now = Instant::now();
        if std::mem::take(&mut self.progressed) {
            self.patience.progressed(now);
        }
        let received = std::mem::take(&mut self.received);
        let in_body = self.session.waiting() == Waiting::Body;
        self.patience.body(in_body.then_some(received), now);
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
                    let now = Instant::now();
                    if self.patience.is_over(self.session.in_transaction(), now) {
                        return Ok(Woken::TimedOut);
                    }
                    self.alarm.as_mut().reset(self.patience.due(now));
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

    /// Writes all replies at once. A client that reads them slowly must read as fast as it must send.
    async fn flush(&mut self, buffers: &mut Buffers) -> Result<(), Ended> {
        if buffers.output.is_empty() {
            return Ok(());
        }
        let rest = self.wire.write_now(&buffers.output).map_err(Ended::Failed)?;
        if rest < buffers.output.len() {
            let patience = self.server.patience.for_reading(buffers.output.len() - rest);
            let write = self.wire.write_all(&buffers.output[rest..]);
            match tokio::time::timeout(patience, write).await {
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
            Self::Handshake(error) => write!(f, "reason=Handshake error={error}"),
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

//! Letting a client in: a place, who it is (a proxy may speak for it), TLS where it comes first, and the greeting.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use guerrilla_smtp::{PeerTraits, Session};
use tokio::sync::Semaphore;

use super::account;
use super::admission::TurnedAway;
use super::connection::Connection;
use super::ended::Ended;
use super::panics::poll_caught;
use super::proxied::{NoIntroduction, introduction};
use super::server::Server;
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
        name_of(self.remote)
    }
}

fn name_of(remote: Option<SocketAddr>) -> String {
    remote.map_or_else(|| "a local client".to_owned(), |peer| peer.to_string())
}

/// Serves a client until one of both sides ends.
pub(super) fn serve(server: Arc<Server>, arrival: Arrival) -> impl Future<Output = ()> + Send {
    // What happens once is boxed and gone when the conversation begins: idle connections do not carry the room for it.
    let admission = Box::pin(admit_caught(server, arrival));
    async {
        if let Some((connection, txn)) = admission.await {
            connection.run(txn).await;
        }
    }
}

/// A fault of ours on the way in ends this connection and nothing else. There is nobody to apologise to: what the client
/// awaits (a greeting, a part of a handshake) is lost with its place in the conversation.
async fn admit_caught(
    server: Arc<Server>,
    arrival: Arrival,
) -> Option<(Box<Connection>, Box<Transaction>)> {
    let remote = arrival.remote;
    let admitted = {
        let mut admission = pin!(admit(Arc::clone(&server), arrival));
        poll_fn(|cx| poll_caught(admission.as_mut(), cx)).await
    };
    admitted.unwrap_or_else(|why| {
        let (listener, peer) = (&server.listener, name_of(remote));
        tracing::error!("{listener}: {peer}: letting it in has panicked and was closed: {why}");
        server.tally().closed(&Ended::Panicked);
        None
    })
}

/// From a socket to a conversation: a place, who it is, TLS where it comes first.
async fn admit(
    server: Arc<Server>,
    mut arrival: Arrival,
) -> Option<(Box<Connection>, Box<Transaction>)> {
    let number = server.next_number();
    let mut permit = match server.admit() {
        Ok(permit) => permit,
        Err(why) => {
            turn_away(&server, arrival, why).await;
            return None;
        }
    };
    let (mut client, is_told) = match introduce(&server, &arrival).await {
        Ok(introduced) => introduced,
        Err(why) => {
            tracing::warn!("{}: {}: closed: {why}", server.listener, arrival.peer());
            return None;
        }
    };
    // Behind a PROXY header it is not the proxy who speaks, whatever address that says.
    let trusted_proxy = !is_told && server.takes_proxy_commands_from(client.remote);
    // Whoever it speaks for is counted, not the proxy.
    let is_many = trusted_proxy && server.settings.xclient;
    let ip = client.remote.map(|remote| remote.ip()).filter(|_| !is_many);
    if let Some(Err(why)) = ip.map(|ip| permit.is_for(ip, Instant::now())) {
        drop(permit);
        turn_away(&server, arrival, why).await;
        return None;
    }
    let session = client.session;
    let (remote, listener) = (&client.remote_ip, &server.listener);
    tracing::debug!(%session, %remote, %listener, "opened");
    if let Some(tls) = server.implicit_tls() {
        let opened = Instant::now();
        let patience = server.patience.idle;
        let wire = &mut arrival.wire;
        let shaken = tls.handshake(wire, &mut client, patience, &server.stop).await;
        server.tally().handshake(client.tls.as_deref(), shaken.as_ref().err());
        if let Err(error) = shaken {
            let ended = Ended::Handshake(error);
            server.tally().closed(&ended);
            account::of_connection(&client, &ended, opened.elapsed());
            return None;
        }
    }
    let traits = PeerTraits { tls: client.tls.is_some(), trusted_proxy };
    let connection = Connection::open(server, arrival.wire, traits, number, permit);
    Some((connection, Box::new(Transaction::new(client))))
}

/// Who the client is: the peer, or whoever a trusted proxy speaks for; and whether one does.
async fn introduce(server: &Server, arrival: &Arrival) -> Result<(Client, bool), NoIntroduction> {
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
    let is_told = told.is_some();
    if let Some(told) = told {
        client.notes = told.notes;
        if let Some((source, destination)) = told.addresses {
            client.set_remote(Some(source));
            client.set_local(Some(destination));
        }
    }
    #[cfg(test)]
    super::panics::trip(&client.remote_ip);
    Ok((client, is_told))
}

/// One place more than there are: the client hears 421 and tries again later, or elsewhere.
async fn turn_away(server: &Server, mut arrival: Arrival, why: TurnedAway) {
    let mut session = Session::new(Arc::clone(&server.settings), PeerTraits::default());
    let mut out = Vec::new();
    server.tally().away(why);
    match why {
        TurnedAway::Ending => session.shutting_down(&mut out),
        _ => session.too_busy(&mut out),
    }
    tracing::warn!("{}: {} was turned away: {why}", server.listener, arrival.peer());
    if server.implicit_tls().is_some() {
        // It waits for a handshake, which is more work than it may cause, and could make nothing of words in the clear.
        return;
    }
    server.tally().said(&out);
    let _ = tokio::time::timeout(LAST_WORDS, arrival.wire.write_all(&out)).await;
    if let Ok(_place) = LINGERING.try_acquire() {
        tokio::select! {
            biased;
            () = arrival.wire.linger() => {}
            () = server.stop.begun() => {}
        }
    }
}

/// Clients that were turned away and are waited for, of all servers: a flood of them must not hold the descriptors.
static LINGERING: Semaphore = Semaphore::const_new(64);

/// How long a client that is turned away has to take our last words.
const LAST_WORDS: Duration = Duration::from_secs(5);

//! From an envelope to the answers of the store: attempts and their deadline.
//!
//! What fails in front of the message is tried again until the time is over, for nothing is delivered by then; unless it is
//! sure to fail again (`standing`). Behind the message nothing is: who has no answer then may have the message or not.

use std::sync::Arc;
use std::time::Duration;

use guerrilla_plugin_api::Host;
use guerrilla_stream_pool::{Address, Pool};
use tokio::time::{Instant, sleep, timeout_at};

use crate::dialogue::Dialogue;
use crate::envelope::Envelope;
use crate::exchange::{Connection, Lost, greet, is_quiet, play};
use crate::message::Message;
use crate::reply::Reply;
use crate::standing::{Standing, is_lasting};
use crate::tls::Tls;

/// Delivers to one store.
pub(crate) struct Deliveries {
    host: Host,
    address: Address,
    tls: Option<Tls>,
    connections: Arc<Pool<Connection>>,
    standing: Standing,
}

/// What has come of it: an answer for each recipient, or none where the connection was lost or the time was over.
pub(crate) struct Outcome {
    pub(crate) answers: Vec<Option<Reply>>,
    /// Why somebody has none.
    pub(crate) trouble: String,
    /// Whether the log has a line for it, which counts until the store can be used again.
    pub(crate) is_told: bool,
}

/// No connection.
struct Failure {
    why: String,
    /// Whether another attempt would fail as well.
    is_lasting: bool,
}

impl Deliveries {
    pub(crate) fn new(
        host: Host,
        address: Address,
        tls: Option<Tls>,
        connections: Arc<Pool<Connection>>,
    ) -> Self {
        Self { host, address, tls, connections, standing: Standing::default() }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn connections(&self) -> &Arc<Pool<Connection>> {
        &self.connections
    }

    /// Delivers a message, or only asks for recipients, as `name` (the word behind LHLO).
    pub(crate) async fn deliver(
        &self,
        name: &str,
        envelope: &Envelope,
        message: Option<&Message<'_>>,
        all_or_none: bool,
        until: Instant,
    ) -> Outcome {
        let none = || vec![None; envelope.recipients.len()];
        let mut trouble = "all connections are in use (lmtp_connections)".to_owned();
        let Ok(_place) = timeout_at(until, self.connections.place()).await else {
            return Outcome { answers: none(), trouble, is_told: false };
        };
        let mut pause = SHORTEST;
        loop {
            let kept = self.connections.kept();
            let was_kept = kept.is_some();
            let connection = match kept {
                Some(connection) => Ok(connection),
                None => self.connect(name, until).await,
            };
            let mut repeatable = true;
            match connection {
                Ok(mut connection) => {
                    // The offer of the connection outlives the dialogue, which the connection must not.
                    let offer = connection.offer.clone();
                    let mut dialogue = Dialogue::new(envelope, &offer, all_or_none);
                    let playing = play(&mut connection, &mut dialogue, message);
                    let played = timeout_at(until, playing).await;
                    match played {
                        Ok(Ok(())) => {
                            if dialogue.is_clean() && is_quiet(&connection) {
                                self.connections.keep(connection);
                            }
                            let answers = dialogue.answers();
                            return Outcome { answers, trouble: String::new(), is_told: false };
                        }
                        Ok(Err(lost)) => trouble = lost.to_string(),
                        Err(_) => trouble = "no answer in time".to_owned(),
                    }
                    repeatable = dialogue.may_be_repeated();
                    if !repeatable {
                        return Outcome { answers: dialogue.answers(), trouble, is_told: false };
                    }
                }
                Err(failure) if failure.is_lasting => {
                    return Outcome { answers: none(), trouble: failure.why, is_told: true };
                }
                Err(failure) => trouble = failure.why,
            }
            if !repeatable || Instant::now() + pause >= until {
                return Outcome { answers: none(), trouble, is_told: false };
            }
            self.host.count("retried", 1);
            // A kept connection that its store has closed meanwhile is no sign of trouble.
            if !was_kept {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }

    /// A new connection that has been greeted.
    async fn connect(&self, name: &str, until: Instant) -> Result<Connection, Failure> {
        let lasting = |why| Failure { why, is_lasting: true };
        self.standing.attempt(Instant::now()).map_err(lasting)?;
        let connecting =
            async { greet(self.address.connect().await?, name, self.tls.as_ref()).await };
        let patience = until.min(Instant::now() + PATIENCE);
        let connected: Result<Connection, Lost> = match timeout_at(patience, connecting).await {
            Ok(connected) => connected,
            Err(_) => return Err(self.lost("no greeting in time")),
        };
        match connected {
            Ok(connection) => {
                self.host.count("connected", 1);
                if self.standing.is_there() {
                    self.host.info(format_args!("{}: is back", self.address));
                }
                Ok(connection)
            }
            Err(lost) if is_lasting(&lost) => Err(self.unfit(&lost)),
            Err(lost) => Err(self.lost(&lost.to_string())),
        }
    }

    /// One line in the log when it goes, however many wait for it.
    fn lost(&self, why: &str) -> Failure {
        if self.standing.is_away() {
            let address = &self.address;
            self.host.error(format_args!("{address}: {why}; mail is deferred until it is there"));
        }
        Failure { why: format!("cannot be reached: {why}"), is_lasting: false }
    }

    /// One line in the log, too, with what is wrong.
    fn unfit(&self, lost: &Lost) -> Failure {
        let why = lost.to_string();
        if self.standing.is_unfit(&why, Instant::now()) {
            let address = &self.address;
            self.host.error(format_args!(
                "{address}: {why}; mail is deferred until that is put right, here (lmtp_tls and its kin) or at the store, \
                 which is tried less and less often meanwhile"
            ));
        }
        Failure { why, is_lasting: true }
    }
}

const SHORTEST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_millis(500);
/// How long one attempt to connect may take.
const PATIENCE: Duration = Duration::from_secs(5);

//! One connection, from greeting to close.
//!
//! ```text
//! wait -> read -> session -> ask -> ... -> NeedInput -> write all replies -> wait
//! ```
//!
//! *Trust*: none in the client. Its silence, its bytes and its reading speed are bounded.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use guerrilla_plugin_abi::Phase;
use guerrilla_smtp::{CloseReason, CommandCounts, PeerTraits, Session, Step, Waiting};
use tokio::time::{Instant, Sleep};

use super::account::{self, Refused};
use super::admission::Permit;
use super::buffers::Buffers;
use super::dialogue::{Asking, Dialogue};
use super::ended::Ended;
use super::panics::poll_caught;
use super::patience::Patience;
use super::server::Server;
use super::stop::Ear;
use super::wire::Wire;
use crate::mail::Transaction;

mod asking;
mod greeting;
mod listening;
mod saying;

pub(super) struct Connection {
    server: Arc<Server>,
    wire: Wire,
    session: Session,
    dialogue: Dialogue,
    /// How long the client may take.
    patience: Patience,
    /// The session has taken something in since the client was waited for.
    progressed: bool,
    /// Bytes of a body since then.
    received: u32,
    /// What has been taken in since the other connections of this thread have had their turn, in bytes of a body.
    turn: u32,
    /// Rings when the client may have taken too long. It is set anew only when it rings: a timer for each read
    /// would cost more than the read.
    alarm: Pin<Box<Sleep>>,
    /// Hears that the server is to end.
    ear: Ear,
    /// The session knows it.
    stopping: bool,
    /// The word on a message is among the replies that are not written.
    acknowledged: bool,
    /// Given back when all else is gone.
    permit: Permit,
}

/// What the session cannot go on without.
enum Pending {
    Nothing,
    /// The pipeline's word.
    Answer(Phase),
    Flush,
    Input,
    Pause(Duration),
    Handshake,
    Close(CloseReason),
}

impl Connection {
    /// A connection on which nothing has been said yet.
    pub(super) fn open(
        server: Arc<Server>,
        wire: Wire,
        traits: PeerTraits,
        number: u64,
        permit: Permit,
    ) -> Box<Self> {
        let now = Instant::now();
        let patience = Patience::new(server.patience, now);
        Box::new(Self {
            session: Session::new(Arc::clone(&server.settings), traits),
            dialogue: Dialogue::new(Arc::clone(&server), number),
            wire,
            alarm: Box::pin(tokio::time::sleep_until(patience.due(now))),
            patience,
            // Its time begins when it is listened to, not before the greeting.
            progressed: true,
            received: 0,
            turn: 0,
            ear: Ear::default(),
            stopping: false,
            acknowledged: false,
            server,
            permit,
        })
    }

    /// Serves the client until one of both sides ends.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn keeps its arguments twice, and this one mostly lies idle"
    )]
    pub(super) fn run(mut self: Box<Self>, txn: Box<Transaction>) -> impl Future<Output = ()> {
        async move {
            // What is rare or brief is boxed wherever it is awaited: the room for it is not to lie idle.
            let session = txn.client.session;
            self.server.shown.watchers.note(&txn.client, "opened");
            let conversed = {
                let mut conversation = pin!(self.converse(txn));
                poll_fn(|cx| poll_caught(conversation.as_mut(), cx)).await
            };
            let is_by_us = match conversed {
                Ok((txn, ended)) => {
                    self.server.shown.watchers.note(&txn.client, format_args!("closed {ended}"));
                    self.server.tally().closed(&ended);
                    account::of_connection(
                        &txn.client,
                        &ended,
                        self.patience.lasted(Instant::now()),
                    );
                    self.dialogue.closed(txn);
                    ended.is_by_us()
                }
                Err(why) => {
                    tracing::error!(%session, "the session has panicked and was closed: {why}");
                    self.server.tally().closed(&Ended::Panicked);
                    self.apologise();
                    true
                }
            };
            if is_by_us {
                Box::pin(self.linger()).await;
            }
        }
    }

    #[expect(clippy::manual_async_fn, reason = "as above")]
    fn converse(
        &mut self,
        mut txn: Box<Transaction>,
    ) -> impl Future<Output = (Box<Transaction>, Ended)> {
        async move {
            let mut buffers = Buffers::borrow();
            if self.server.greet_delay.is_some()
                && let Err(ended) = Box::pin(self.greet(&mut buffers)).await
            {
                return (txn, ended);
            }
            loop {
                let pending = self.advance(&mut buffers, &mut txn);
                let waits = !matches!(pending, Pending::Nothing | Pending::Answer(_));
                if (waits || buffers.output.len() > MOST_SAID) && self.server.shown.watchers.any() {
                    self.server.shown.watchers.said(&txn.client, &buffers.output);
                }
                if !waits
                    && buffers.output.len() > MOST_SAID
                    && let Err(ended) = Box::pin(self.flush(&mut buffers)).await
                {
                    return (txn, ended);
                }
                let went = match pending {
                    Pending::Nothing => Ok(()),
                    Pending::Answer(phase) => {
                        let told;
                        {
                            let asking = pin!(self.dialogue.ask(phase, txn));
                            let owing = self.acknowledged.then_some(&mut self.wire);
                            (txn, told) = lending(&mut buffers, owing, asking).await;
                        }
                        self.answer(&told, &mut buffers);
                        self.acknowledged |= phase == Phase::SAVE;
                        Ok(())
                    }
                    Pending::Flush => Box::pin(self.flush(&mut buffers)).await,
                    Pending::Input => self.hear(&mut buffers).await,
                    Pending::Pause(delay) => Box::pin(self.pause(delay, &mut buffers)).await,
                    Pending::Handshake => Box::pin(self.start_tls(&mut buffers, &mut txn)).await,
                    Pending::Close(reason) => {
                        let told = self.flush(&mut buffers).await;
                        Err(told.err().unwrap_or(Ended::Closed(reason)))
                    }
                };
                if let Err(ended) = went {
                    return (txn, ended);
                }
            }
        }
    }

    /// Lets the session take in what has come, up to where something is to be waited for.
    fn advance(&mut self, buffers: &mut Buffers, txn: &mut Transaction) -> Pending {
        let (input, output) = buffers.both();
        let mut commands = CommandCounts::default();
        let mut taken = 0;
        // Where lines begin with dots there are millions of pieces in a mail: what is done once for all that has come in
        // is not done for each.
        let step = loop {
            let (rest, watchers) = (&input[taken..], &self.server.shown.watchers);
            let (client, watched) = (&txn.client, watchers.any());
            let hearing = |waiting, piece: &[u8], said: &[u8]| {
                if watched {
                    watchers.heard(client, waiting, piece);
                }
                if waiting == Waiting::Command && matches!(said.first(), Some(b'4' | b'5')) {
                    account::of_command(client, piece, said);
                }
            };
            let (read, step) = self.session.receive_telling(rest, output, &mut commands, hearing);
            taken += read;
            let Step::Body(bytes) = step else {
                self.turn += read as u32 * COMMAND_WEIGHT;
                // A body that is skipped comes at some rate as well.
                if self.session.waiting() == Waiting::Body {
                    self.received += read as u32;
                }
                break step;
            };
            self.received += bytes.len() as u32;
            self.turn += read as u32 + PIECE_WEIGHT;
            self.dialogue.body(bytes, txn);
        };
        if taken > 0 {
            self.server.tally().heard(&commands);
            self.progressed = true;
        }
        let (pending, known) = match step {
            // All of them are taken in above.
            Step::Body(_) => (Pending::Nothing, None),
            Step::Ask(question) => {
                txn.client.protocol = self.session.protocol_name();
                match self.dialogue.note(question, txn) {
                    Asking::Phase(phase) => (Pending::Answer(phase), None),
                    Asking::Known(decided) => (Pending::Nothing, Some(decided)),
                    Asking::Another => (Pending::Nothing, Some(self.admit_another(&txn.client))),
                }
            }
            Step::Flush => (Pending::Flush, None),
            Step::NeedInput => (Pending::Input, None),
            Step::Reset => {
                txn.envelope.clear();
                (Pending::Nothing, None)
            }
            Step::Spoilt(reply) => {
                // Whoever sends a chunk for nobody is told so, and nobody has lost anything.
                if !txn.envelope.recipients().is_empty() {
                    account::of_refusal(Refused::Message, txn, &reply);
                }
                txn.envelope.clear();
                (Pending::Nothing, None)
            }
            Step::Pause(delay) => (Pending::Pause(delay), None),
            Step::StartTls => (Pending::Handshake, None),
            Step::Close(reason) => (Pending::Close(reason), None),
        };
        buffers.consume(taken);
        if let Some(decided) = known {
            self.session.answer(decided.answer(), &mut buffers.output);
        }
        pending
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
        buffers.lend();
        let patience = self.server.patience.idle;
        let shaken = tls.handshake(&mut self.wire, &mut txn.client, patience, &self.server.stop);
        let shaken = shaken.await;
        buffers.have();
        let facts = txn.client.tls.as_deref();
        self.server.tally().handshake(facts, shaken.as_ref().err());
        shaken.map_err(Ended::Handshake)?;
        self.server.shown.watchers.note(&txn.client, "TLS");
        txn.client.helo = None;
        txn.client.esmtp = false;
        // What the proxy in front of us has said, it has not heard from the client.
        txn.client.notes.retain(|key| key.starts_with("proxy."));
        txn.envelope.clear();
        self.session.tls_done();
        Ok(())
    }
}

/// Has others use the buffers as long as the pipeline is asked, should it not answer at once: a hundred clients whose mails
/// are being stored would hold a hundred of them. The word on a message goes out before: a client that hears it late may have given up,
/// and send the message again. Other replies wait for the rest of their pipelined group.
fn lending<T>(
    buffers: &mut Buffers,
    mut owing: Option<&mut Wire>,
    mut asking: Pin<&mut impl Future<Output = T>>,
) -> impl Future<Output = T> {
    poll_fn(move |cx| {
        let told = asking.as_mut().poll(cx);
        if told.is_pending() {
            // Whether it can be written at all, the next one to write will find out.
            if let Some(Ok(written)) =
                owing.take().map(|wire| wire.write_early(buffers.unwritten()))
            {
                buffers.written(written);
            }
            buffers.lend();
        }
        told
    })
}

/// How many bytes of a body are as much work as one of a command: a buffer full of `NOOP` is a turn of its own.
const COMMAND_WEIGHT: u32 = 8;

/// How many bytes of a body are as much work as one piece of it, however small: a line that begins with a dot ends a piece.
const PIECE_WEIGHT: u32 = 256;

/// Bytes of replies that are written before more is asked: a client need not read them, and each would be kept.
const MOST_SAID: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::super::arrival::serve;
    use super::*;

    /// What ten thousand idle connections cost is ten thousand times this.
    #[test]
    fn an_idle_connection_is_small() {
        fn size_of_future<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
            size_of::<F>()
        }
        let size = size_of_future(serve) + size_of::<Connection>() + size_of::<Transaction>();
        assert!(size <= 1280, "{size} bytes");
    }
}

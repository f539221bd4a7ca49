//! Waiting for the client, and reading what it says.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use guerrilla_smtp::Waiting;
use tokio::time::Instant;

use super::Connection;
use crate::net::buffers::Buffers;
use crate::net::ended::Ended;
use crate::net::patience::Overstepped;

/// Why waiting came to an end.
enum Woken {
    Readable,
    Stop,
    TimedOut(Overstepped),
}

impl Connection {
    /// Says what is to be said, then listens.
    pub(super) async fn hear(&mut self, buffers: &mut Buffers) -> Result<(), Ended> {
        self.flush(buffers).await?;
        if !self.session.in_transaction() {
            self.dialogue.idle();
        }
        // Others may use them while this one is silent.
        buffers.lend();
        self.note_pace();
        if self.turn >= TURN {
            self.turn = 0;
            tokio::task::yield_now().await;
        }
        match self.wait().await? {
            Woken::Readable => {}
            Woken::Stop => {
                self.stopping = true;
                self.session.shutting_down(&mut buffers.output);
                return Ok(());
            }
            Woken::TimedOut(what) => {
                self.server.tally().overstepped(what);
                self.session.timed_out(&mut buffers.output);
                return Ok(());
            }
        }
        buffers.have();
        let read = self.wire.try_read(buffers.room());
        self.turn += self.wire.take_idle_bytes() as u32 * IDLE_WEIGHT;
        match read {
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
        let received = u64::from(std::mem::take(&mut self.received));
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
                () = poll_fn(|cx| self.ear.poll(&self.server.stop, cx)), if !self.stopping => return Ok(Woken::Stop),
                () = &mut self.alarm => {
                    let now = Instant::now();
                    if let Some(what) = self.patience.over(self.session.in_transaction(), now) {
                        return Ok(Woken::TimedOut(what));
                    }
                    self.alarm.as_mut().reset(self.patience.due(now));
                }
            }
        }
    }

    /// A client that makes errors waits for its replies.
    pub(super) async fn pause(
        &mut self,
        delay: Duration,
        buffers: &mut Buffers,
    ) -> Result<(), Ended> {
        self.flush(buffers).await?;
        buffers.lend();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.server.stop.begun() => {}
        }
        buffers.have();
        Ok(())
    }
}

/// Bytes of a body after which others have their turn: a millisecond or two. Of its own accord tokio lets a socket that is always
/// readable be read 128 times, which is 8 MiB.
const TURN: u32 = 512 * 1024;

/// How many bytes of a body are as much work as one of a record of TLS in which there is none.
const IDLE_WEIGHT: u32 = 16;

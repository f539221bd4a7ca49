//! What is said to the client, and how it ends.

use guerrilla_smtp::{CloseReason, Waiting};

use super::Connection;
use crate::net::buffers::Buffers;
use crate::net::decided::fault_of_ours;
use crate::net::ended::Ended;
use crate::net::patience::Overstepped;

impl Connection {
    /// Writes all replies at once.
    pub(super) async fn flush(&mut self, buffers: &mut Buffers) -> Result<(), Ended> {
        if buffers.output.is_empty() {
            return Ok(());
        }
        self.acknowledged = false;
        self.server.tally().said(&buffers.output);
        let rest = buffers.unwritten();
        if !rest.is_empty() {
            let written = self.wire.write_now(rest).map_err(Ended::Failed)?;
            if written < rest.len() {
                Box::pin(self.write_slowly(&rest[written..])).await?;
            }
        }
        buffers.said();
        Ok(())
    }

    /// A client that reads its replies slowly must read as fast as it must send.
    async fn write_slowly(&mut self, rest: &[u8]) -> Result<(), Ended> {
        let patience = self.server.patience.for_reading(rest.len());
        match tokio::time::timeout(patience, self.wire.write_all(rest)).await {
            Ok(written) => written.map_err(Ended::Failed),
            Err(_) => {
                self.server.tally().overstepped(Overstepped::Idle);
                Err(Ended::Closed(CloseReason::TimedOut))
            }
        }
    }

    /// Says goodbye after a fault of ours. What was to be said before it is lost, and so is the transaction: nothing of it
    /// was acknowledged.
    pub(super) fn apologise(&mut self) {
        if matches!(self.session.waiting(), Waiting::Handshake) {
            // Words in the clear would be taken for a part of the handshake.
            return;
        }
        let mut out = Vec::new();
        self.session.disconnect(&fault_of_ours(), &mut out);
        // The client may be gone, or slow: that is no reason to do more.
        let _ = self.wire.write_now(&out);
    }

    /// Lets the last reply arrive. The end of the server waits for nobody who has had it.
    pub(super) async fn linger(&mut self) {
        tokio::select! {
            biased;
            () = self.wire.linger() => {}
            () = self.server.stop.begun() => {}
        }
    }
}

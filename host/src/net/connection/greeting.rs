//! The time before the greeting.

use std::io;
use std::pin::pin;

use super::Connection;
use crate::net::buffers::Buffers;
use crate::net::ended::Ended;

impl Connection {
    /// Holds the greeting back for a while, if so configured: who talks first is no mail server (RFC 5321 section 3.1).
    pub(super) async fn greet(&mut self, buffers: &mut Buffers) -> Result<(), Ended> {
        let Some(delay) = self.server.greet_delay else { return Ok(()) };
        let mut over = pin!(tokio::time::sleep(delay));
        loop {
            buffers.lend();
            let silent = tokio::select! {
                biased;
                ready = self.wire.readable() => ready.map(|()| false).map_err(Ended::Failed)?,
                () = self.server.stop.begun() => true,
                () = &mut over => true,
            };
            buffers.have();
            if silent {
                return Ok(());
            }
            match self.wire.try_read(buffers.room()) {
                Ok(0) => return Err(Ended::ClientGone),
                Ok(read) => {
                    buffers.filled(read);
                    self.session.early_talker(&mut buffers.output);
                    return Ok(());
                }
                // Readiness is a hint. To take it for silence would greet whoever it was too soon.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Ended::Failed(error)),
            }
        }
    }
}

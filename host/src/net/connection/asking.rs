//! The answer of the pipeline, and the one that is ours.

use guerrilla_smtp::replies::TOO_BUSY;
use tokio::time::Instant;

use super::Connection;
use crate::mail::Client;
use crate::net::buffers::Buffers;
use crate::net::decided::Decided;
use crate::net::dialogue::Told;

impl Connection {
    /// Has the session make of it what it means for the client.
    pub(super) fn answer(&mut self, told: &Told, buffers: &mut Buffers) {
        buffers.have();
        self.notice_the_end(buffers);
        self.session.answer(told.answer(), &mut buffers.output);
        // Ours was that time: neither is the client too slow for it, nor has its next body begun.
        self.progressed = true;
        self.received = 0;
        self.patience.body_is_over();
    }

    /// A proxy speaks for this client from here on: what a network may have of our places, its clients have, and not the proxy.
    pub(super) fn admit_another(&mut self, client: &Client) -> Decided {
        let Some(remote) = client.remote else {
            self.permit.leave_network();
            return Decided::Accept;
        };
        match self.permit.is_for(remote.ip(), Instant::now().into_std()) {
            Ok(()) => Decided::Accept,
            Err(why) => {
                self.server.tally().away(why);
                let (session, ip) = (&client.session, &client.remote_ip);
                tracing::warn!(%session, "{}: {ip} was turned away: {why}", self.server.listener);
                Decided::Disconnect(TOO_BUSY.clone())
            }
        }
    }

    /// The server may have begun to end while nobody listened: what has been pipelined behind a message is not to begin another.
    fn notice_the_end(&mut self, buffers: &mut Buffers) {
        if !self.stopping && self.server.stop.has_begun() {
            self.stopping = true;
            self.session.shutting_down(&mut buffers.output);
        }
    }
}

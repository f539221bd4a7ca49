//! The answer of the pipeline.

use super::Connection;
use crate::net::buffers::Buffers;
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

    /// The server may have begun to end while nobody listened: what has been pipelined behind a message is not to begin another.
    fn notice_the_end(&mut self, buffers: &mut Buffers) {
        if !self.stopping && self.server.stop.has_begun() {
            self.stopping = true;
            self.session.shutting_down(&mut buffers.output);
        }
    }
}

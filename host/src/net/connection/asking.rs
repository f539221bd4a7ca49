//! What the pipeline is asked, and what need not wait for its answer.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use guerrilla_plugin_abi::Phase;

use super::Connection;
use super::saying::say;
use crate::mail::Transaction;
use crate::net::buffers::Buffers;
use crate::net::ended::Ended;
use crate::net::server::Server;
use crate::net::wire::Wire;

impl Connection {
    /// Asks the pipeline, and has the session make of the answer what it means for the client.
    pub(super) async fn ask(
        &mut self,
        phase: Phase,
        txn: Box<Transaction>,
        buffers: &mut Buffers,
    ) -> (Box<Transaction>, Result<(), Ended>) {
        let (mut said, mut heard) = (Ok(()), None);
        let (txn, told) = {
            let Self { dialogue, wire, server, .. } = self;
            let mut asking = pin!(dialogue.ask(phase, txn));
            match poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await {
                Poll::Ready(told) => told,
                Poll::Pending => {
                    // A hundred clients whose mails are being stored would hold a hundred of them.
                    buffers.lend();
                    if buffers.output.is_empty() {
                        asking.await
                    } else {
                        heard = server.shown.watchers.any().then(|| buffers.output.clone());
                        let told;
                        (told, said) = Box::pin(speaking(server, wire, buffers, asking)).await;
                        told
                    }
                }
            }
        };
        if let Some(heard) = heard.filter(|_| buffers.output.is_empty()) {
            self.server.shown.watchers.said(&txn.client, &heard);
        }
        buffers.have();
        self.notice_the_end(buffers);
        self.session.answer(told.answer(), &mut buffers.output);
        // Ours was that time: neither is the client too slow for it, nor has its next body begun.
        self.progressed = true;
        self.received = 0;
        self.patience.body_is_over();
        (txn, said)
    }

    /// The server may have begun to end while nobody listened: what has been pipelined behind a message is not to begin another.
    fn notice_the_end(&mut self, buffers: &mut Buffers) {
        if !self.stopping && self.server.stop.has_begun() {
            self.stopping = true;
            self.session.shutting_down(&mut buffers.output);
        }
    }
}

/// Waits for the answer. What has been said before is held back for a moment only: it may be that a message is kept, and whoever
/// loses the connection before hearing of it sends that again (RFC 2920 section 3.2: nothing is held back when there is
/// nothing more to be read).
async fn speaking<T>(
    server: &Server,
    wire: &mut Wire,
    buffers: &mut Buffers,
    mut asking: Pin<&mut impl Future<Output = T>>,
) -> (T, Result<(), Ended>) {
    tokio::select! {
        biased;
        told = &mut asking => return (told, Ok(())),
        () = tokio::time::sleep(HELD_BACK) => {}
    }
    let said = say(server, wire, &mut buffers.output).await;
    buffers.lend();
    (asking.await, said)
}

/// How long replies wait to leave with those that come after them.
const HELD_BACK: Duration = Duration::from_millis(100);

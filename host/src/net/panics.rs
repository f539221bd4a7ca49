//! A panic of ours while a client is let in or served ends that connection and nothing else.
//!
//! Processors do not get here: their panics are caught at the border. This is for what we have overlooked ourselves.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls a future; `Err` with the panic's words if it panics, and then it may only be dropped.
pub(super) fn poll_caught<F: Future>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<Result<F::Output, String>> {
    // What the future holds is dropped with it; what it shares with other sessions (locks, pools) is poison-proof.
    match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(words(&*payload))),
    }
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("for a reason that is no text").to_owned()
}

/// Where tests have a connection panic.
#[cfg(test)]
pub(super) fn trip(word: &str) {
    assert!(!tests::TRIPWIRES.contains(&word), "the tripwire");
}

#[cfg(test)]
mod tests;

//! Which log a line belongs to: a server's own, if the server whose client is being served has one.
//!
//! A future that serves a client is wrapped ([`Route::of`]); while it runs, lines of its thread go to the server's
//! log. Without a log of its own a server costs nothing.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;
use tracing_appender::non_blocking::NonBlocking;

use super::output::Output;

/// Where the lines of a server's clients go; by default where the daemon's go.
#[derive(Clone, Default)]
pub(crate) struct Route(Option<Arc<Own>>);

/// A log of a server's own; without an output its lines go nowhere.
struct Own(Option<Arc<Output>>);

impl Route {
    /// To this output.
    pub(super) fn to(output: Option<Arc<Output>>) -> Self {
        Self(Some(Arc::new(Own(output))))
    }

    /// The one that lines of this thread go by now.
    pub(crate) fn current() -> Self {
        CURRENT.with(|current| {
            let route = current.take();
            current.set(route.clone());
            Self(route)
        })
    }

    /// Lines that this future causes go this way.
    pub(crate) fn of<F: Future>(&self, future: F) -> Routed<F> {
        Routed { route: self.0.clone(), future: Box::pin(future) }
    }

    /// Begins a task whose lines go the way of the caller's. A task without a log of its own is not boxed for it.
    pub(crate) fn spawn<T: Send + 'static>(
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let route = Self::current();
        if route.is_usual() { tokio::spawn(task) } else { tokio::spawn(route.of(task)) }
    }

    /// Whether lines go where the daemon's do.
    pub(crate) fn is_usual(&self) -> bool {
        self.0.is_none()
    }
}

/// A future whose lines go to a log of its own.
pub(crate) struct Routed<F> {
    route: Option<Arc<Own>>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Routed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _visit = Visit(CURRENT.replace(self.route.clone()));
        self.future.as_mut().poll(cx)
    }
}

/// Puts back what was there before, also when a poll panics.
struct Visit(Option<Arc<Own>>);

impl Drop for Visit {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// The queue for a line of this thread: that of its route, or the one given.
pub(super) fn queue(usual: Option<&Arc<Output>>) -> Option<NonBlocking> {
    CURRENT.with(|current| {
        let route = current.take();
        let output = route.as_ref().map_or(usual, |own| own.0.as_ref());
        let queue = output.map(|output| output.queue.clone());
        current.set(route);
        queue
    })
}

thread_local! {
    static CURRENT: Cell<Option<Arc<Own>>> = const { Cell::new(None) };
}

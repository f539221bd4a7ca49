//! An [`AsyncPlugin`] as a [`Plugin`].

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::AsyncPlugin;
use super::runtime::OwnRuntime;
use crate::held::Held;
use crate::host::{Host, Level};
use crate::panics::guard;
use crate::plugin::Plugin;
use crate::transaction::Transaction;
use crate::verdict::Verdict;
use crate::vocabulary::{Blocking, Event, Extension, Phase};

/// Makes a [`Plugin`] of an [`AsyncPlugin`]: this is what is exported and tested.
pub struct Async<P> {
    plugin: Arc<P>,
    host: Host,
    runtime: OwnRuntime,
}

impl<P: AsyncPlugin> Plugin for Async<P> {
    const NAME: &'static str = P::NAME;
    const ALIASES: &'static [&'static str] = P::ALIASES;
    const DESCRIPTION: &'static str = P::DESCRIPTION;
    const PHASES: &'static [Phase] = P::PHASES;
    const EVENTS: &'static [Event] = P::EVENTS;
    const AWAITS_SETTLED: bool = P::AWAITS_SETTLED;
    /// Of events, which are waited for. Questions only begin a task.
    const BLOCKING: Blocking = Blocking::Short;
    const NEVER_BLOCKS_IN: &'static [Phase] = P::PHASES;
    const HONOURS: &'static [Extension] = P::HONOURS;
    const CONFIG_SCHEMA: &'static str = P::CONFIG_SCHEMA;
    type Config = P::Config;

    fn create(host: Host, config: P::Config) -> Result<Self, String> {
        let plugin = Arc::new(P::create(host, config)?);
        Ok(Self { plugin, host, runtime: OwnRuntime::default() })
    }

    fn start(&self) -> Result<(), String> {
        self.runtime.start(P::NAME, self.plugin.threads())?;
        self.runtime.wait_for(self.plugin.start()).unwrap_or(Ok(()))
    }

    fn connect(&self, txn: Transaction<'_>) -> Verdict {
        self.question(Phase::Connect, txn)
    }

    fn helo(&self, txn: Transaction<'_>) -> Verdict {
        self.question(Phase::Helo, txn)
    }

    fn mail(&self, txn: Transaction<'_>) -> Verdict {
        self.question(Phase::Mail, txn)
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        self.question(Phase::Rcpt, txn)
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        self.question(Phase::Save, txn)
    }

    fn opened(&self, txn: Transaction<'_>) {
        self.runtime.wait_for(self.plugin.opened(txn));
    }

    fn closed(&self, txn: Transaction<'_>) {
        self.runtime.wait_for(self.plugin.closed(txn));
    }

    fn settled(&self, txn: Transaction<'_>) -> Verdict {
        if !P::AWAITS_SETTLED {
            return self.runtime.wait_for(self.plugin.settled(txn)).unwrap_or(Verdict::DEFER);
        }
        self.later(Asked::Settled, txn)
    }

    /// Waits for the tasks under way. Those that are not done in time are cancelled by `stop`.
    fn drain(&self, deadline_ms: u64) {
        self.runtime.wait_until_idle(Duration::from_millis(deadline_ms));
    }

    fn stop(&self) {
        self.runtime.wait_for(self.plugin.stop());
        self.runtime.stop();
    }
}

impl<P: AsyncPlugin> Async<P> {
    fn question(&self, phase: Phase, txn: Transaction<'_>) -> Verdict {
        self.later(Asked::Phase(phase), txn)
    }

    fn later(&self, asked: Asked, txn: Transaction<'_>) -> Verdict {
        let Some(held) = txn.hold() else { return Verdict::DEFER };
        // Without a runtime the task is dropped, and so is what it holds: deferred.
        self.runtime.spawn(answer(Arc::clone(&self.plugin), self.host, asked, held));
        Verdict::PENDING
    }
}

/// What the client waits for.
#[derive(Clone, Copy)]
enum Asked {
    Phase(Phase),
    /// An awaited `settled`.
    Settled,
}

impl Asked {
    fn name(self) -> &'static str {
        match self {
            Self::Phase(phase) => phase.name(),
            Self::Settled => Event::Settled.name(),
        }
    }
}

/// A question as a task.
async fn answer<P: AsyncPlugin>(plugin: Arc<P>, host: Host, asked: Asked, mut held: Held) {
    match guarded(host, ask(&*plugin, asked, &mut held)).await {
        Ok(verdict) => held.complete(verdict),
        Err(what) => {
            let text = format!("panicked in {}: {what}", asked.name());
            held.log(Level::Error, format_args!("{text}"));
            held.panicked(&text);
        }
    }
}

async fn ask<P: AsyncPlugin>(plugin: &P, asked: Asked, held: &mut Held) -> Verdict {
    match asked {
        Asked::Phase(Phase::Connect) => plugin.connect(held).await,
        Asked::Phase(Phase::Helo) => plugin.helo(held).await,
        Asked::Phase(Phase::Mail) => plugin.mail(held).await,
        Asked::Phase(Phase::Rcpt) => plugin.rcpt(held).await,
        Asked::Phase(Phase::Save) => plugin.save(held).await,
        Asked::Settled => plugin.settled(held.transaction()).await,
    }
}

/// Guards every step of a future.
async fn guarded<T>(host: Host, future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    poll_fn(|context| match guard(host, || future.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
        Err(what) => Poll::Ready(Err(what)),
    })
    .await
}

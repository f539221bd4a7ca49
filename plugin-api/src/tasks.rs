//! Processors that wait for others without holding a thread: `async` hooks on a runtime of the plugin's own.

use std::future::Future;

use serde::de::DeserializeOwned;

use crate::held::Held;
use crate::host::Host;
use crate::transaction::Transaction;
use crate::verdict::Verdict;
use crate::vocabulary::{Event, Extension, Phase};

mod adapter;
mod runtime;

pub use adapter::Async;

/// A processor whose hooks are `async` and run on a tokio runtime that the plugin owns (feature `tokio`).
///
/// Each question becomes a task, so a thousand clients may wait for an answer from the network at the cost of one thread.
/// The runtime starts before [`AsyncPlugin::start`] and ends after [`AsyncPlugin::stop`]; tokio's timers and sockets
/// work in every hook but `create`. Enable what you use (`net`, `macros`, ...) in your own dependency on tokio 1.
///
/// A task that panics or is cancelled defers its message. The host waits until its deadline
/// ([`Transaction::deadline_ms`]) only, and does not cancel what runs on: an answer that comes later is
/// logged, and for `save` undone through `settled`.
///
/// Everything else is as with [`Plugin`](crate::Plugin), where the items without a word of their own are explained. Implement the
/// hooks as `async fn`; it is exported as `export_plugin!(Async<Lookup>)`.
///
/// ```
/// use guerrilla_plugin_api::{Async, AsyncPlugin, Held, Host, NoConfig, Phase, Reply, Verdict, export_plugin};
///
/// struct Tarpit;
///
/// impl AsyncPlugin for Tarpit {
///     const NAME: &'static str = "Tarpit";
///     const PHASES: &'static [Phase] = &[Phase::Helo];
///     type Config = NoConfig;
///
///     fn create(_host: Host, _config: NoConfig) -> Result<Self, String> {
///         Ok(Self)
///     }
///
///     async fn helo(&self, held: &mut Held) -> Verdict {
///         if held.transaction().helo().is_some_and(|name| name.contains('.')) {
///             return Verdict::CONTINUE;
///         }
///         // No thread waits here, and no other client.
///         tokio::time::sleep(std::time::Duration::from_millis(20)).await;
///         Verdict::reject(Reply::new(550, "5.7.1", "That is no host name"))
///     }
/// }
///
/// export_plugin!(Async<Tarpit>);
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use guerrilla_plugin_api::testkit::{Harness, Session};
///
/// let tarpit = Harness::<Async<Tarpit>>::new("{}")?;
/// let refused = tarpit.connect(Session::new().helo("localhost"));
/// assert_eq!(refused.answer().code(), Some(550));
/// # Ok(())
/// # }
/// ```
///
/// # What may live across an `.await`
///
/// Tasks move between threads. A [`Transaction`] taken from the [`Held`] and the texts it lends may live across an
/// `.await`. A [`Recipient`](crate::Recipient) may not, and the compiler says that the future is not `Send`: it reads
/// through a transaction that it shares, and only one thread at a time may read that. Take the address from it first;
/// that is a text like any other.
pub trait AsyncPlugin: Send + Sync + Sized + 'static {
    /// Name in a chain; matched in any case.
    const NAME: &'static str;
    /// Other names it answers to.
    const ALIASES: &'static [&'static str] = &[];
    /// One line for operators.
    const DESCRIPTION: &'static str = "";
    /// The questions it answers.
    const PHASES: &'static [Phase];
    /// The facts it wants to be told.
    const EVENTS: &'static [Event] = &[];
    /// As [`Plugin::AWAITS_SETTLED`](crate::Plugin::AWAITS_SETTLED).
    const AWAITS_SETTLED: bool = false;
    /// As [`Plugin::HONOURS`](crate::Plugin::HONOURS).
    const HONOURS: &'static [Extension] = &[];
    /// JSON Schema of its configuration. An object: its `properties` are the keys that operators may write.
    const CONFIG_SCHEMA: &'static str = r#"{"type":"object","properties":{}}"#;

    /// Its configuration, as with [`Plugin::Config`](crate::Plugin::Config).
    type Config: DeserializeOwned;

    /// As [`Plugin::create`](crate::Plugin::create). The runtime does not run yet.
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    fn create(host: Host, config: Self::Config) -> Result<Self, String>;

    /// Threads of the runtime. More than one pays off where answers take long to compute.
    fn threads(&self) -> usize {
        1
    }

    /// As [`Plugin::start`](crate::Plugin::start).
    ///
    /// # Errors
    /// One line that names what could not be opened and why.
    fn start(&self) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }

    /// As [`Plugin::connect`](crate::Plugin::connect).
    fn connect(&self, _held: &mut Held) -> impl Future<Output = Verdict> + Send {
        async { Verdict::CONTINUE }
    }

    /// As [`Plugin::helo`](crate::Plugin::helo).
    fn helo(&self, _held: &mut Held) -> impl Future<Output = Verdict> + Send {
        async { Verdict::CONTINUE }
    }

    /// As [`Plugin::mail`](crate::Plugin::mail).
    fn mail(&self, _held: &mut Held) -> impl Future<Output = Verdict> + Send {
        async { Verdict::CONTINUE }
    }

    /// As [`Plugin::rcpt`](crate::Plugin::rcpt).
    fn rcpt(&self, _held: &mut Held) -> impl Future<Output = Verdict> + Send {
        async { Verdict::CONTINUE }
    }

    /// As [`Plugin::save`](crate::Plugin::save).
    fn save(&self, _held: &mut Held) -> impl Future<Output = Verdict> + Send {
        async { Verdict::CONTINUE }
    }

    /// As [`Plugin::opened`](crate::Plugin::opened). Events are lent, not held: a thread of the host's pool waits for them.
    fn opened(&self, _txn: Transaction<'_>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// As [`Plugin::closed`](crate::Plugin::closed).
    fn closed(&self, _txn: Transaction<'_>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// As [`Plugin::settled`](crate::Plugin::settled). A task like a question, if it is awaited.
    fn settled(&self, _txn: Transaction<'_>) -> impl Future<Output = Verdict> + Send {
        async { Verdict::CONTINUE }
    }

    /// Called last. Tasks that have not ended in time are cancelled afterwards.
    fn stop(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

#[cfg(test)]
mod tests;

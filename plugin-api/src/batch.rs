//! Processors that save many messages at once: group commit.

use std::time::Duration;
use std::vec;

use serde::de::DeserializeOwned;

use crate::held::Held;
use crate::host::Host;
use crate::transaction::Transaction;
use crate::verdict::Verdict;
use crate::vocabulary::{Blocking, Event, Extension, Phase};

mod adapter;
mod queue;

pub use adapter::Batched;

/// A processor that saves all messages that wait in one go: one `fsync`, one `INSERT`, one pipeline for many.
///
/// Its `save` never blocks a connection: the messages queue up, and a thread of the plugin's own hands over whatever waits.
/// There is no delay to tune. While one batch is written, those who arrive form the next, so a quiet server
/// writes batches of one at once, and a busy one writes few large ones. Of several [`writers`](Self::writers) another begins when
/// there is a [`backlog`](Self::backlog).
///
/// Everything else is as with [`Plugin`](crate::Plugin), where the items without a word of their own are explained. It is exported as
/// `export_plugin!(Batched<Store>)`.
///
/// ```
/// use std::fs::File;
/// use std::io::Write;
/// use std::sync::Mutex;
///
/// use guerrilla_plugin_api::{Batch, Batched, BatchPlugin, Host, Transaction, Verdict, export_plugin};
///
/// #[derive(serde::Deserialize)]
/// struct Config {
///     journal_file: String,
/// }
///
/// struct Journal {
///     host: Host,
///     path: String,
///     file: Mutex<Option<File>>,
/// }
///
/// impl BatchPlugin for Journal {
///     const NAME: &'static str = "Journal";
///     const CONFIG_SCHEMA: &'static str = r#"{
///         "type": "object",
///         "required": ["journal_file"],
///         "properties": { "journal_file": { "type": "string" } }
///     }"#;
///     type Config = Config;
///
///     fn create(host: Host, config: Config) -> Result<Self, String> {
///         Ok(Self { host, path: config.journal_file, file: Mutex::default() })
///     }
///
///     fn start(&self) -> Result<(), String> {
///         let file = File::options().create(true).append(true).open(&self.path);
///         *self.file.lock().unwrap() = Some(file.map_err(|e| format!("journal_file: {e}"))?);
///         Ok(())
///     }
///
///     fn save_batch(&self, mut batch: Batch) {
///         let mut file = self.file.lock().unwrap();
///         let Some(file) = file.as_mut() else { return };
///         // What cannot be written alone does not spoil the others.
///         batch.retain(|txn| write(file, &txn).map_err(|_| Verdict::DEFER));
///         match file.sync_data() {
///             Ok(()) => batch.complete(|| Verdict::CONTINUE),
///             // Whatever is dropped is deferred: the clients will try again.
///             Err(e) => self.host.error(format_args!("journal_file: {e}")),
///         }
///     }
/// }
///
/// fn write(file: &mut File, txn: &Transaction<'_>) -> std::io::Result<()> {
///     txn.message().try_for_each(|piece| file.write_all(piece))
/// }
///
/// export_plugin!(Batched<Journal>);
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use guerrilla_plugin_api::testkit::{Harness, Mail};
///
/// # let path = std::env::temp_dir().join(format!("journal-{}", std::process::id()));
/// let config = serde_json::json!({ "journal_file": path });
/// let journal = Harness::<Batched<Journal>>::new(config)?;
/// assert!(journal.deliver(Mail::new().body("Hello.\r\n")).is_accepted());
/// assert_eq!(std::fs::read(&path)?, b"\r\nHello.\r\n");
/// # std::fs::remove_file(&path)?;
/// # Ok(())
/// # }
/// ```
pub trait BatchPlugin: Send + Sync + Sized + 'static {
    /// Name in a chain; matched in any case.
    const NAME: &'static str;
    /// Other names it answers to.
    const ALIASES: &'static [&'static str] = &[];
    /// One line for operators.
    const DESCRIPTION: &'static str = "";
    /// The questions it answers. [`Phase::Save`] must be among them.
    const PHASES: &'static [Phase] = &[Phase::Save];
    /// The facts it wants to be told.
    const EVENTS: &'static [Event] = &[];
    /// As [`Plugin::AWAITS_SETTLED`](crate::Plugin::AWAITS_SETTLED).
    const AWAITS_SETTLED: bool = false;
    /// Whether messages are settled together too: [`settled_batch`](Self::settled_batch) is called instead of
    /// [`settled`](Self::settled). Needs [`AWAITS_SETTLED`](Self::AWAITS_SETTLED).
    const SETTLES_BATCHES: bool = false;
    /// How the hooks other than `save_batch` use their thread.
    const BLOCKING: Blocking = Blocking::Short;
    /// Phases whose hook never waits although [`BatchPlugin::BLOCKING`] says otherwise. `save` is always one of them.
    const NEVER_BLOCKS_IN: &'static [Phase] = &[];
    /// As [`Plugin::HONOURS`](crate::Plugin::HONOURS).
    const HONOURS: &'static [Extension] = &[];
    /// JSON Schema of its configuration. An object: its `properties` are the keys that operators may write.
    const CONFIG_SCHEMA: &'static str = r#"{"type":"object","properties":{}}"#;

    /// Its configuration, as with [`Plugin::Config`](crate::Plugin::Config).
    type Config: DeserializeOwned;

    /// As [`Plugin::create`](crate::Plugin::create).
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    fn create(host: Host, config: Self::Config) -> Result<Self, String>;

    /// As [`Plugin::start`](crate::Plugin::start); the writers start afterwards.
    ///
    /// # Errors
    /// One line that names what could not be opened and why.
    fn start(&self) -> Result<(), String> {
        Ok(())
    }

    /// Most messages of one batch.
    fn max_batch(&self) -> usize {
        256
    }

    /// Threads that write batches side by side, and as many that settle them. More than one pays off where a store takes
    /// several writers.
    fn writers(&self) -> usize {
        1
    }

    /// What has to wait while writers are at work before another begins. With few messages and little time batches are many and
    /// small, as suits a store that takes long for each message, such as files that are synced; the more of its time goes to the way
    /// there and back, the larger they had better be.
    fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    /// Saves all that waits, up to [`max_batch`](Self::max_batch). Each message is completed on its own, in any order; what is dropped is deferred, so a plain
    /// `return` on an error loses nothing. May block: it has a thread of its own. After a panic here the messages
    /// not completed yet are deferred and the next batch comes as usual.
    fn save_batch(&self, batch: Batch);

    /// As [`Plugin::connect`](crate::Plugin::connect).
    fn connect(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// As [`Plugin::helo`](crate::Plugin::helo).
    fn helo(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// As [`Plugin::mail`](crate::Plugin::mail).
    fn mail(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// As [`Plugin::rcpt`](crate::Plugin::rcpt).
    fn rcpt(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// As [`Plugin::opened`](crate::Plugin::opened).
    fn opened(&self, _txn: Transaction<'_>) {}

    /// As [`Plugin::closed`](crate::Plugin::closed).
    fn closed(&self, _txn: Transaction<'_>) {}

    /// As [`Plugin::settled`](crate::Plugin::settled).
    fn settled(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// The end of the chain for all messages that wait to be told, with [`SETTLES_BATCHES`](Self::SETTLES_BATCHES): some
    /// are accepted ([`Transaction::is_accepted`]) and to be committed, the others to be undone. Their clients wait, so
    /// what is prepared in `save_batch` becomes durable here, in one go: many renames, one `fsync` of their directory.
    ///
    /// As in `save_batch` each is completed on its own; what is dropped, or in hand when this panics, is deferred. It
    /// has a thread of its own, so one batch is settled while the next is saved.
    ///
    /// ```
    /// # use std::sync::Mutex;
    /// # use guerrilla_plugin_api::*;
    /// # #[derive(Default)]
    /// # struct Example {
    /// #     prepared: Mutex<Vec<String>>,
    /// #     kept: Mutex<Vec<String>>,
    /// # }
    /// # impl Example {
    /// #     fn prepare(&self, txn: &Transaction<'_>) { self.prepared.lock().unwrap().push(txn.queued_id().to_owned()); }
    /// #     fn forget(&self, id: &str) { self.prepared.lock().unwrap().retain(|known| known != id); }
    /// #     fn rename(&self, id: &str) -> Result<(), Verdict> {
    /// #         self.forget(id);
    /// #         self.kept.lock().unwrap().push(id.to_owned());
    /// #         Ok(())
    /// #     }
    /// #     fn sync_directory(&self) -> std::io::Result<()> { Ok(()) }
    /// # }
    /// impl BatchPlugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     type Config = NoConfig;
    /// #     fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self::default()) }
    ///     const EVENTS: &'static [Event] = &[Event::Settled];
    ///     const AWAITS_SETTLED: bool = true;
    ///     const SETTLES_BATCHES: bool = true;
    ///
    ///     fn save_batch(&self, mut batch: Batch) {
    ///         batch.transactions().for_each(|txn| self.prepare(&txn));
    ///         batch.complete(|| Verdict::CONTINUE);
    ///     }
    ///
    ///     fn settled_batch(&self, mut batch: Batch) {
    ///         batch.retain(|txn| match txn.is_accepted() {
    ///             true => self.rename(txn.queued_id()),
    ///             false => Ok(self.forget(txn.queued_id())),
    ///         });
    ///         // What is dropped is deferred.
    ///         if self.sync_directory().is_ok() {
    ///             batch.complete(|| Verdict::CONTINUE);
    ///         }
    ///     }
    /// }
    /// # fn main() -> Result<(), String> {
    /// # let example = testkit::Harness::<Batched<Example>>::new("{}")?;
    /// # assert!(example.deliver(testkit::Mail::new()).is_accepted());
    /// # Ok(())
    /// # }
    /// ```
    fn settled_batch(&self, batch: Batch) {
        for mut held in batch {
            let verdict = self.settled(held.transaction());
            held.complete(verdict);
        }
    }

    /// Called last, when the writers have ended; also when [`start`](Self::start) has done its part and the system gives no thread
    /// for a writer.
    fn stop(&self) {}
}

/// What is worth one writer more, [`BatchPlugin::backlog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// So many messages that wait for each writer at work.
    pub messages: usize,
    /// Or any that has waited for so long: how long one that hangs holds others up.
    pub time: Duration,
}

impl Default for Backlog {
    /// Two messages; half a millisecond, which is less than a disk takes for a sync or a database for a commit.
    fn default() -> Self {
        Self { messages: 2, time: Duration::from_micros(500) }
    }
}

/// Messages to be saved together; never empty when it is handed over.
///
/// It is a collection of [`Held`]: iterate over it by value to complete each in its own way, or use [`Batch::retain`]
/// and [`Batch::complete`]. Dropping it defers what is left in it.
pub struct Batch {
    mails: Vec<Held>,
}

impl Batch {
    pub(crate) fn new(mails: Vec<Held>) -> Self {
        Self { mails }
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.mails.len()
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.mails.is_empty()
    }

    /// All transactions, to be read and set side by side.
    pub fn transactions(&mut self) -> impl ExactSizeIterator<Item = Transaction<'_>> {
        self.mails.iter_mut().map(Held::transaction)
    }

    /// Does something for each message. One for which it fails is completed with the verdict given and leaves
    /// the batch.
    pub fn retain(&mut self, mut each: impl FnMut(Transaction<'_>) -> Result<(), Verdict>) {
        let mails = std::mem::take(&mut self.mails);
        self.mails.reserve_exact(mails.len());
        for mut held in mails {
            match each(held.transaction()) {
                Ok(()) => self.mails.push(held),
                Err(verdict) => held.complete(verdict),
            }
        }
    }

    /// Gives all that is left the same verdict.
    pub fn complete(self, verdict: impl Fn() -> Verdict) {
        self.mails.into_iter().for_each(|held| held.complete(verdict()));
    }
}

impl IntoIterator for Batch {
    type Item = Held;
    type IntoIter = vec::IntoIter<Held>;

    fn into_iter(self) -> Self::IntoIter {
        self.mails.into_iter()
    }
}

#[cfg(test)]
mod tests;

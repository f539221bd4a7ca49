//! The trait that a processor implements.

use serde::de::DeserializeOwned;

use crate::host::Host;
use crate::transaction::Transaction;
use crate::verdict::Verdict;
use crate::vocabulary::{Blocking, Event, Extension, Phase};

/// A processor: one stage that operators name in a chain.
///
/// The constants describe it to hosts and operators without running it; they end up in the file's
/// manifest. The hooks are called from several threads at once, so state lives behind `&self` in atomics
/// or locks. Only the hooks named in [`Plugin::PHASES`] and [`Plugin::EVENTS`] are called.
///
/// The life of an instance: [`create`](Plugin::create) (check the configuration, touch nothing),
/// [`start`](Plugin::start) (open what is needed), hooks, [`drain`](Plugin::drain), [`stop`](Plugin::stop), drop.
pub trait Plugin: Send + Sync + Sized + 'static {
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
    /// Whether the client's reply waits for [`Plugin::settled`]: for a stage that prepares in `save` and commits there. The
    /// compiler sees to it that both are asked for:
    ///
    /// ```compile_fail,E0080
    /// # use guerrilla_plugin_api::{Event, Host, NoConfig, Phase, Plugin, export_plugin};
    /// # struct Forgetful;
    /// impl Plugin for Forgetful {
    ///     const PHASES: &'static [Phase] = &[Phase::Save];
    ///     const AWAITS_SETTLED: bool = true; // and no Event::Settled in EVENTS
    /// #     const NAME: &'static str = "Forgetful";
    /// #     type Config = NoConfig;
    /// #     fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
    /// }
    /// export_plugin!(Forgetful);
    /// ```
    const AWAITS_SETTLED: bool = false;
    /// How its hooks use the thread they are called on. Claim [`Blocking::Never`] only for hooks that never wait.
    const BLOCKING: Blocking = Blocking::Short;
    /// Phases whose hook never waits although [`Plugin::BLOCKING`] says otherwise: a lookup in a table at `rcpt`, say,
    /// of a processor that writes at `save`. They are spared the way through a pool.
    const NEVER_BLOCKS_IN: &'static [Phase] = &[];
    /// ESMTP extensions whose requests it fulfils: clients are offered them when a stage of the save chain says so.
    const HONOURS: &'static [Extension] = &[];
    /// JSON Schema of its configuration. An object: its `properties` are the keys that operators may write. A key with
    /// `"writeOnly": true` is a secret, which `guerrillad config show` masks. Where a string is wanted operators may write
    /// `{"file": ...}` or `{"env": ...}`, and the processor gets the string; where only an object is, it gets that. A secret is
    /// best read into a [`Secret`](crate::Secret).
    ///
    /// A key with `"format": "file"` is the name of a file that [`create`](Plugin::create) or [`start`](Plugin::start) reads
    /// (authorities, a certificate, a key): when the file has changed, a reload of the host makes a new instance, though the
    /// settings are the same. Leave it out for files that the processor looks at itself while it runs.
    const CONFIG_SCHEMA: &'static str = r#"{"type":"object","properties":{}}"#;

    /// Its configuration, as serde reads it; use [`NoConfig`] for none. Keys of other processors are
    /// in the same object, so unknown ones must be let pass.
    type Config: DeserializeOwned;

    /// Makes an instance. Must have no effects: it is also run to check a configuration.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// #[derive(serde::Deserialize)]
    /// struct Config {
    ///     #[serde(default = "ten")]
    ///     most_recipients: usize,
    /// }
    ///
    /// fn ten() -> usize {
    ///     10
    /// }
    /// # struct Example {
    /// #     most: usize,
    /// # }
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[Phase::Rcpt];
    /// #     const CONFIG_SCHEMA: &'static str = r#"{"type":"object","properties":{"most_recipients":{}}}"#;
    /// #     type Config = Config;
    ///
    /// fn create(_host: Host, config: Config) -> Result<Self, String> {
    ///     if config.most_recipients == 0 {
    ///         return Err("most_recipients: is 0, which refuses everybody; write at least 1".to_owned());
    ///     }
    ///     Ok(Self { most: config.most_recipients })
    /// }
    /// #     fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
    /// #         if txn.recipients().len() > self.most { Verdict::DEFER } else { Verdict::CONTINUE }
    /// #     }
    /// # }
    /// # fn main() {
    /// assert!(Harness::<Example>::new("{}").is_ok());
    /// let error = Harness::<Example>::new(r#"{ "most_recipients": 0 }"#).err();
    /// assert!(error.is_some_and(|line| line.starts_with("most_recipients: is 0")));
    /// # }
    /// ```
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    fn create(host: Host, config: Self::Config) -> Result<Self, String>;

    /// Opens what the hooks need: directories, connections, threads. What is begun here ends in [`Plugin::stop`].
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # use std::sync::mpsc;
    /// # type Worker = (mpsc::Sender<String>, std::thread::JoinHandle<()>);
    /// # struct Example {
    /// #     host: Host,
    /// #     worker: std::sync::Mutex<Option<Worker>>,
    /// # }
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[];
    /// #     const EVENTS: &'static [Event] = &[Event::Opened];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { Ok(Self { host, worker: Default::default() }) }
    /// fn start(&self) -> Result<(), String> {
    ///     let (work, orders) = mpsc::channel::<String>();
    ///     let host = self.host;
    ///     let thread = host.spawn("example", move || {
    ///         // Ends when the sender is dropped.
    ///         for order in orders {
    ///             host.info(format_args!("done: {order}"));
    ///         }
    ///     });
    ///     let thread = thread.map_err(|error| format!("no thread: {error}"))?;
    ///     *self.worker.lock().unwrap() = Some((work, thread));
    ///     Ok(())
    /// }
    ///
    /// fn opened(&self, txn: Transaction<'_>) {
    ///     if let Some((work, _)) = &*self.worker.lock().unwrap() {
    ///         // It waits for us only, so it is there.
    ///         let _ = work.send(txn.remote_ip().to_owned());
    ///     }
    /// }
    ///
    /// fn stop(&self) {
    ///     if let Some((work, thread)) = self.worker.lock().unwrap().take() {
    ///         drop(work);
    ///         // A panic of it is in the log already.
    ///         let _ = thread.join();
    ///     }
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// example.connect(Session::new());
    /// example.stop();
    /// assert!(example.has_logged("done: 192.0.2.1"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// One line that names what could not be opened and why.
    fn start(&self) -> Result<(), String> {
        Ok(())
    }

    /// A client has connected; nothing was sent yet.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # struct Example;
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[Phase::Connect];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
    /// fn connect(&self, txn: Transaction<'_>) -> Verdict {
    ///     if txn.remote_ip().starts_with("203.0.113.") {
    ///         return Verdict::disconnect(Reply::new(554, "5.7.1", "Not from there"));
    ///     }
    ///     Verdict::CONTINUE
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// let client = example.connect(Session::new().remote_ip("203.0.113.9"));
    /// assert_eq!(client.answer().code(), Some(554));
    /// # Ok(())
    /// # }
    /// ```
    fn connect(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// HELO, EHLO or LHLO was given.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # struct Example;
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[Phase::Helo];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
    /// fn helo(&self, mut txn: Transaction<'_>) -> Verdict {
    ///     // A note of the session is there for all of its messages, and for every stage.
    ///     let local = txn.helo().is_some_and(|name| name.ends_with(".lan"));
    ///     if local && txn.set_note(Scope::Session, "example.local", b"yes").is_err() {
    ///         return Verdict::DEFER;
    ///     }
    ///     Verdict::CONTINUE
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// let mut client = example.connect(Session::new().helo("printer.lan"));
    /// let mail = client.begin(Mail::new());
    /// assert_eq!(mail.note(Scope::Session, "example.local"), Some(b"yes".to_vec()));
    /// # Ok(())
    /// # }
    /// ```
    fn helo(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// MAIL was given.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # struct Example;
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[Phase::Mail];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
    /// fn mail(&self, txn: Transaction<'_>) -> Verdict {
    ///     match txn.sender_domain() {
    ///         Some("invalid.example") => Verdict::REJECT,
    ///         // The null reverse-path has no domain: a report of a failed delivery.
    ///         _ => Verdict::CONTINUE,
    ///     }
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// assert!(example.deliver(Mail::new().from("a@invalid.example")).is_rejected());
    /// assert!(example.deliver(Mail::new().from("")).is_accepted());
    /// # Ok(())
    /// # }
    /// ```
    fn mail(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// RCPT was given: the last recipient is the one in question.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # struct Example;
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[Phase::Rcpt];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
    /// fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
    ///     let Some(recipient) = txn.recipients().next_back() else { return Verdict::CONTINUE };
    ///     match recipient.local_part() {
    ///         "nobody" => Verdict::reject(Reply::new(550, "5.1.1", "No such mailbox")),
    ///         _ => Verdict::CONTINUE,
    ///     }
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// let mail = Mail::new().to("nobody@example.net").to("b@example.net");
    /// let delivery = example.deliver(mail);
    /// assert!(delivery.is_accepted(), "for the others");
    /// assert_eq!(delivery.refused[0].1.code(), Some(550));
    /// # Ok(())
    /// # }
    /// ```
    fn rcpt(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// The message is complete. `CONTINUE` says that this stage's part is done; a stage that stores says so
    /// only when the message is on stable storage, or prepared so that `settled` can commit it.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # struct Example;
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[Phase::Save];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
    /// fn save(&self, mut txn: Transaction<'_>) -> Verdict {
    ///     let folder = match txn.header("List-Id") {
    ///         Some(_) => "lists",
    ///         None => "inbox",
    ///     };
    ///     match txn.add_header("X-Folder", folder) {
    ///         Ok(()) => Verdict::CONTINUE,
    ///         Err(_) => Verdict::DEFER,
    ///     }
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// let delivery = example.deliver(Mail::new().header("List-Id", "<rust.example.org>"));
    /// assert_eq!(delivery.mail.header("X-Folder").as_deref(), Some("lists"));
    /// # Ok(())
    /// # }
    /// ```
    fn save(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// A connection was opened.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # struct Example {
    /// #     host: Host,
    /// # }
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[];
    /// #     const EVENTS: &'static [Event] = &[Event::Opened];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { Ok(Self { host }) }
    /// fn opened(&self, txn: Transaction<'_>) {
    ///     self.host.count("connections", 1);
    ///     self.host.debug(format_args!("{} from {}", txn.session_id(), txn.remote_ip()));
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// let client = example.connect(Session::new());
    /// assert_eq!(example.counter("connections"), 1);
    /// assert!(example.has_logged("from 192.0.2.1"));
    /// # Ok(())
    /// # }
    /// ```
    fn opened(&self, _txn: Transaction<'_>) {}

    /// A connection has ended.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # struct Example {
    /// #     host: Host,
    /// # }
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[];
    /// #     const EVENTS: &'static [Event] = &[Event::Closed];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { Ok(Self { host }) }
    /// fn closed(&self, txn: Transaction<'_>) {
    ///     self.host.observe("messages_per_connection", txn.messages() as f64);
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// let mut client = example.connect(Session::new());
    /// for _ in 0..2 {
    ///     client.deliver(Mail::new());
    /// }
    /// drop(client);
    /// assert_eq!(example.histogram("messages_per_connection"), [2.0]);
    /// # Ok(())
    /// # }
    /// ```
    fn closed(&self, _txn: Transaction<'_>) {}

    /// The save chain has come to its end: [`Transaction::is_accepted`] tells which. Called for each stage
    /// whose `save` was called, in order, also after a failure or a timeout, so that what was prepared can
    /// be committed or undone. It is never called while `save` still runs for the same message.
    ///
    /// With [`Plugin::AWAITS_SETTLED`] the client's reply waits for it, and anything but [`Verdict::CONTINUE`] turns an
    /// acceptance into a temporary failure (with the verdict's reply, if that is a 4xx). It may also take
    /// [`Transaction::hold`] and answer later; to commit many messages in one go implement [`BatchPlugin`](crate::BatchPlugin).
    /// Without, nobody hears the answer, and the transaction cannot be held.
    /// Recipients that other stages have refused ([`Recipient::is_refused`](crate::Recipient::is_refused)) are told so;
    /// nothing should be kept for them.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # #[derive(Default)]
    /// # struct Example {
    /// #     prepared: std::sync::Mutex<Vec<String>>,
    /// #     kept: std::sync::Mutex<Vec<String>>,
    /// # }
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[Phase::Save];
    /// #     const EVENTS: &'static [Event] = &[Event::Settled];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { let _ = host; Ok(Self::default()) }
    /// #     const AWAITS_SETTLED: bool = true;
    /// fn save(&self, txn: Transaction<'_>) -> Verdict {
    ///     self.prepared.lock().unwrap().push(txn.queued_id().to_owned());
    ///     Verdict::CONTINUE
    /// }
    ///
    /// fn settled(&self, txn: Transaction<'_>) -> Verdict {
    ///     let mut prepared = self.prepared.lock().unwrap();
    ///     let Some(place) = prepared.iter().position(|id| id == txn.queued_id()) else {
    ///         return Verdict::DEFER;
    ///     };
    ///     let id = prepared.swap_remove(place);
    ///     if txn.is_accepted() {
    ///         self.kept.lock().unwrap().push(id);
    ///     }
    ///     Verdict::CONTINUE
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// let mut mail = example.begin(Mail::new());
    /// assert_eq!(mail.ask(Phase::Save), Verdict::CONTINUE);
    /// // Another stage has refused the message: nothing is kept, and nothing is left.
    /// assert_eq!(mail.settle(&Verdict::REJECT), Verdict::CONTINUE);
    /// assert_eq!(mail.settle(&Verdict::CONTINUE), Verdict::DEFER);
    /// # Ok(())
    /// # }
    /// ```
    fn settled(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// No more questions will come; finish what is in hand within so many milliseconds. Only who answers later
    /// ([`Transaction::hold`]) or works behind the reply's back has anything to do here.
    ///
    /// ```
    /// # use guerrilla_plugin_api::*;
    /// # use guerrilla_plugin_api::testkit::*;
    /// # use std::sync::{Condvar, Mutex};
    /// # use std::time::Duration;
    /// # struct Example {
    /// #     host: Host,
    /// #     in_hand: Mutex<usize>,
    /// #     done: Condvar,
    /// # }
    /// # impl Plugin for Example {
    /// #     const NAME: &'static str = "Example";
    /// #     const PHASES: &'static [Phase] = &[Phase::Save];
    /// #     type Config = NoConfig;
    /// #     fn create(host: Host, _: NoConfig) -> Result<Self, String> {
    /// #         Ok(Self { host, in_hand: Mutex::default(), done: Condvar::new() })
    /// #     }
    /// fn drain(&self, deadline_ms: u64) {
    ///     let in_hand = self.in_hand.lock().unwrap();
    ///     let most = Duration::from_millis(deadline_ms);
    ///     let waited = self.done.wait_timeout_while(in_hand, most, |in_hand| *in_hand > 0);
    ///     let (in_hand, _) = waited.unwrap();
    ///     // What is still in hand is deferred when its `Held` is dropped.
    ///     self.host.info(format_args!("drained, {in_hand} left"));
    /// }
    /// # }
    /// # fn main() -> Result<(), String> {
    /// let example = Harness::<Example>::new("{}")?;
    /// example.drain(1000);
    /// assert!(example.has_logged("drained, 0 left"));
    /// # Ok(())
    /// # }
    /// ```
    fn drain(&self, _deadline_ms: u64) {}

    /// Called last. Threads of the plugin must have ended when it returns.
    fn stop(&self) {}
}

/// The configuration of a processor that has none.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
pub struct NoConfig {}

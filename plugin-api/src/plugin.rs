//! The trait that a processor implements. The example of each hook is a file of its own beside this one (`plugin/`), which
//! rustdoc shows with it and runs.

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
    /// settings are the same. Leave it out for files that the processor looks at itself while it runs. Where such names are
    /// parameters of a URL, list those: `"x-files-in-query": ["ssl-ca"]` for `mysql://host/database?ssl-ca=/path`.
    const CONFIG_SCHEMA: &'static str = r#"{"type":"object","properties":{}}"#;

    /// Its configuration, as serde reads it; use [`NoConfig`] for none. Keys of other processors are
    /// in the same object, so unknown ones must be let pass.
    type Config: DeserializeOwned;

    /// Makes an instance. Must have no effects: it is also run to check a configuration.
    ///
    #[doc = include_str!("plugin/create.md")]
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    fn create(host: Host, config: Self::Config) -> Result<Self, String>;

    /// Opens what the hooks need: directories, connections, threads. What is begun here ends in [`Plugin::stop`].
    ///
    #[doc = include_str!("plugin/start.md")]
    ///
    /// # Errors
    /// One line that names what could not be opened and why.
    fn start(&self) -> Result<(), String> {
        Ok(())
    }

    /// A client has connected; nothing was sent yet.
    ///
    #[doc = include_str!("plugin/connect.md")]
    fn connect(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// HELO, EHLO or LHLO was given.
    ///
    #[doc = include_str!("plugin/helo.md")]
    fn helo(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// MAIL was given.
    ///
    #[doc = include_str!("plugin/mail.md")]
    fn mail(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// RCPT was given: the last recipient is the one in question.
    ///
    #[doc = include_str!("plugin/rcpt.md")]
    fn rcpt(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// The message is complete. `CONTINUE` says that this stage's part is done; a stage that stores says so
    /// only when the message is on stable storage, or prepared so that `settled` can commit it.
    ///
    #[doc = include_str!("plugin/save.md")]
    fn save(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// A connection was opened.
    ///
    #[doc = include_str!("plugin/opened.md")]
    fn opened(&self, _txn: Transaction<'_>) {}

    /// A connection has ended.
    ///
    #[doc = include_str!("plugin/closed.md")]
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
    #[doc = include_str!("plugin/settled.md")]
    fn settled(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// No more questions will come; finish what is in hand within so many milliseconds. Only who answers later
    /// ([`Transaction::hold`]) or works behind the reply's back has anything to do here.
    ///
    #[doc = include_str!("plugin/drain.md")]
    fn drain(&self, _deadline_ms: u64) {}

    /// Called last. Threads of the plugin must have ended when it returns.
    fn stop(&self) {}
}

/// The configuration of a processor that has none.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
pub struct NoConfig {}

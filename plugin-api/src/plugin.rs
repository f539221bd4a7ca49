//! The trait that a processor implements.

use serde::de::DeserializeOwned;

use crate::host::Host;
use crate::transaction::Transaction;
use crate::verdict::Verdict;

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
    /// Whether the client's reply waits for [`Plugin::settled`]: for a stage that prepares in `save` and commits there.
    const AWAITS_SETTLED: bool = false;
    /// How its hooks use the thread they are called on. Claim [`Blocking::Never`] only for hooks that never wait.
    const BLOCKING: Blocking = Blocking::Short;
    /// Phases whose hook never waits although [`Plugin::BLOCKING`] says otherwise: a lookup in a table at `rcpt`, say,
    /// of a processor that writes at `save`. They are spared the way through a pool.
    const NEVER_BLOCKS_IN: &'static [Phase] = &[];
    /// ESMTP extensions whose requests it fulfils: clients are offered them when a stage of the save chain says so.
    const HONOURS: &'static [Extension] = &[];
    /// JSON Schema of its configuration. An object: its `properties` are the keys that operators may write.
    const CONFIG_SCHEMA: &'static str = r#"{"type":"object","properties":{}}"#;

    /// Its configuration, as serde reads it; use [`NoConfig`] for none. Keys of other processors are
    /// in the same object, so unknown ones must be let pass.
    type Config: DeserializeOwned;

    /// Makes an instance. Must have no effects: it is also run to check a configuration.
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    fn create(host: Host, config: Self::Config) -> Result<Self, String>;

    /// Opens what the hooks need: directories, connections, threads.
    ///
    /// # Errors
    /// One line that names what could not be opened and why.
    fn start(&self) -> Result<(), String> {
        Ok(())
    }

    /// A client has connected; nothing was sent yet.
    fn connect(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// HELO, EHLO or LHLO was given.
    fn helo(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// MAIL was given.
    fn mail(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// RCPT was given: the last recipient is the one in question.
    fn rcpt(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// The message is complete. `CONTINUE` says that this stage's part is done; a stage that stores says so
    /// only when the message is on stable storage, or prepared so that `settled` can commit it.
    fn save(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// A connection was opened.
    fn opened(&self, _txn: Transaction<'_>) {}

    /// A connection has ended.
    fn closed(&self, _txn: Transaction<'_>) {}

    /// The save chain has come to its end: [`Transaction::is_accepted`] tells which. Called for each stage
    /// whose `save` was called, in order, also after a failure or a timeout, so that what was prepared can
    /// be committed or undone. It is never called while `save` still runs for the same message.
    ///
    /// With [`Plugin::AWAITS_SETTLED`] the client's reply waits for it, and anything but [`Verdict::CONTINUE`] turns an
    /// acceptance into a temporary failure (with the verdict's reply, if that is a 4xx). Without, nobody hears the answer.
    /// Recipients that other stages have refused ([`Recipient::is_refused`](crate::Recipient::is_refused)) are told so;
    /// nothing should be kept for them.
    fn settled(&self, _txn: Transaction<'_>) -> Verdict {
        Verdict::CONTINUE
    }

    /// No more questions will come; finish what is in hand within so many milliseconds.
    fn drain(&self, _deadline_ms: u64) {}

    /// Called last. Threads of the plugin must have ended when it returns.
    fn stop(&self) {}
}

/// The questions a processor can be asked, in the order of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// [`Plugin::connect`], configured as `connect_process`.
    Connect,
    /// [`Plugin::helo`], configured as `helo_process`.
    Helo,
    /// [`Plugin::mail`], configured as `mail_process`.
    Mail,
    /// [`Plugin::rcpt`], configured as `validate_process`.
    Rcpt,
    /// [`Plugin::save`], configured as `save_process`.
    Save,
}

impl Phase {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Helo => "helo",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Save => "save",
        }
    }
}

/// The facts a processor can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// [`Plugin::opened`].
    Opened,
    /// [`Plugin::closed`].
    Closed,
    /// [`Plugin::settled`].
    Settled,
}

impl Event {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Settled => "settled",
        }
    }
}

/// What a client may ask for beyond taking the message, and a processor must do for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Delivery status notifications as asked for by NOTIFY, RET, ENVID and ORCPT (RFC 3461).
    Dsn,
    /// No hop without TLS from here on (RFC 8689).
    RequireTls,
}

impl Extension {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dsn => "dsn",
            Self::RequireTls => "requiretls",
        }
    }
}

/// How a processor's hooks use the thread they are called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// They return within microseconds, and are called on the connection's own thread.
    Never,
    /// They wait for a disk or a near service, and are called on a bounded pool.
    Short,
    /// They may wait for seconds.
    Long,
}

impl Blocking {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Short => "short",
            Self::Long => "long",
        }
    }
}

/// The configuration of a processor that has none.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
pub struct NoConfig {}

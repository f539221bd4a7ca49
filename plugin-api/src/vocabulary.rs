//! The words in which processors speak of sessions, of themselves and of what they leave.

use guerrilla_plugin_abi as abi;

/// The questions a processor can be asked, in the order of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// [`Plugin::connect`](crate::Plugin::connect), configured as `connect_process`.
    Connect,
    /// [`Plugin::helo`](crate::Plugin::helo), configured as `helo_process`.
    Helo,
    /// [`Plugin::mail`](crate::Plugin::mail), configured as `mail_process`.
    Mail,
    /// [`Plugin::rcpt`](crate::Plugin::rcpt), configured as `validate_process`.
    Rcpt,
    /// [`Plugin::save`](crate::Plugin::save), configured as `save_process`.
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

    pub(crate) const fn number(self) -> abi::Phase {
        match self {
            Self::Connect => abi::Phase::CONNECT,
            Self::Helo => abi::Phase::HELO,
            Self::Mail => abi::Phase::MAIL,
            Self::Rcpt => abi::Phase::RCPT,
            Self::Save => abi::Phase::SAVE,
        }
    }
}

/// The facts a processor can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// [`Plugin::opened`](crate::Plugin::opened).
    Opened,
    /// [`Plugin::closed`](crate::Plugin::closed).
    Closed,
    /// [`Plugin::settled`](crate::Plugin::settled).
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

    pub(crate) const fn number(self) -> abi::Event {
        match self {
            Self::Opened => abi::Event::OPENED,
            Self::Closed => abi::Event::CLOSED,
            Self::Settled => abi::Event::SETTLED,
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

/// How long a note lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Until the transaction ends.
    Mail,
    /// Until the connection ends.
    Session,
}

impl Scope {
    pub(crate) const fn number(self) -> abi::Scope {
        match self {
            Self::Mail => abi::Scope::MAIL,
            Self::Session => abi::Scope::SESSION,
        }
    }
}

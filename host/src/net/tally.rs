//! What a server has done since the daemon began, in numbers. They outlive its reloads.
//!
//! Each thread counts in a [`cell`] of its own; whoever wants to know adds them up ([`Totals`]).

mod cell;
mod said;

use std::time::Duration;

use guerrilla_smtp::{COMMANDS, CloseReason, CommandCounts};

use super::admission::TurnedAway;
use super::ended::Ended;
use super::patience::Overstepped;
use super::tls::HandshakeError;
use crate::mail::TlsFacts;
use crate::observe::cells::PerThread;
use crate::pipeline::{Kind, Times};
use cell::{CODES, Cell, FIRST_CODE};

/// The figures of one server.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    cells: PerThread<Cell>,
}

impl Tally {
    /// A message of so many bytes has its answer.
    pub(super) fn message(&self, kind: Kind, bytes: usize, took: Duration) {
        let cell = self.cell();
        cell.messages[place(&VERDICTS, &kind)].add(1);
        cell.took.record(took);
        if kind == Kind::Accept {
            cell.bytes.add(bytes as u64);
        }
    }

    /// There was no place for a client.
    pub(super) fn away(&self, why: TurnedAway) {
        let cell = self.cell();
        cell.turned_away.add(1);
        match why {
            TurnedAway::Full => cell.limit(Limit::Clients),
            TurnedAway::NetworkFull => cell.limit(Limit::ClientsPerIp),
            TurnedAway::TooOften => cell.limit(Limit::ConnectsPerMinute),
            TurnedAway::Ending => {}
        }
    }

    /// Commands that have come.
    pub(super) fn heard(&self, commands: &CommandCounts) {
        let cell = self.cell();
        for (count, more) in cell.commands.iter().zip(commands).filter(|(_, more)| **more > 0) {
            count.add(u64::from(*more));
        }
    }

    /// Replies that are going out, in the form they have on the wire.
    pub(super) fn said(&self, replies: &[u8]) {
        let cell = self.cell();
        for reply in said::replies(replies) {
            if let Some(count) = cell.replies.get(usize::from(reply.code.wrapping_sub(FIRST_CODE)))
            {
                count.add(1);
            }
            if let Some(limit) = reply.limit() {
                cell.limit(limit);
            }
        }
    }

    /// A client has taken longer than it may.
    pub(super) fn overstepped(&self, what: Overstepped) {
        self.cell().limit(match what {
            Overstepped::Idle => Limit::Timeout,
            Overstepped::Session => Limit::SessionTimeout,
            Overstepped::Rate => Limit::DataRate,
        });
    }

    /// A handshake has come to its end.
    pub(super) fn handshake(&self, facts: Option<&TlsFacts>, error: Option<&HandshakeError>) {
        let cell = self.cell();
        match error {
            Some(HandshakeError::Stopping) => {}
            Some(HandshakeError::TimedOut) => cell.handshakes_failed[0].add(1),
            Some(HandshakeError::Failed(error)) => {
                let protocol = error.kind() == std::io::ErrorKind::InvalidData;
                cell.handshakes_failed[if protocol { 1 } else { 2 }].add(1);
            }
            None => {
                let version = facts.map_or("", |facts| &facts.version);
                cell.handshakes[usize::from(version == TLS_VERSIONS[1])].add(1);
            }
        }
    }

    /// A connection has come to its end.
    pub(super) fn closed(&self, ended: &Ended) {
        let cell = self.cell();
        cell.closed[reason(ended)].add(1);
        match ended {
            Ended::Closed(CloseReason::TooManyErrors) => cell.limit(Limit::Errors),
            Ended::Closed(CloseReason::TooManyMessages) => cell.limit(Limit::Messages),
            _ => {}
        }
    }

    /// All of it, added up.
    pub(crate) fn read(&self) -> Totals {
        let mut totals = Totals::default();
        for cell in self.cells.iter() {
            cell.add_to(&mut totals);
        }
        totals
    }

    /// The cell of this thread.
    fn cell(&self) -> &Cell {
        self.cells.mine()
    }
}

/// The figures of a server at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    messages: [u64; VERDICTS.len()],
    /// Bytes of the messages that were accepted.
    pub(crate) bytes: u64,
    /// Clients for whom there was no place.
    pub(crate) turned_away: u64,
    commands: [u64; COMMANDS.len()],
    replies: Box<[u64; CODES]>,
    limits: [u64; LIMITS.len()],
    closed: [u64; REASONS.len()],
    handshakes: [u64; TLS_VERSIONS.len()],
    handshakes_failed: [u64; TLS_FAILURES.len()],
    /// How long the answers to whole messages have taken.
    pub(crate) took: Times,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            messages: Default::default(),
            bytes: 0,
            turned_away: 0,
            commands: Default::default(),
            replies: Box::new([0; CODES]),
            limits: Default::default(),
            closed: Default::default(),
            handshakes: Default::default(),
            handshakes_failed: Default::default(),
            took: Times::none(),
        }
    }
}

/// A name and how often.
pub(crate) type Named = (&'static str, u64);

impl Totals {
    /// Messages by verdict.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Named> {
        VERDICTS.iter().map(|(_, name)| *name).zip(self.messages)
    }

    /// Commands by verb.
    pub(crate) fn commands(&self) -> impl Iterator<Item = Named> {
        COMMANDS.into_iter().zip(self.commands)
    }

    /// Replies by code; only those that were given.
    pub(crate) fn replies(&self) -> impl Iterator<Item = (u16, u64)> {
        (FIRST_CODE..).zip(self.replies.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// How often which limit was met, by its key in the configuration.
    pub(crate) fn limits(&self) -> impl Iterator<Item = Named> {
        LIMITS.iter().map(|(_, name)| *name).zip(self.limits)
    }

    /// How connections have ended.
    pub(crate) fn closed(&self) -> impl Iterator<Item = Named> {
        REASONS.into_iter().zip(self.closed)
    }

    /// Handshakes that were done, by version.
    pub(crate) fn handshakes(&self) -> impl Iterator<Item = Named> {
        TLS_VERSIONS.into_iter().zip(self.handshakes)
    }

    /// Handshakes that were not, by cause.
    pub(crate) fn handshakes_failed(&self) -> impl Iterator<Item = Named> {
        TLS_FAILURES.into_iter().zip(self.handshakes_failed)
    }
}

/// What has become of a message, as the figures call it.
pub(super) fn verdict(kind: Kind) -> &'static str {
    VERDICTS[place(&VERDICTS, &kind)].1
}

/// What a client may come up against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Clients,
    ClientsPerIp,
    ConnectsPerMinute,
    Errors,
    Messages,
    Recipients,
    Size,
    Memory,
    Timeout,
    SessionTimeout,
    DataRate,
}

const LIMITS: [(Limit, &str); 11] = [
    (Limit::Clients, "max_clients"),
    (Limit::ClientsPerIp, "max_clients_per_ip"),
    (Limit::ConnectsPerMinute, "max_connects_per_minute"),
    // max_unrecognised, too: the client hears the same.
    (Limit::Errors, "max_errors"),
    (Limit::Messages, "max_messages"),
    (Limit::Recipients, "max_rcpt"),
    (Limit::Size, "max_size"),
    (Limit::Memory, "max_memory"),
    (Limit::Timeout, "timeout"),
    (Limit::SessionTimeout, "session_timeout"),
    (Limit::DataRate, "min_data_rate"),
];

const VERDICTS: [(Kind, &str); 5] = [
    (Kind::Accept, "accepted"),
    (Kind::Defer, "deferred"),
    (Kind::Reject, "rejected"),
    (Kind::Discard, "discarded"),
    (Kind::Disconnect, "refused"),
];

const TLS_VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

const TLS_FAILURES: [&str; 3] = ["timeout", "protocol", "connection"];

const REASONS: [&str; 10] = [
    "quit",
    "gone",
    "failed",
    "handshake",
    "timeout",
    "errors",
    "limit",
    "refused",
    "shutdown",
    "panic",
];

/// Its place in [`REASONS`].
fn reason(ended: &Ended) -> usize {
    match ended {
        Ended::Closed(CloseReason::Quit) => 0,
        Ended::ClientGone => 1,
        Ended::Failed(_) => 2,
        Ended::Handshake(_) => 3,
        Ended::Closed(CloseReason::TimedOut) => 4,
        Ended::Closed(
            CloseReason::TooManyErrors
            | CloseReason::DataBehindStartTls
            | CloseReason::EarlyTalker
            | CloseReason::OutOfStep,
        ) => 5,
        Ended::Closed(
            CloseReason::TooManyMessages | CloseReason::TooMuchData | CloseReason::TooBusy,
        ) => 6,
        Ended::Closed(CloseReason::Disconnected) => 7,
        Ended::Closed(CloseReason::ShuttingDown) => 8,
        Ended::Panicked => 9,
    }
}

fn place<T: PartialEq>(table: &[(T, &str)], wanted: &T) -> usize {
    table.iter().position(|(own, _)| own == wanted).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_have_counted_is_added_up() {
        let tally = Tally::default();
        let mut commands = CommandCounts::default();
        commands[1] = 3;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    tally.heard(&commands);
                    tally.said(b"250-mail.example\r\n250 SIZE\r\n250 2.1.0 OK\r\n");
                    tally.message(Kind::Accept, 10, Duration::from_millis(2));
                    tally.away(TurnedAway::NetworkFull);
                });
            }
        });
        let totals = tally.read();
        assert_eq!(totals.commands().find(|(name, _)| *name == "mail"), Some(("mail", 12)));
        assert_eq!(totals.replies().collect::<Vec<_>>(), [(250, 8)]);
        assert_eq!((totals.bytes, totals.turned_away, totals.took.count()), (40, 4, 4));
        assert!(totals.limits().any(|limit| limit == ("max_clients_per_ip", 4)));
        assert_eq!(totals.messages().next(), Some(("accepted", 4)));
    }

    #[test]
    fn every_limit_has_its_place() {
        for (index, (limit, name)) in LIMITS.iter().enumerate() {
            assert_eq!(*limit as usize, index, "{name}");
        }
    }
}

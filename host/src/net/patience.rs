//! How long a client may take.
//!
//! Silence is not the only way to hold a place: a byte every ten seconds is never silent. So a command must be whole within the
//! time-out, however many bytes it comes in; a body must come at a minimal rate; and a session has an end.
//!
//! Time is an argument. The caller sets one timer to [`Patience::due`] and asks again when it rings, so that no
//! timer is set for each read.

use std::time::Duration;

use tokio::time::Instant;

use crate::config;

/// What is known of one client's pace.
#[derive(Debug)]
pub(super) struct Patience {
    limits: Limits,
    /// When the session began.
    opened: Instant,
    /// When the last whole command or piece of a body came.
    progress: Instant,
    /// When the body that is coming in began, and the bytes of it.
    body: Option<(Instant, u64)>,
}

/// What a client has not kept to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overstepped {
    /// `timeout`.
    Idle,
    /// `session_timeout`.
    Session,
    /// `min_data_rate`.
    Rate,
}

/// The bounds of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For one command, one reply, one piece of a body (`timeout`).
    pub(super) idle: Duration,
    /// For the whole session (`session_timeout`).
    session: Duration,
    /// Bytes a second that a body must come at (`min_data_rate`).
    rate: u64,
}

impl Limits {
    pub(super) fn of(server: &config::Server) -> Self {
        Self { idle: server.timeout, session: server.session_timeout, rate: server.min_data_rate }
    }

    /// How long a client may take to read so many bytes of replies.
    pub(super) fn for_reading(&self, bytes: usize) -> Duration {
        self.idle + Duration::from_secs(bytes as u64 / READING_RATE)
    }
}

impl Patience {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self { limits, opened: now, progress: now, body: None }
    }

    /// How long the session has lasted.
    pub(super) fn lasted(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }

    /// The session has taken something in.
    pub(super) fn progressed(&mut self, now: Instant) {
        self.progress = now;
    }

    /// Bytes of a body have come; none when no body is coming in.
    pub(super) fn body(&mut self, bytes: Option<u64>, now: Instant) {
        self.body = match (bytes, self.body) {
            (None, _) => None,
            (Some(bytes), Some((since, before))) => Some((since, before + bytes)),
            (Some(bytes), None) => Some((now, bytes)),
        };
    }

    /// No body is coming in any more; the next has a time of its own.
    pub(super) fn body_is_over(&mut self) {
        self.body = None;
    }

    /// The earliest moment at which it may be over.
    pub(super) fn due(&self, now: Instant) -> Instant {
        let idle = self.progress + self.limits.idle;
        let session = self.opened + self.limits.session;
        // A session that is over its time is waited for, in small steps, until its message is complete.
        let session = if session > now { session } else { now + CHECK };
        // A body may begin before the timer rings, and must not be too slow for longer than this.
        let due = idle.min(session).min(now + BODY_GRACE);
        match self.body {
            Some((since, _)) => due.min((since + BODY_GRACE).max(now + CHECK)),
            None => due,
        }
    }

    /// Whether the client has had its time, and by which limit. A message in hand may be finished beyond the end of the
    /// session, but not for ever.
    pub(super) fn over(&self, in_transaction: bool, now: Instant) -> Option<Overstepped> {
        let session = if in_transaction { self.limits.session * 2 } else { self.limits.session };
        if now >= self.progress + self.limits.idle {
            Some(Overstepped::Idle)
        } else if now >= self.opened + session {
            Some(Overstepped::Session)
        } else {
            self.is_body_too_slow(now).then_some(Overstepped::Rate)
        }
    }

    fn is_body_too_slow(&self, now: Instant) -> bool {
        let Some((since, bytes)) = self.body else { return false };
        let taken = now.saturating_duration_since(since);
        taken >= BODY_GRACE && bytes < self.limits.rate.saturating_mul(taken.as_secs())
    }
}

/// Bytes a second at which a client must read its replies: they are few, and it has asked for them.
const READING_RATE: u64 = 16 * 1024;

/// How long the rate of a body may be anything.
const BODY_GRACE: Duration = Duration::from_secs(30);

/// How often to look again where a client is near a limit.
const CHECK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(now: Instant) -> Patience {
        let second = Duration::from_secs;
        Patience::new(Limits { idle: second(30), session: second(600), rate: 100 }, now)
    }

    impl Patience {
        fn is_over(&self, in_transaction: bool, now: Instant) -> bool {
            self.over(in_transaction, now).is_some()
        }
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn bytes_without_a_whole_command_are_no_progress() {
        let start = Instant::now();
        let mut patience = patience(start);
        assert!(!patience.is_over(false, at(start, 29)));
        assert!(patience.is_over(false, at(start, 30)));
        patience.progressed(at(start, 29));
        assert!(!patience.is_over(false, at(start, 30)));
        assert_eq!(patience.due(at(start, 29)), at(start, 59));
    }

    #[test]
    fn a_body_must_come_at_the_rate() {
        let start = Instant::now();
        let mut patience = patience(start);
        patience.body(Some(0), start);
        for second in 1..=60 {
            patience.body(Some(99), at(start, second));
            patience.progressed(at(start, second));
            let over = (second >= 30).then_some(Overstepped::Rate);
            assert_eq!(patience.over(true, at(start, second)), over, "{second}");
        }
        patience.body(None, at(start, 61));
        assert!(!patience.is_over(true, at(start, 61)), "the next body has its own time");
        patience.body(Some(0), at(start, 62));
        assert_eq!(patience.due(at(start, 62)), at(start, 60 + 30));
        assert!(!patience.is_over(true, at(start, 70)));
    }

    #[test]
    fn a_session_ends_but_not_inside_a_message() {
        let start = Instant::now();
        let mut patience = patience(start);
        patience.progressed(at(start, 599));
        assert!(!patience.is_over(false, at(start, 599)));
        assert!(patience.is_over(false, at(start, 600)));
        assert!(!patience.is_over(true, at(start, 600)));
        patience.progressed(at(start, 1199));
        assert!(patience.is_over(true, at(start, 1200)));
    }
}

//! What is counted, by each thread for itself and added up at the end.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Counts and times of one thread, or of all.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Messages that the server took; by LMTP, for every recipient.
    pub accepted: u64,
    /// Messages that the server refused, at whatever command.
    pub refused: u64,
    /// Messages that were under way when the connection broke or the run ended.
    pub lost: u64,
    /// Octets of the messages that were taken.
    pub octets: u64,
    /// Connections that were greeted.
    pub opened: u64,
    /// Connections that could not be made.
    pub unreachable: u64,
    /// Connections that ended before QUIT was answered.
    pub broken: u64,
    /// Full handshakes of TLS.
    pub handshakes: u64,
    /// Handshakes that resumed a session.
    pub resumed: u64,
    /// Messages of open-loop mode that were due, and never begun.
    pub overdue: u64,
    /// Extensions that were wanted and that the server does not offer.
    pub not_offered: Vec<&'static str>,
    /// The first error, in words.
    pub first_error: Option<String>,
    /// When the first message was begun and the last one answered.
    pub span: Option<(Instant, Instant)>,
    /// From when a message was due to its last reply, in microseconds.
    pub latency: Histogram<u64>,
    /// From the connect to the reply to the last EHLO, in microseconds.
    pub greeting: Histogram<u64>,
    replies: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            accepted: 0,
            refused: 0,
            lost: 0,
            octets: 0,
            opened: 0,
            unreachable: 0,
            broken: 0,
            handshakes: 0,
            resumed: 0,
            overdue: 0,
            not_offered: Vec::new(),
            first_error: None,
            span: None,
            latency: microseconds(),
            greeting: microseconds(),
            replies: vec![0; 600],
        }
    }
}

impl Tally {
    /// A reply with this code has come.
    pub fn reply(&mut self, code: u16) {
        if let Some(count) = self.replies.get_mut(usize::from(code)) {
            *count += 1;
        }
    }

    /// Every code that has come, and how often.
    pub fn replies(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.replies.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// A message that was due at `due` has been answered.
    pub fn answered(&mut self, due: Instant, now: Instant) {
        self.latency.saturating_record(in_microseconds(now.saturating_duration_since(due)));
        self.stretch(due, now);
    }

    /// A session that was begun at `begun` has said all its hellos.
    pub fn greeted(&mut self, begun: Instant, now: Instant) {
        self.opened += 1;
        self.greeting.saturating_record(in_microseconds(now.saturating_duration_since(begun)));
        self.stretch(begun, now);
    }

    /// Keeps the first error: the others are usually its consequences.
    pub fn error(&mut self, what: impl FnOnce() -> String) {
        self.first_error.get_or_insert_with(what);
    }

    /// The server lacks an extension.
    pub fn not_offered(&mut self, keyword: &'static str) {
        if !self.not_offered.contains(&keyword) {
            self.not_offered.push(keyword);
        }
    }

    /// From the first to the last thing that was counted.
    pub fn elapsed(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first))
    }

    /// Adds what another thread has counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.accepted, other.accepted),
            (&mut self.refused, other.refused),
            (&mut self.lost, other.lost),
            (&mut self.octets, other.octets),
            (&mut self.opened, other.opened),
            (&mut self.unreachable, other.unreachable),
            (&mut self.broken, other.broken),
            (&mut self.handshakes, other.handshakes),
            (&mut self.resumed, other.resumed),
            (&mut self.overdue, other.overdue),
        ] {
            *mine += theirs;
        }
        for (mine, theirs) in self.replies.iter_mut().zip(&other.replies) {
            *mine += theirs;
        }
        // Both have the same bounds, so neither addition can fail.
        let _ = self.latency.add(&other.latency);
        let _ = self.greeting.add(&other.greeting);
        for keyword in &other.not_offered {
            self.not_offered(keyword);
        }
        if let Some(error) = &other.first_error {
            self.error(|| error.clone());
        }
        if let Some((first, last)) = other.span {
            self.stretch(first, last);
        }
    }

    fn stretch(&mut self, first: Instant, last: Instant) {
        let (begin, end) = self.span.get_or_insert((first, last));
        *begin = (*begin).min(first);
        *end = (*end).max(last);
    }
}

fn microseconds() -> Histogram<u64> {
    // One microsecond to ten minutes with three digits; the bounds are constants that the library accepts.
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("constant bounds")
}

fn in_microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_add_up() {
        let start = Instant::now();
        let (mut one, mut two) = (Tally::default(), Tally::default());
        one.reply(250);
        two.reply(250);
        two.reply(421);
        two.error(|| "broken".to_owned());
        one.answered(start, start + Duration::from_millis(1));
        two.answered(start, start + Duration::from_millis(9));
        one.add(&two);
        assert_eq!(one.replies().collect::<Vec<_>>(), [(250, 2), (421, 1)]);
        assert_eq!(one.latency.len(), 2);
        assert_eq!(one.elapsed(), Duration::from_millis(9));
        assert_eq!(one.first_error.as_deref(), Some("broken"));
    }

    #[test]
    fn a_reply_before_its_time_counts_as_at_once() {
        let (mut tally, now) = (Tally::default(), Instant::now());
        tally.answered(now + Duration::from_secs(1), now);
        assert_eq!(tally.latency.max(), 0);
    }
}

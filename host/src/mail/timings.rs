//! How long each stage has taken with a message, for the line that the log has about it.

use std::fmt::Write;
use std::time::Instant;

/// Milliseconds by stage, in the order in which they were asked: `Header:0.02,MailDir:3.10,commit:1.75`.
#[derive(Clone, Debug)]
pub struct Timings {
    since: Instant,
    text: String,
}

impl Timings {
    /// The first stage is about to be asked.
    pub fn begin() -> Box<Self> {
        Box::new(Self { since: Instant::now(), text: String::new() })
    }

    /// A stage has answered, and the next one is about to be asked.
    pub fn note(&mut self, stage: &str) {
        let now = Instant::now();
        let millis = (now - self.since).as_secs_f64() * 1e3;
        let comma = if self.text.is_empty() { "" } else { "," };
        // Writing into a string does not fail.
        let _ = write!(self.text, "{comma}{stage}:{millis:.2}");
        self.since = now;
    }

    /// All of them.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_in_their_order() {
        let mut timings = Timings::begin();
        timings.note("Header");
        timings.note("MailDir");
        let stages: Vec<_> =
            timings.as_str().split(',').filter_map(|s| s.split_once(':')).collect();
        assert_eq!(stages.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["Header", "MailDir"]);
        assert!(stages.iter().all(|(_, millis)| millis.parse::<f64>().is_ok()), "{stages:?}");
    }
}

//! The result, for people and as JSON.

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use serde_json::{Map, Value, json};

use crate::tally::Tally;

/// A tally, and what the client itself has used.
#[derive(Debug)]
pub struct Report<'a> {
    tally: &'a Tally,
    target: &'a str,
    client_cpu: f64,
}

impl<'a> Report<'a> {
    /// Of a run against `target`; to be made when the run is over, as it reads the process's CPU time.
    pub fn new(tally: &'a Tally, target: &'a str) -> Self {
        let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
        let used = getrusage(UsageWho::RUSAGE_SELF);
        let client_cpu =
            used.map_or(0.0, |used| seconds(used.user_time()) + seconds(used.system_time()));
        Self { tally, target, client_cpu }
    }

    /// One object; keys are only ever added.
    pub fn json(&self) -> Value {
        let tally = self.tally;
        let replies: Map<String, Value> =
            tally.replies().map(|(code, count)| (code.to_string(), count.into())).collect();
        json!({
            "target": self.target,
            "seconds": tally.elapsed().as_secs_f64(),
            "messages": { "accepted": tally.accepted, "refused": tally.refused, "lost": tally.lost, "overdue": tally.overdue },
            "messages_per_s": self.per_second(tally.accepted),
            "sessions_per_s": self.per_second(tally.opened),
            "octets": tally.octets,
            "mb_per_s": self.per_second(tally.octets) / 1e6,
            "latency_ms": times(&tally.latency),
            "greeting_ms": times(&tally.greeting),
            "connections": { "greeted": tally.opened, "unreachable": tally.unreachable, "broken": tally.broken },
            "tls": { "full": tally.handshakes, "resumed": tally.resumed },
            "replies": replies,
            "not_offered": tally.not_offered,
            "first_error": tally.first_error,
            "client_cpu_s": self.client_cpu,
            "client_cpu_s_per_10k": self.client_cpu_each(),
        })
    }

    /// A few lines.
    pub fn text(&self) -> String {
        let tally = self.tally;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<12}{value}");
        };
        line(
            "messages",
            format!(
                "{} accepted, {} refused, {} lost in {:.2} s",
                tally.accepted,
                tally.refused,
                tally.lost,
                tally.elapsed().as_secs_f64()
            ),
        );
        if tally.overdue > 0 {
            line("overdue", format!("{} messages were due and never begun", tally.overdue));
        }
        let rates = (self.per_second(tally.accepted), self.per_second(tally.octets) / 1e6);
        line("rate", format!("{:.0} messages/s, {:.1} MB/s", rates.0, rates.1));
        line("latency", spread(&tally.latency));
        line("greeting", spread(&tally.greeting));
        let sessions = self.per_second(tally.opened);
        line(
            "connections",
            format!(
                "{} greeted ({sessions:.0}/s), {} unreachable, {} broken",
                tally.opened, tally.unreachable, tally.broken
            ),
        );
        if tally.handshakes + tally.resumed > 0 {
            line("TLS", format!("{} full handshakes, {} resumed", tally.handshakes, tally.resumed));
        }
        let replies: Vec<_> =
            tally.replies().map(|(code, count)| format!("{code}: {count}")).collect();
        line("replies", replies.join(", "));
        for keyword in &tally.not_offered {
            line("note", format!("the server does not offer {keyword}: done without"));
        }
        if let Some(error) = &tally.first_error {
            line("first error", error.clone());
        }
        line(
            "this client",
            format!(
                "{:.2} s of CPU, {:.3} s per 10,000 messages",
                self.client_cpu,
                self.client_cpu_each()
            ),
        );
        text
    }

    /// 0, 1 or 2, as the help says.
    pub fn exit_status(&self) -> u8 {
        let tally = self.tally;
        if tally.opened == 0 {
            2
        } else {
            u8::from(tally.refused + tally.lost + tally.broken + tally.overdue > 0)
        }
    }

    fn per_second(&self, count: u64) -> f64 {
        let seconds = self.tally.elapsed().as_secs_f64();
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    }

    fn client_cpu_each(&self) -> f64 {
        let things =
            self.tally.accepted.max(if self.tally.accepted == 0 { self.tally.opened } else { 0 });
        if things > 0 { self.client_cpu * 1e4 / things as f64 } else { 0.0 }
    }
}

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

fn times(histogram: &Histogram<u64>) -> Value {
    let mut times = Map::new();
    for (name, quantile) in QUANTILES {
        times.insert(name.to_owned(), milliseconds(histogram.value_at_quantile(quantile)).into());
    }
    times.insert("max".to_owned(), milliseconds(histogram.max()).into());
    times.insert("mean".to_owned(), (histogram.mean() / 1e3).into());
    times.into()
}

fn spread(histogram: &Histogram<u64>) -> String {
    let quantiles = QUANTILES.map(|(name, quantile)| {
        format!("{name} {:.2}", milliseconds(histogram.value_at_quantile(quantile)))
    });
    format!("{}, max {:.2} ms", quantiles.join(", "), milliseconds(histogram.max()))
}

fn milliseconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64() * 1e3
}

//! From two reports to what happens in a second, and how long it takes.

use crate::admin::{Buckets, Server, Stage, Status};

/// Two reports, the earlier one first.
pub(super) struct Between<'a> {
    pub(super) before: Option<&'a Status>,
    pub(super) now: &'a Status,
}

/// How long something took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Latency {
    pub(super) count: u64,
    /// Seconds.
    pub(super) mean: f64,
    /// Bounds below which so many of a hundred are; none beyond the last.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

impl<'a> Between<'a> {
    /// Seconds from one to the other.
    fn elapsed(&self) -> Option<f64> {
        let elapsed = self.now.now - self.before?.now;
        (elapsed > 0.0).then_some(elapsed)
    }

    /// How fast a figure of all servers grows. 0 while there is but one report.
    pub(super) fn of_servers(&self, figure: impl Fn(&Server) -> u64) -> f64 {
        let sum = |status: &Status| status.servers.iter().map(&figure).sum::<u64>();
        self.rate(self.before.map(sum), sum(self.now))
    }

    /// The same for one server.
    pub(super) fn of_server(&self, server: &Server, figure: impl Fn(&Server) -> u64) -> f64 {
        self.rate(self.earlier(server).map(&figure), figure(server))
    }

    /// The same for one stage.
    pub(super) fn of_stage(&self, stage: &Stage, figure: impl Fn(&Stage) -> u64) -> f64 {
        self.rate(self.earlier_stage(stage).map(&figure), figure(stage))
    }

    /// The share of one core in use.
    pub(super) fn cpu(&self) -> f64 {
        match (self.before, self.elapsed()) {
            (Some(before), Some(elapsed)) => {
                ((self.now.cpu_seconds - before.cpu_seconds) / elapsed).max(0.0)
            }
            _ => 0.0,
        }
    }

    /// How long answers to messages have taken since the earlier report, or since the begin.
    pub(super) fn message_latency(&self, server: &Server) -> Latency {
        latency(self.earlier(server).map(|server| &server.times), &server.times)
    }

    /// How long calls of a stage have taken.
    pub(super) fn stage_latency(&self, stage: &Stage) -> Latency {
        latency(self.earlier_stage(stage).map(|stage| &stage.times), &stage.times)
    }

    fn earlier(&self, server: &Server) -> Option<&'a Server> {
        self.before?.servers.iter().find(|earlier| earlier.listener == server.listener)
    }

    fn earlier_stage(&self, stage: &Stage) -> Option<&'a Stage> {
        let key = |stage: &'_ Stage| {
            (stage.stage.clone(), stage.processor.clone(), stage.plugin.clone(), stage.generation)
        };
        self.before?.stages.iter().find(|earlier| key(earlier) == key(stage))
    }

    fn rate(&self, before: Option<u64>, now: u64) -> f64 {
        match (before, self.elapsed()) {
            (Some(before), Some(elapsed)) => now.saturating_sub(before) as f64 / elapsed,
            _ => 0.0,
        }
    }
}

/// What the buckets say of what came since `before`.
fn latency(before: Option<&Buckets>, now: &Buckets) -> Latency {
    let count = now.count.saturating_sub(before.map_or(0, |before| before.count));
    let sum = now.sum - before.map_or(0.0, |before| before.sum);
    if count == 0 {
        return Latency::default();
    }
    let earlier = |at: usize| before.and_then(|b| b.buckets.get(at)).map_or(0, |(_, count)| *count);
    let within = |share: f64| {
        let wanted = (count as f64 * share).ceil() as u64;
        let mut below = 0;
        let found = now.buckets.iter().enumerate().find(|(at, (_, count))| {
            below += count.saturating_sub(earlier(*at));
            below >= wanted
        });
        found.and_then(|(_, (bound, _))| *bound)
    };
    Latency { count, mean: sum / count as f64, p50: within(0.5), p99: within(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(counts: [u64; 3], sum: f64) -> Buckets {
        let bounds = [Some(0.001), Some(0.01), None];
        let buckets = bounds.into_iter().zip(counts).collect();
        Buckets { count: counts.iter().sum(), sum, buckets }
    }

    #[test]
    fn latencies_are_of_what_came_in_between() {
        let before = times([100, 0, 1], 50.0);
        let now = times([100, 99, 2], 51.0);
        let found = latency(Some(&before), &now);
        assert_eq!(found, Latency { count: 100, mean: 0.01, p50: Some(0.01), p99: Some(0.01) });
        assert_eq!(latency(None, &times([0, 0, 1], 80.0)).p50, None);
        assert_eq!(latency(Some(&now), &now), Latency::default());
    }

    #[test]
    fn rates_are_by_the_second() {
        let server = |connections_total| Server { connections_total, ..Server::default() };
        let report = |now, connections| Status {
            now,
            servers: vec![server(connections)],
            ..Status::default()
        };
        let (before, now) = (report(10.0, 100), report(12.0, 150));
        let both = Between { before: Some(&before), now: &now };
        assert!((both.of_servers(|server| server.connections_total) - 25.0).abs() < 1e-9);
        let one = Between { before: None, now: &now };
        assert!(one.of_servers(|server| server.connections_total).abs() < 1e-9);
        // A daemon that has been started anew counts from 0.
        let anew = Between { before: Some(&now), now: &report(14.0, 3) };
        assert!(anew.of_servers(|server| server.connections_total).abs() < 1e-9);
    }
}

//! The daemon at a glance, as JSON: what `guerrillad status`, `guerrillad top` and the page show. Counters count from the
//! daemon's begin; whoever wants rates asks twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::process::Process;
use super::state::{Daemon, since_1970};
use crate::net::Server;
use crate::pipeline::{Snapshot, Times, figures};

/// Servers, chains and what their stages have done.
pub(super) fn of(daemon: &Daemon) -> Value {
    let servers: Vec<Value> =
        daemon.servers.load().iter().map(|server| of_server(server)).collect();
    let stages: Vec<Value> = figures().iter().map(of_stage).collect();
    let reloads = daemon.reloads.read();
    let last = reloads.last.map(|last| json!({ "done": last.done, "at": last.at }));
    let unready = daemon.unready();
    let process = Process::now();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "now": since_1970().as_secs_f64(),
        "uptime": since_1970().saturating_sub(daemon.began).as_secs(),
        "ready": unready.is_none(),
        "unready": unready,
        "servers": servers,
        "chains": daemon.policy.load().pipeline.chains(),
        "stages": stages,
        "reloads": { "done": reloads.done, "refused": reloads.refused, "last": last },
        "memory": { "messages": daemon.budget.used(), "resident": process.resident },
        "cpu_seconds": process.cpu.as_secs_f64(),
        "files": { "open": process.files, "limit": process.most_files },
    })
}

fn of_server(server: &Server) -> Value {
    let totals = server.tally().read();
    json!({
        "listener": &*server.listener,
        "host_name": &*server.host_name,
        "connections": server.active(),
        "connections_total": server.served(),
        "turned_away": totals.turned_away,
        "bytes": totals.bytes,
        "messages": named(totals.messages()),
        "commands": named(totals.commands()),
        "replies": totals.replies().map(|(code, n)| (code.to_string(), n)).collect::<BTreeMap<_, _>>(),
        "limits": named(totals.limits()),
        "closed": named(totals.closed()),
        "tls": named(totals.handshakes()),
        "tls_failed": named(totals.handshakes_failed()),
        "times": of_times(&totals.took),
    })
}

fn of_stage(stage: &Snapshot) -> Value {
    let about = &stage.about;
    json!({
        "stage": about.stage,
        "processor": about.processor,
        "plugin": about.plugin,
        "version": about.file.map(|file| file.version.as_str()),
        "generation": about.generation,
        "calls": stage.total(),
        "faults": stage.faults.iter().map(|(_, count)| count).sum::<u64>(),
        "faults_by_kind": named(stage.faults.iter().copied()),
        "in_flight": stage.in_flight,
        "waiting": stage.waiting,
        "lost_workers": stage.lost_workers,
        "moved_to_pool": stage.moved_to_pool,
        "times": of_times(&stage.times),
    })
}

fn named(figures: impl Iterator<Item = (&'static str, u64)>) -> BTreeMap<&'static str, u64> {
    figures.collect()
}

/// `[upper bound in seconds, count]` by bucket; the last one has no bound.
fn of_times(times: &Times) -> Value {
    let buckets: Vec<Value> =
        times.buckets.iter().map(|(bound, n)| json!([bound.map(|b| b.as_secs_f64()), n])).collect();
    json!({ "count": times.count(), "sum": times.sum.as_secs_f64(), "buckets": buckets })
}

//! The daemon at a glance, as JSON: what `guerrillad status`, `guerrillad top` and the page show. Counters count from the
//! daemon's begin; whoever wants rates asks twice.

use std::collections::BTreeMap;

use guerrilla_plugin_abi::Phase;
use serde::{Deserialize, Serialize};

use super::process::Process;
use super::state::{Daemon, since_1970};
use crate::net;
use crate::pipeline::{Pipeline, Snapshot, Times, figures};

/// Servers, chains and what their stages have done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: u32,
    /// When this was asked, in seconds since 1970.
    pub(crate) now: f64,
    /// Seconds since the begin.
    pub(crate) uptime: u64,
    /// Whether mail is taken and kept.
    pub(crate) ready: bool,
    /// Why not.
    pub(crate) unready: Option<String>,
    pub(crate) servers: Vec<Server>,
    /// Names of stages by chain.
    pub(crate) chains: BTreeMap<String, Vec<String>>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) reloads: Reloads,
    pub(crate) memory: Memory,
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    pub(crate) files: Files,
}

/// Reloads by outcome.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reloads {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    pub(crate) last: Option<LastReload>,
}

/// The last one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LastReload {
    pub(crate) done: bool,
    /// Seconds since 1970.
    pub(crate) at: i64,
}

/// Bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Of messages on their way.
    pub(crate) messages: u64,
    /// Of the whole process.
    pub(crate) resident: u64,
}

/// Files and sockets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Files {
    pub(crate) open: u64,
    pub(crate) limit: u64,
}

/// One server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) listener: String,
    pub(crate) host_name: String,
    /// Those that are open.
    pub(crate) connections: u32,
    pub(crate) connections_total: u64,
    pub(crate) turned_away: u64,
    /// Of the messages that were accepted.
    pub(crate) bytes: u64,
    pub(crate) messages: Counts,
    pub(crate) commands: Counts,
    pub(crate) replies: Counts,
    pub(crate) limits: Counts,
    pub(crate) closed: Counts,
    pub(crate) tls: Counts,
    pub(crate) tls_failed: Counts,
    /// From the end of a message to its answer.
    pub(crate) times: Buckets,
}

/// One stage of the chains.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stage {
    pub(crate) stage: String,
    pub(crate) processor: String,
    /// Empty for the host's own processors.
    pub(crate) plugin: String,
    pub(crate) version: Option<String>,
    pub(crate) generation: u64,
    pub(crate) calls: u64,
    pub(crate) faults: u64,
    pub(crate) faults_by_kind: Counts,
    pub(crate) in_flight: usize,
    /// Calls that wait for a thread.
    pub(crate) waiting: u64,
    pub(crate) lost_workers: usize,
    pub(crate) moved_to_pool: bool,
    /// Of its calls; of those inline a sample.
    pub(crate) times: Buckets,
}

/// Numbers by name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// How long something took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Buckets {
    pub(crate) count: u64,
    /// Seconds in all.
    pub(crate) sum: f64,
    /// Upper bound in seconds (the last one has none) and how many, by bucket.
    pub(crate) buckets: Vec<(Option<f64>, u64)>,
}

/// What there is to tell.
pub(super) fn of(daemon: &Daemon) -> Status {
    let reloads = daemon.reloads.read();
    let last = reloads.last.map(|last| LastReload { done: last.done, at: last.at });
    let unready = daemon.unready();
    let process = Process::now();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        now: since_1970().as_secs_f64(),
        uptime: since_1970().saturating_sub(daemon.began).as_secs(),
        ready: unready.is_none(),
        unready,
        servers: daemon.servers.load().iter().map(|server| of_server(server)).collect(),
        chains: of_chains(&daemon.policy.load().pipeline),
        stages: figures().iter().map(of_stage).collect(),
        reloads: Reloads { done: reloads.done, refused: reloads.refused, last },
        memory: Memory { messages: daemon.budget.used(), resident: process.resident },
        cpu_seconds: process.cpu.as_secs_f64(),
        files: Files { open: process.files, limit: process.most_files },
    }
}

fn of_chains(pipeline: &Pipeline) -> BTreeMap<String, Vec<String>> {
    let phases = [
        ("connect", Phase::CONNECT),
        ("helo", Phase::HELO),
        ("mail", Phase::MAIL),
        ("rcpt", Phase::RCPT),
        ("save", Phase::SAVE),
    ];
    let names = |phase| pipeline.names(phase).map(str::to_owned).collect();
    phases.into_iter().map(|(name, phase)| (name.to_owned(), names(phase))).collect()
}

fn of_server(server: &net::Server) -> Server {
    let totals = server.tally().read();
    Server {
        listener: server.listener.to_string(),
        host_name: server.host_name.to_string(),
        connections: server.active(),
        connections_total: server.served(),
        turned_away: totals.turned_away,
        bytes: totals.bytes,
        messages: named(totals.messages()),
        commands: named(totals.commands()),
        replies: totals.replies().map(|(code, count)| (code.to_string(), count)).collect(),
        limits: named(totals.limits()),
        closed: named(totals.closed()),
        tls: named(totals.handshakes()),
        tls_failed: named(totals.handshakes_failed()),
        times: of_times(&totals.took),
    }
}

fn of_stage(stage: &Snapshot) -> Stage {
    let about = &stage.about;
    Stage {
        stage: about.stage.clone(),
        processor: about.processor.clone(),
        plugin: about.plugin.to_owned(),
        version: about.file.map(|file| file.version.clone()),
        generation: about.generation,
        calls: stage.total(),
        faults: stage.faults.iter().map(|(_, count)| count).sum(),
        faults_by_kind: named(stage.faults.iter().copied()),
        in_flight: stage.in_flight,
        waiting: stage.waiting,
        lost_workers: stage.lost_workers,
        moved_to_pool: stage.moved_to_pool,
        times: of_times(&stage.times),
    }
}

fn named(figures: impl Iterator<Item = (&'static str, u64)>) -> Counts {
    figures.map(|(name, count)| (name.to_owned(), count)).collect()
}

fn of_times(times: &Times) -> Buckets {
    let buckets =
        times.buckets.iter().map(|(bound, count)| (bound.map(|b| b.as_secs_f64()), *count));
    Buckets { count: times.count(), sum: times.sum.as_secs_f64(), buckets: buckets.collect() }
}

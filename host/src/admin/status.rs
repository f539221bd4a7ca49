//! The daemon at a glance, as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::state::Daemon;
use crate::pipeline::figures;

/// Servers, chains and what their stages have done.
pub(super) fn of(daemon: &Daemon) -> Value {
    let servers: Vec<Value> = daemon
        .servers
        .load()
        .iter()
        .map(|server| {
            let tally = server.tally();
            json!({
                "listener": &*server.listener,
                "host_name": &*server.host_name,
                "connections": server.active(),
                "connections_total": server.served(),
                "turned_away": tally.turned_away(),
                "bytes": tally.bytes(),
                "messages": tally.messages().into_iter().collect::<BTreeMap<_, _>>(),
            })
        })
        .collect();
    let stages: Vec<Value> = figures()
        .into_iter()
        .map(|stage| {
            json!({
                "stage": stage.about.stage,
                "processor": stage.about.processor,
                "plugin": stage.about.plugin,
                "version": stage.about.file.map(|file| file.version.as_str()),
                "generation": stage.about.generation,
                "calls": stage.total(),
                "faults": stage.faults.iter().map(|(_, count)| count).sum::<u64>(),
                "in_flight": stage.in_flight,
                "lost_workers": stage.lost_workers,
                "moved_to_pool": stage.moved_to_pool,
            })
        })
        .collect();
    let (done, refused) = daemon.reloads.read();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": daemon.unready().is_none(),
        "unready": daemon.unready(),
        "servers": servers,
        "chains": daemon.policy.load().pipeline.chains(),
        "stages": stages,
        "reloads": { "done": done, "refused": refused },
    })
}

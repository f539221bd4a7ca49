//! `guerrillad status`: how the running daemon does, on one screen.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::rates::Between;
use super::{Which, amount, http};
use crate::admin::{Counts, Status};
use crate::cli::{complain, say};

#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    which: Which,
    /// All of it, as JSON.
    #[arg(long)]
    json: bool,
}

/// Prints it. Exit code 0 when mail is taken and kept.
pub(in crate::cli) fn status(args: &StatusArgs) -> ExitCode {
    let asked = args.which.admin().and_then(|listen| {
        let text = text(&listen)?;
        Ok((read(&text, &listen)?, text))
    });
    match asked {
        Ok((status, text)) => {
            if args.json {
                say(text);
            } else {
                say(screen(&status).trim_end());
            }
            if status.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            complain(why);
            ExitCode::FAILURE
        }
    }
}

/// A report of the daemon.
pub(super) fn report(listen: &crate::config::Listen) -> Result<Status, String> {
    read(&text(listen)?, listen)
}

fn text(listen: &crate::config::Listen) -> Result<String, String> {
    let answer = http::ask(listen, "GET", "/status", Some(PATIENCE))?;
    let status = answer.status;
    let text = answer.text().map_err(|error| format!("admin_listen {listen}: {error}"))?;
    if status == 200 { Ok(text) } else { Err(format!("admin_listen {listen}: {status}: {text}")) }
}

fn read(text: &str, listen: &crate::config::Listen) -> Result<Status, String> {
    serde_json::from_str(text).map_err(|error| {
        format!(
            "admin_listen {listen}: the daemon is of another version than this command: {error}"
        )
    })
}

/// The report as text.
fn screen(status: &Status) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = write(&mut out, status);
    out
}

fn write(out: &mut String, status: &Status) -> std::fmt::Result {
    let ready = match &status.unready {
        None => "ready".to_owned(),
        Some(why) => format!("NOT READY: {why}"),
    };
    let up = amount::span(status.uptime);
    writeln!(out, "guerrillad {}  pid {}  up {up}  {ready}", status.version, status.pid)?;
    let (resident, bodies) = (status.memory.resident as f64, status.memory.messages as f64);
    let (open, limit) = (status.files.open, status.files.limit);
    let cpu = amount::seconds(status.cpu_seconds);
    writeln!(
        out,
        "memory {} ({} of it messages)  cpu {cpu}  files {open} of {limit}  reloads {} done, {} refused",
        amount::bytes(resident),
        amount::bytes(bodies),
        status.reloads.done,
        status.reloads.refused
    )?;
    let since_begin = Between { before: None, now: status };
    for server in &status.servers {
        writeln!(out, "\n{} as {}", server.listener, server.host_name)?;
        let (open, all) = (server.connections, server.connections_total);
        writeln!(out, "  connections {open} open, {all} in all  {}", words(&server.closed))?;
        let latency = since_begin.message_latency(server);
        let time = latency.p99.map_or_else(String::new, |p99| {
            format!("  mean {}  p99 {}", amount::seconds(latency.mean), amount::seconds(p99))
        });
        let bytes = amount::bytes(server.bytes as f64);
        writeln!(out, "  messages    {}  {bytes}{time}", words(&server.messages))?;
        for (name, counts) in [
            ("commands", &server.commands),
            ("replies", &server.replies),
            ("tls", &server.tls),
            ("tls failed", &server.tls_failed),
            ("limits met", &server.limits),
        ] {
            if counts.values().any(|count| *count > 0) {
                writeln!(out, "  {name:<11} {}", words(counts))?;
            }
        }
    }
    writeln!(out)?;
    for (chain, stages) in &status.chains {
        if !stages.is_empty() {
            writeln!(out, "{chain:<8} {}", stages.join(" | "))?;
        }
    }
    writeln!(
        out,
        "\n{:<16} {:<28} {:>8} {:>9} {:>9} {:>7} {:>7} {:>6}",
        "STAGE", "FROM", "CALLS", "MEAN", "P99", "FLIGHT", "WAITING", "FAULTS"
    )?;
    for stage in &status.stages {
        let latency = since_begin.stage_latency(stage);
        let time = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), amount::seconds);
        writeln!(
            out,
            "{:<16} {:<28} {:>8} {:>9} {:>9} {:>7} {:>7} {:>6}",
            stage.stage,
            origin(stage),
            amount::number(stage.calls as f64),
            time((latency.count > 0).then_some(latency.mean)),
            time(latency.p99),
            stage.in_flight,
            stage.waiting,
            stage.faults
        )?;
    }
    Ok(())
}

/// The plugin, its version and generation.
pub(super) fn origin(stage: &crate::admin::Stage) -> String {
    match (&stage.plugin[..], &stage.version) {
        ("", _) => "built-in".to_owned(),
        (plugin, version) => {
            format!("{plugin} {} #{}", version.as_deref().unwrap_or("?"), stage.generation)
        }
    }
}

/// `accepted=2 deferred=1`: what there was.
pub(super) fn words(counts: &Counts) -> String {
    let there_are = counts.iter().filter(|(_, count)| **count > 0);
    let words: Vec<String> = there_are.map(|(name, count)| format!("{name}={count}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

/// The daemon answers from memory.
const PATIENCE: Duration = Duration::from_secs(10);

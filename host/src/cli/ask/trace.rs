//! `guerrillad trace`: what the clients of one address and the daemon say to each other, while they do.

use std::io::{BufRead, Write};
use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;

use super::{Which, http};
use crate::cli::complain;

#[derive(Debug, Args)]
pub(in crate::cli) struct TraceArgs {
    #[command(flatten)]
    which: Which,
    /// The address of the clients.
    #[arg(long, value_name = "ADDRESS")]
    ip: IpAddr,
}

/// Prints lines as they come, until it is interrupted or the daemon ends.
pub(in crate::cli) fn trace(args: &TraceArgs) -> ExitCode {
    match try_trace(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(why);
            ExitCode::FAILURE
        }
    }
}

fn try_trace(args: &TraceArgs) -> Result<(), String> {
    let listen = args.which.admin()?;
    let answer = http::ask(&listen, "POST", &format!("/trace?ip={}", args.ip), None)?;
    if answer.status != 200 {
        let status = answer.status;
        let text = answer.text().unwrap_or_default();
        return Err(format!("admin_listen {listen}: {status}: {}", text.trim_end()));
    }
    let mut out = std::io::stdout().lock();
    for line in answer.body.lines() {
        let line = line.map_err(|error| format!("admin_listen {listen}: {error}"))?;
        // Line by line, also into a pipe; one that nobody reads any more is the end.
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
    }
    Err("the daemon has ended".to_owned())
}

//! `guerrillad reload`: has the running daemon read its configuration anew.
//!
//! By the admin interface, which answers what has come of it. Without one by SIGHUP to the process of the pid file; what
//! comes of it is then told by the log alone.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nix::sys::signal::{Signal, kill};
use serde::Deserialize;

use super::{Which, http};
use crate::cli::{complain, say};
use crate::config::Listen;
use crate::daemon::PidFile;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReloadArgs {
    #[command(flatten)]
    which: Which,
    /// The pid file, for a daemon without admin_listen; wins over pid_file of the config.
    #[arg(short, long = "pidFile", alias = "pid-file", value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

/// Prints what has changed, or why nothing has. Exit code 0 when it was done, or asked for by signal.
pub(in crate::cli) fn reload(args: &ReloadArgs) -> ExitCode {
    match try_reload(args) {
        Ok(lines) => {
            for line in lines {
                say(line);
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            complain(why);
            ExitCode::FAILURE
        }
    }
}

fn try_reload(args: &ReloadArgs) -> Result<Vec<String>, String> {
    let mut pid_file = args.pid_file.clone();
    let mut admin = args.which.admin.clone();
    // A config that is broken says where the daemon is no longer; then nothing but a flag does.
    if admin.is_none() && pid_file.is_none() {
        let settings = args.which.settings().map_err(|error| {
            format!("{error}\nnot asked to reload: this is what it would have said; --admin or --pidFile asks it all the same")
        })?;
        (admin, pid_file) = (settings.admin, settings.pid_file);
    }
    match (admin, pid_file) {
        (Some(listen), _) => by_admin(&listen),
        (None, Some(path)) => by_signal(&path),
        (None, None) => {
            Err("the config has neither admin_listen nor pid_file: give --admin or --pidFile"
                .to_owned())
        }
    }
}

/// The answer of the admin interface.
#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    changes: Vec<String>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    problems: Vec<String>,
}

fn by_admin(listen: &Listen) -> Result<Vec<String>, String> {
    // However long it takes: plugins are tried and started.
    let answer = http::ask(listen, "POST", "/reload", None).map_err(|why| {
        format!("{why}\n(a reload that moves admin_listen ends the connection: see the log)")
    })?;
    let status = answer.status;
    let text = answer.text().map_err(|error| format!("admin_listen {listen}: {error}"))?;
    let outcome = serde_json::from_str::<Outcome>(&text);
    match (status, outcome) {
        (200, Ok(Outcome { changes, warnings, .. })) => {
            let end = format!("reloaded, changes: {}", changes.len());
            let warnings = warnings.into_iter().map(|warning| format!("warning: {warning}"));
            Ok(warnings.chain(changes).chain([end]).collect())
        }
        (409, Ok(Outcome { mut problems, .. })) => {
            problems.push("not reloaded, everything stays as it was".to_owned());
            Err(problems.join("\n"))
        }
        _ => Err(format!("admin_listen {listen}: {status}: {}", text.trim_end())),
    }
}

fn by_signal(path: &std::path::Path) -> Result<Vec<String>, String> {
    let pid = PidFile::holder(path).map_err(|error| error.to_string())?;
    let pid =
        pid.ok_or_else(|| format!("pid_file {}: no daemon is running with it", path.display()))?;
    kill(pid, Signal::SIGHUP).map_err(|error| format!("process {pid}: {error}"))?;
    Ok(vec![format!(
        "process {pid} was told to reload; its log says what came of it (with admin_listen this command would)"
    )])
}

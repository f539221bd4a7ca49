//! `reload`: has the running daemon take the files that are in its plugins directory now.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::sys::signal::{Signal, kill};

use crate::cli::{CONFIG, complain, say};
use crate::config::{Config, default_path};
use crate::daemon::{PidFile, builtins};
use crate::plugins;

/// Looks at the files, then sends SIGHUP to whoever holds the pid file.
pub(super) fn run(
    name: Option<&str>,
    config: Option<PathBuf>,
    plugins_dir: Option<PathBuf>,
    pid_file: Option<PathBuf>,
) -> ExitCode {
    let config = match config.or_else(|| default_path().map(|found| found.path)) {
        Some(path) => match Config::load(&path) {
            Ok(loaded) => loaded.config,
            Err(error) => {
                complain(error);
                return ExitCode::from(CONFIG);
            }
        },
        None => Config::defaults(),
    };
    let told = files_load(name, plugins_dir.or(config.plugins_dir))
        .and_then(|()| tell(pid_file.or(config.pid_file)));
    match told {
        Ok(pid) => {
            say(format_args!("process {pid} was told to reload; its log says what came of it"));
            ExitCode::SUCCESS
        }
        Err(why) => {
            complain(why);
            ExitCode::FAILURE
        }
    }
}

/// A file that the daemon would refuse anyway is better told of here. None of their code is run.
fn files_load(name: Option<&str>, dir: Option<PathBuf>) -> Result<(), String> {
    let Some(dir) = dir else {
        return Err(
            "no plugins directory: give --plugins-dir, or plugins_dir in the config".to_owned()
        );
    };
    let builtins = builtins();
    let taken: Vec<&str> = builtins.names().collect();
    let files = plugins::manifests(&dir, &taken)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let Some(name) = name else { return Ok(()) };
    let offered = files.iter().any(|(_, manifest)| {
        manifest.name == name || manifest.processors.iter().any(|p| p.answers_to(name))
    });
    if offered { Ok(()) } else { Err(format!("no file of {} offers \"{name}\"", dir.display())) }
}

fn tell(pid_file: Option<PathBuf>) -> Result<nix::unistd::Pid, String> {
    let Some(path) = pid_file else {
        return Err("no pid file: give --pidFile, or pid_file in the config".to_owned());
    };
    let pid = PidFile::holder(&path).map_err(|error| error.to_string())?;
    let pid = pid.ok_or_else(|| nobody(&path))?;
    kill(pid, Signal::SIGHUP).map_err(|error| format!("process {pid}: {error}"))?;
    Ok(pid)
}

fn nobody(path: &Path) -> String {
    format!("pid_file {}: no daemon is running with it", path.display())
}

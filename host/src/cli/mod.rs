//! The command line: one file for each command.
//!
//! Exit codes: 0 done; 1 could not start or did not end in time; 64 the command line is wrong; 78 the
//! configuration is wrong.

mod ask;
mod config;
mod generate;
mod plugins;
mod say;
mod serve;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::plugins::{Prober, attribute_crashes, end_is_expected, probe, probe_with};
use say::{complain, is_lost, note, say};

/// Receives mail by SMTP and hands it to a chain of processors.
#[derive(Debug, Parser)]
#[command(name = "guerrillad", version = env!("CARGO_PKG_VERSION"), arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Log at debug level, whatever the config says.
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive mail until a signal ends it.
    Serve(ServeArgs),
    /// Say which version this is.
    Version,
    /// Check, describe, show or migrate a config file.
    #[command(subcommand)]
    Config(config::Command),
    /// Show how the running daemon does.
    Status(ask::StatusArgs),
    /// Show how the running daemon does, again and again, until q is pressed.
    Top(ask::TopArgs),
    /// Have the running daemon read its configuration anew, and wait for what comes of it.
    Reload(ask::ReloadArgs),
    /// Show what clients of one address and the running daemon say to each other.
    Trace(ask::TraceArgs),
    /// Look at plugin files, try them, start a new one.
    #[command(subcommand)]
    Plugins(plugins::Command),
    /// Write man pages and shell completions: for packages.
    #[command(hide = true)]
    Generate {
        /// Where to.
        dir: PathBuf,
    },
    /// Try a plugin file and report: what the daemon starts before it loads one.
    #[command(name = probe::COMMAND, hide = true)]
    Probe {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Clone, Debug, Args)]
struct ServeArgs {
    /// The config file [default: goguerrilla.conf, goguerrilla.conf.json]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to write the process id; wins over pid_file of the config.
    #[arg(short, long = "pidFile", alias = "pid-file", value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Where the plugins (*.so) are; wins over plugins_dir of the config.
    #[arg(long, value_name = "DIR")]
    plugins_dir: Option<PathBuf>,
    /// Load no plugin. Chains that name one defer all mail (451) instead of losing any.
    #[arg(long)]
    safe_mode: bool,
}

/// The command line is wrong (EX_USAGE).
const USAGE: u8 = 64;
/// The configuration is wrong (EX_CONFIG).
const CONFIG: u8 = 78;

/// Does what the command line says.
#[must_use]
pub fn run() -> ExitCode {
    if let Err(error) = attribute_crashes() {
        complain(format_args!("a crash in a plugin could not be told of: {error}"));
    }
    let code = obey();
    end_is_expected();
    if is_lost() { ExitCode::FAILURE } else { code }
}

fn obey() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            // Nobody is left to tell when this cannot be printed.
            let _ = error.print();
            return if wrong { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    probe_with(Prober::this_program());
    match cli.command {
        Command::Serve(args) => serve::run(&args, cli.verbose),
        Command::Version => version::run(),
        Command::Config(command) => config::run(command),
        Command::Status(args) => ask::status(&args),
        Command::Top(args) => ask::top(&args),
        Command::Reload(args) => ask::reload(&args),
        Command::Trace(args) => ask::trace(&args),
        Command::Plugins(command) => plugins::run(command),
        Command::Generate { dir } => generate::run(&dir),
        Command::Probe { file } => probe::child(&file),
    }
}

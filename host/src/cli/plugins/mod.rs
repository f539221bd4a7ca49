//! `guerrillad plugins`: one file for each kind of command.

mod bench;
mod look;
mod new;
mod order;
mod release;
mod reload;
mod settings;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the plugins of a directory and what they offer, without running them.
    List {
        /// The directory.
        #[arg(long, value_name = "DIR")]
        plugins_dir: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show all that one file says of itself, without running it.
    Inspect {
        /// The file.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Load a file in a child process, as the daemon would, and say whether that works.
    ///
    /// With a config its processors are created with the settings they have there: those that a chain names, or all of
    /// them if none is named. Nothing is started. Ends with 0 if all is well, 1 if not, 78 if the config cannot be read.
    Verify {
        /// The file.
        file: PathBuf,
        /// The config whose settings are to be tried.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show which processor is asked in which phase, in which order and where it runs.
    ///
    /// Reads the chains of the config and what the plugin files say of themselves; runs none of them. Ends with 0 if
    /// every chain can be built from them, 1 if not, 78 if the config or a file cannot be used.
    Order {
        /// The config file [default: goguerrilla.conf, goguerrilla.conf.json]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Where the plugins (*.so) are; wins over plugins_dir of the config.
        #[arg(long, value_name = "DIR")]
        plugins_dir: Option<PathBuf>,
    },
    /// Have the running daemon take the files that are in its plugins directory now.
    ///
    /// The files are looked at first, without running them; then the process of the pid file gets SIGHUP and reads its
    /// whole configuration anew. Ends with 0 if it was told, 1 if a file would not load or nobody is running.
    Reload {
        /// A plugin or processor that must be among them.
        name: Option<String>,
        /// The config file [default: goguerrilla.conf, goguerrilla.conf.json]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Where the plugins (*.so) are; wins over plugins_dir of the config.
        #[arg(long, value_name = "DIR")]
        plugins_dir: Option<PathBuf>,
        /// Where the daemon has written its process id; wins over pid_file of the config.
        #[arg(short, long = "pidFile", alias = "pid-file", value_name = "FILE")]
        pid_file: Option<PathBuf>,
    },
    /// Write a crate for a new plugin into the new directory NAME.
    ///
    /// It builds, passes its own test and loads; what it does is for you to exchange. Nothing is overwritten.
    New {
        /// Name of the crate: lower-case letters, digits and dashes, such as size-cap.
        name: String,
        /// Directory plugin-api of a checkout of guerrillad, to be used instead of the published crate.
        #[arg(long, value_name = "DIR")]
        api: Option<PathBuf>,
    },
    /// Let a plugin be tried again that has crashed the daemon.
    ///
    /// A file that has ended the daemon three times within ten minutes is in quarantine: it is not loaded, and chains that
    /// name its processors defer. This forgets its crashes; the next start or reload loads it. The record is the config's
    /// plugins_crash_file.
    Release {
        /// Name of the plugin, as the log has it.
        name: String,
        /// The config file [default: goguerrilla.conf, goguerrilla.conf.json]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Measure what a call of a processor costs.
    ///
    /// Loads the file into this very process, starts its processors and asks them about a typical message of 8 KB, many
    /// times. The calls are real: a processor that stores mail stores it. Give it a config that points elsewhere.
    Bench {
        /// The file.
        file: PathBuf,
        /// Only this processor.
        #[arg(long, value_name = "NAME")]
        processor: Option<String>,
        /// The config with its settings.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Does what the command line says.
pub(super) fn run(command: Command) -> ExitCode {
    match command {
        Command::List { plugins_dir, json } => look::list(&plugins_dir, json),
        Command::Inspect { file, json } => look::inspect(&file, json),
        Command::Verify { file, config } => verify::run(&file, config.as_deref()),
        Command::Order { config, plugins_dir } => order::run(config, plugins_dir),
        Command::Reload { name, config, plugins_dir, pid_file } => {
            reload::run(name.as_deref(), config, plugins_dir, pid_file)
        }
        Command::New { name, api } => new::run(&name, api.as_deref()),
        Command::Release { name, config } => release::run(&name, config),
        Command::Bench { file, processor, config } => {
            bench::run(&file, processor.as_deref(), config.as_deref())
        }
    }
}

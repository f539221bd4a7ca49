//! `guerrillad config`: what a config file means, and what is wrong with it. One file for each command.

mod check;
mod mask;
mod migrate;
mod schema;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::{Config, default_path};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with a config, without starting anything.
    ///
    /// Looks at the file, the chains, the settings of processors (by what plugin files say of themselves; none is run),
    /// certificates, and whether log, pid file and Unix sockets can be made: started as root, by the configured user, which
    /// it becomes as the daemon does. Ports are not looked at. Ends with 0 if the daemon would take it, also when there are
    /// warnings, and with 78 if not.
    Check {
        #[command(flatten)]
        file: ConfigFile,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the config file, with the settings of all processors, for editors.
    Schema {
        /// Where the plugins (*.so) are whose settings are to be in it.
        #[arg(long, value_name = "DIR")]
        plugins_dir: Option<PathBuf>,
    },
    /// Print the config with every key and the value in effect, as a file that loads again. Secrets are masked.
    ///
    /// Secret is what the plugin files say is, and every setting that none of them describes: name their directory.
    Show {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Print the config with go-guerrilla's old keys made today's; what was changed, and why, is told on stderr.
    Migrate {
        /// The config file [default: goguerrilla.conf, goguerrilla.conf.json]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Which config is meant.
#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    /// The config file [default: goguerrilla.conf, goguerrilla.conf.json]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the plugins (*.so) are; wins over plugins_dir of the config.
    #[arg(long, value_name = "DIR")]
    plugins_dir: Option<PathBuf>,
}

impl ConfigFile {
    /// The flags that win over the file.
    fn apply(&self, config: &mut Config) {
        if let Some(dir) = &self.plugins_dir {
            config.plugins_dir = Some(dir.clone());
        }
    }
}

/// Does what the command line says.
pub(super) fn run(command: Command) -> ExitCode {
    match command {
        Command::Check { file, json } => check::run(&file, json),
        Command::Schema { plugins_dir } => schema::run(plugins_dir),
        Command::Show { file } => show::run(&file),
        Command::Migrate { config } => migrate::run(config.as_deref()),
    }
}

/// The file that is meant, and what is to be said about its name; none if there is none.
fn locate(config: Option<&Path>) -> (Option<PathBuf>, Option<String>) {
    match (config, default_path()) {
        (Some(path), _) => (Some(path.to_owned()), None),
        (None, Some(found)) => (Some(found.path), found.warning.map(|warning| warning.to_string())),
        (None, None) => {
            let note = "no config file (goguerrilla.conf.json): the defaults hold";
            (None, Some(note.to_owned()))
        }
    }
}

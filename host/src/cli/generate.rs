//! `guerrillad generate DIR`: man pages and completions for shells, written from the definition of the command line. It is
//! for whoever makes packages, and not in the help.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

use super::{Cli, complain};

/// Writes all of them into a directory, which is made if it is not there.
pub(super) fn run(dir: &Path) -> ExitCode {
    match write(dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("{}: cannot be written: {error}", dir.display()));
            ExitCode::FAILURE
        }
    }
}

fn write(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut command = Cli::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, NAME, dir)?;
    }
    let mut command = Cli::command().after_long_help(BEYOND).disable_help_subcommand(true);
    // Only now does a sub-command know that it is one.
    command.build();
    pages(&command, dir)
}

/// A page for the command, and one for each below it.
fn pages(command: &Command, dir: &Path) -> io::Result<()> {
    let is_shown = |below: &&Command| !below.is_hide_set() && below.get_name() != "help";
    let visible = command.get_subcommands().filter(is_shown);
    for below in visible {
        pages(below, dir)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let version = format!("{NAME} {}", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.clone()).section(SECTION).source(version).manual("guerrillad");
    page.render(&mut File::create(dir.join(format!("{name}.{SECTION}")))?)
}

const NAME: &str = "guerrillad";

/// Programs for administrators.
const SECTION: &str = "8";

/// What a page says beside the command line.
const BEYOND: &str = "\
Signals: TERM, INT and QUIT end it when the messages in flight are finished, a second one at once; HUP has it read \
configuration, certificates and plugins anew; USR1 has it open the log files anew.

Exit status: 0 ended by a signal; 1 could not listen, or did not end in time; 64 the command line is wrong; 70 a plugin \
has called exit; 78 the configuration or a plugin is wrong.

Its keys are described by `guerrillad config schema`, its files and what it is like to operate in the documentation.";

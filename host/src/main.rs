//! guerrillad: see [`guerrilla::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    guerrilla::cli::run()
}

//! guerrillad as it would be with API 1.1, for the proof that plugins of 1.0 load in it.

use std::process::ExitCode;

fn main() -> ExitCode {
    guerrilla::cli::run()
}

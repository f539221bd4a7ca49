//! guerrillad: see [`guerrilla::cli`].

use std::process::ExitCode;

/// Plugins have the system's: what a plugin has allocated, the plugin gives back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    guerrilla::cli::run()
}

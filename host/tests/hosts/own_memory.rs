//! guerrillad with an allocator that is jealous of its memory: whatever is freed or grown here and was not allocated
//! here ends the process. Plugins have an allocator of their own, so nothing that one side has allocated may be freed by
//! the other.

use std::process::ExitCode;

#[allow(unsafe_code)] // an allocator is unsafe by its nature
mod jealous;

#[global_allocator]
static MEMORY: jealous::Jealous = jealous::Jealous;

fn main() -> ExitCode {
    guerrilla::cli::run()
}

//! `guerrillad version`

use std::process::ExitCode;

use guerrilla_plugin_abi::{API_MAJOR, API_MINOR};

/// Says which version this is and which plugins it loads.
pub(super) fn run() -> ExitCode {
    println!("guerrillad {} (plugin API {API_MAJOR}.{API_MINOR})", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}

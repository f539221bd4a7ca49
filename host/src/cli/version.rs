//! `guerrillad version`

use std::process::ExitCode;

use guerrilla_plugin_abi::{API_MAJOR, API_MINOR};

use super::say;

/// Says which version this is and which plugins it loads.
pub(super) fn run() -> ExitCode {
    say(format_args!(
        "guerrillad {} (plugin API {API_MAJOR}.{API_MINOR})",
        env!("CARGO_PKG_VERSION")
    ));
    ExitCode::SUCCESS
}

//! The manifest of a plugin.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| guerrilla::fuzzing::plugin_manifest(data));

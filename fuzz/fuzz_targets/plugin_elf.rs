//! A plugin file: ELF headers, notes and what it needs, read without running it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| guerrilla::fuzzing::plugin_elf(data));

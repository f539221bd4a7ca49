//! The PROXY header, versions 1 and 2, cut anywhere. What must hold stands in the host's own entry point.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| guerrilla::fuzzing::proxy_header(data));

//! The note says `unwind`, the code says `abort`.

use guerrilla_plugin_abi::{API_MINOR, Root_Ref};

broken_plugins::note!("abort-in-code");
broken_plugins::header!(
    "_1as_0lib_1header_0root_bmodule_bloader",
    Root_Ref,
    Yes,
    broken_plugins::root(API_MINOR, true, NOTE.desc())
);

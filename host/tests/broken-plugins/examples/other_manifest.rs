//! The code knows another manifest than the note.

use guerrilla_plugin_abi::Root_Ref;

broken_plugins::note!("other-manifest");
broken_plugins::header!(
    "_1as_0lib_1header_0root_bmodule_bloader",
    Root_Ref,
    Yes,
    broken_plugins::sound_root(br#"{"schema":1,"name":"someone-else"}"#)
);

//! The layout of its root is not there to be checked.

use guerrilla_plugin_abi::Root_Ref;

broken_plugins::note!("hidden-layout");
broken_plugins::header!(
    "_1as_0lib_1header_0root_bmodule_bloader",
    Root_Ref,
    No,
    broken_plugins::sound_root(NOTE.desc())
);

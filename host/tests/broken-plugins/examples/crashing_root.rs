//! Making its root crashes the process.

use guerrilla_plugin_abi::Root_Ref;

broken_plugins::note!("crashing-root");
broken_plugins::header!("_1as_0lib_1header_0root_bmodule_bloader", Root_Ref, Yes, {
    let _ = NOTE.desc();
    std::process::abort()
});

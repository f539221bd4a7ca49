//! Making its root ends the process, and calls that a success.

use guerrilla_plugin_abi::Root_Ref;

broken_plugins::note!("exiting-root");
broken_plugins::header!("_1as_0lib_1header_0root_bmodule_bloader", Root_Ref, Yes, {
    let _ = NOTE.desc();
    #[allow(clippy::disallowed_methods)] // the fault that it is here for
    std::process::exit(0)
});

//! Making its root never ends.

use guerrilla_plugin_abi::Root_Ref;

broken_plugins::note!("hanging-root");
broken_plugins::header!("_1as_0lib_1header_0root_bmodule_bloader", Root_Ref, Yes, {
    let _ = NOTE.desc();
    loop {
        std::thread::park();
    }
});

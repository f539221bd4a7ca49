//! Needs a function that nobody has.

use guerrilla_plugin_abi::Root_Ref;

broken_plugins::note!("undefined-symbol");
broken_plugins::header!("_1as_0lib_1header_0root_bmodule_bloader", Root_Ref, Yes, {
    // SAFETY: never reached: the dynamic linker refuses the file.
    #[allow(unsafe_code)]
    unsafe {
        guerrillad_function_that_nobody_has();
    }
    broken_plugins::sound_root(NOTE.desc())
});

#[allow(unsafe_code)] // declaring it is the fault
unsafe extern "C" {
    fn guerrillad_function_that_nobody_has();
}

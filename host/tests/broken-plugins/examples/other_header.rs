//! Something else under the symbol's name.

broken_plugins::note!("other-header");

#[allow(unsafe_code)] // the name is the fault
#[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
static HEADER: [u8; 256] = [0; 256];

//! A manifest, and no symbol to begin at.

use guerrilla_plugin_abi::Root_Ref;

broken_plugins::note!("no-header");
broken_plugins::header!("another_name", Root_Ref, Yes, broken_plugins::sound_root(NOTE.desc()));

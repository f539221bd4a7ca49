//! A root of another type under the right name.

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::package_version_strings;
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_types::VersionStrings;

broken_plugins::note!("other-layout");
broken_plugins::header!(
    "_1as_0lib_1header_0root_bmodule_bloader",
    RootRef,
    Yes,
    Root { api_minor: 0, panic_abort: 0 }.leak_into_prefix()
);

/// Begins like the real one, and goes on with a number where that has a truth value.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = RootRef, prefix_fields = RootPrefix)))]
#[sabi(missing_field(option))]
pub struct Root {
    /// As in the real one.
    pub api_minor: u32,
    /// Wider than in the real one.
    #[sabi(last_prefix_field)]
    pub panic_abort: u64,
}

impl RootModule for RootRef {
    abi_stable::declare_root_module_statics! {RootRef}
    const BASE_NAME: &'static str = "guerrilla_plugin";
    const NAME: &'static str = "guerrilla plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

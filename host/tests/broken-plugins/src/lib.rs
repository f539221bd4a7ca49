//! What the broken plugin files have in common: by hand what `export_plugin!` writes, with one part exchangeable.
//!
//! Each example is one file with one fault that only shows once its code is mapped. Faults in the bytes
//! (truncated, foreign, patched) are made by the tests themselves.

use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::std_types::{ROption, RStr};
use guerrilla_plugin_abi::{API_MINOR, Host, InstanceBox, Root, Root_Ref, Status};

#[doc(hidden)]
pub use abi_stable;
#[doc(hidden)]
pub use guerrilla_plugin_abi;

/// A root that offers nothing.
pub fn root(api_minor: u32, panic_abort: bool, manifest: &'static [u8]) -> Root_Ref {
    let manifest = str::from_utf8(manifest).unwrap_or_default();
    Root { api_minor, panic_abort, manifest: manifest.into(), create }.leak_into_prefix()
}

/// A root as it should be.
pub fn sound_root(manifest: &'static [u8]) -> Root_Ref {
    root(API_MINOR, false, manifest)
}

extern "C" fn create<'a, 'b>(
    _host: &'b Host,
    _name: RStr<'a>,
    _config: RStr<'a>,
    _out: &'b mut ROption<InstanceBox>,
) -> Status {
    Status::NO_SUCH_PROCESSOR
}

/// The note of a plugin file, as `NOTE`.
#[macro_export]
macro_rules! note {
    ($name:literal) => {
        const MANIFEST: &str = concat!(
            r#"{"schema":1,"api":"1.0","name":""#,
            $name,
            r#"","version":"1.0.0","panic":"unwind","processors":[{"name":""#,
            $name,
            r#"","phases":["save"]}]}"#
        );

        #[used]
        #[unsafe(link_section = ".note.guerrilla.plugin")]
        static NOTE: $crate::guerrilla_plugin_abi::note::Note<{ MANIFEST.len() }> = {
            let mut text = [0; MANIFEST.len()];
            text.copy_from_slice(MANIFEST.as_bytes());
            $crate::guerrilla_plugin_abi::note::Note::manifest(text)
        };
    };
}

/// The header of a plugin file: its symbol, type of its root, layout shown (`Yes`) or hidden (`No`), and what makes the root.
#[macro_export]
macro_rules! header {
    ($symbol:literal, $root:ty, $layout:ident, $make:expr) => {
        extern "C" fn erased() -> $crate::abi_stable::library::RootModuleResult {
            $crate::abi_stable::library::__call_root_module_loader(|| -> $root { $make })
        }

        // SAFETY: the static is what abi_stable's loaders expect behind this name.
        #[allow(unsafe_code)]
        #[unsafe(export_name = $symbol)]
        static HEADER: $crate::abi_stable::library::LibHeader = unsafe {
            $crate::abi_stable::library::LibHeader::from_constructor::<$root>(
                erased,
                $crate::abi_stable::library::CheckTypeLayout::$layout,
            )
        };
    };
}

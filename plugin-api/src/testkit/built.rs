//! A built file instead of the types in the test: what the linker, the border and the export macro have made of them.
//!
//! *Trust*: the file's initialisers run in the test's process; it is the author's own.

use std::mem::ManuallyDrop;
use std::path::Path;

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::{
    CheckingGlobals, check_layout_compatibility_with_globals,
};
use abi_stable::library::{AbiHeaderRef, LibHeader, ROOT_MODULE_LOADER_NAME_WITH_NUL};
use guerrilla_plugin_abi::Root_Ref;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// The root of a plugin file, which stays mapped for ever.
pub(super) fn root(file: &Path) -> Result<Root_Ref, String> {
    let failed = |why: String| format!("{}: {why}", file.display());
    // A path without a slash would be searched for among the system's libraries.
    let file = file.canonicalize().map_err(|error| failed(error.to_string()))?;
    let header = header(&file).map_err(failed)?;
    let theirs = header.layout().ok_or_else(|| failed("its layout is hidden".to_owned()))?;
    let mine = <Root_Ref as StableAbi>::LAYOUT;
    // Either may be the newer one: it is enough that one has all of the other.
    let fits =
        |a, b| check_layout_compatibility_with_globals(a, b, &CheckingGlobals::new()).is_ok();
    if !fits(mine, theirs) && !fits(theirs, mine) {
        return Err(failed(
            "was built with another border; see guerrillad plugins verify".to_owned(),
        ));
    }
    // SAFETY: the header carries the layout of its root's type, which was just found to be that of `Root_Ref`, and
    // the file stays mapped.
    unsafe { header.unchecked_layout::<Root_Ref>() }.map_err(|error| failed(error.to_string()))
}

fn header(file: &Path) -> Result<&'static LibHeader, String> {
    // SAFETY: initialisers of the file run, which the test's author has written or chosen.
    let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
    // Never closed: what it has handed out points into it.
    let library = ManuallyDrop::new(library.map_err(|error| error.to_string())?);
    // SAFETY: read as what `export_plugin!` defines under this name; `upgrade` checks its magic number before more of it is read.
    let symbol =
        unsafe { library.get::<AbiHeaderRef>(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes()) };
    match symbol {
        Ok(symbol) if !symbol.clone().into_raw().is_null() => {
            symbol.upgrade().map_err(|error| error.to_string())
        }
        _ => Err("has no plugin header: is export_plugin! in it?".to_owned()),
    }
}

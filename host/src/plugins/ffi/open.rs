//! `dlopen`, and the way from a mapped file to its root.

use std::mem::ManuallyDrop;
use std::path::Path;

use abi_stable::StableAbi;
use abi_stable::library::{AbiHeaderRef, LibHeader, ROOT_MODULE_LOADER_NAME_WITH_NUL};
use guerrilla_plugin_abi::Root_Ref;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::plugins::error::OpenError;
use crate::plugins::layout;

/// Loads a plugin file and gets its root. The file is never unloaded, not even after an error.
///
/// Trust: runs the file's initialisers and its root constructor. The caller has made sure that the file is a
/// whole ELF shared object with a manifest, that only root or the daemon's user could have written it, and that
/// `path` is absolute and was never loaded before.
///
/// # Errors
/// The step that failed.
pub(in crate::plugins) fn open_root(path: &Path) -> Result<Root_Ref, OpenError> {
    let header = find_header(path)?;
    let theirs = header.layout().ok_or(OpenError::LayoutHidden)?;
    layout::compatible(<Root_Ref as StableAbi>::LAYOUT, theirs).map_err(OpenError::Layout)?;
    // SAFETY: the header carries the layout of its root's type, and it was just found to be compatible with
    // `Root_Ref`. The library stays mapped for ever, so the root is `'static`.
    unsafe { header.unchecked_layout::<Root_Ref>() }
        .map_err(|error| OpenError::root(&error.to_string()))
}

fn find_header(path: &Path) -> Result<&'static LibHeader, OpenError> {
    let flags = RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE;
    // SAFETY: initialisers of the file run here. That they are sound is the trust that every plugin is given;
    // the file is whole, and nobody else writes to this copy, so mapping it cannot fault.
    let library = unsafe { Library::open(Some(path), flags) }
        .map_err(|error| OpenError::dlopen(path, &error))?;
    // A handle that is dropped is closed. RTLD_NODELETE would keep the file mapped all the same.
    let library = ManuallyDrop::new(library);
    // SAFETY: the symbol is only read as what abi_stable's export defines under this name: a header that begins
    // with a magic number, which `upgrade` checks before it reads on.
    let symbol =
        unsafe { library.get::<AbiHeaderRef>(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes()) };
    let Ok(symbol) = symbol else { return Err(OpenError::NoHeader) };
    // `dlsym` may answer null for a symbol that exists; a reference must never be made of it.
    if symbol.clone().into_raw().is_null() {
        return Err(OpenError::NoHeader);
    }
    symbol.upgrade().map_err(|error| OpenError::header(&error))
}

//! Plugin files: from a directory of `.so` files to the roots that processors are created from.
//!
//! The sequence, each step with an error of its own ([`Cause`], [`LoadError::code`]):
//!
//! 1. [`scan()`] lists `*.so`; each file is opened once and everything is read from that descriptor;
//! 2. owner and mode of the directory and the file; size;
//! 3. ELF headers, every segment inside the file; the manifest in its note; schema, API, panic mode;
//! 4. the operator's list of what may be loaded and of the content expected; the record of crashes; names that are offered
//!    twice;
//! 5. a private copy, tried in a child process ([`Prober`]);
//! 6. `dlopen` of the copy, header, layouts, root, and that the root says what the note said.
//!
//! No code of any file runs before all files have passed steps 1 to 4, and none in this process before all have passed
//! step 5. Nothing is ever unloaded.
//!
//! # Trust
//!
//! A plugin runs inside the daemon with all its rights. The checks protect against mistakes (a truncated
//! upload, a build for another API, two files with one name), and against files that somebody other than
//! root and the daemon's user could have written. They do not protect against a malicious plugin.

mod attempt;
pub(crate) mod catalogue;
mod checked;
mod crashes;
mod digest;
mod dynamic;
mod elf;
mod error;
#[allow(unsafe_code)] // the border itself: every block in it states why it is sound
pub(crate) mod ffi;
pub(crate) mod figures;
pub(crate) mod fuzzing;
mod inspect;
mod layout;
mod list;
mod load;
pub(crate) mod manifest;
mod names;
mod one_line;
mod ownership;
mod policy;
mod private_copy;
pub(crate) mod probe;
mod scan;
pub(crate) mod schema;
mod source;
#[cfg(test)]
mod tests;
mod verify;

pub use attempt::AttemptError;
pub use checked::LoadedFile;
pub use crashes::{CrashFileError, Crashes, Quarantine};
pub use digest::Digest;
pub use elf::ElfError;
pub use error::{Cause, LoadError, OpenError};
pub use ffi::{attribute_crashes, end_is_expected, record_crashes};
pub use inspect::{Finding, Inspection, inspect};
pub use list::{Listing, Row, list};
pub(crate) use load::examine_dir;
pub use load::{LoadOptions, Loaded, load_dir, manifests};
pub use manifest::{Api, Manifest, ManifestError, Processor};
pub use ownership::Ownership;
pub use policy::OnError;
pub use private_copy::RuntimeDirError;
pub(crate) use private_copy::check_runtime_dir;
pub use probe::{Prober, probe_with};
pub use scan::{Candidate, ScanError, scan};
pub use verify::{Verified, load_file, verify};

//! What a plugin offers.

use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RBox, ROption, RStr};
use abi_stable::{StableAbi, package_version_strings, sabi_trait};

use crate::host::Host;
use crate::numbers::{Event, Phase, Status};
use crate::txn::Txn;

// A macro because `#[sabi_trait]` does not see the `cfg` of a method.
macro_rules! instance { ($($appended:tt)*) => {
/// One configured processor. Calls come from several threads at once.
#[sabi_trait]
pub trait Instance: Send + Sync {
    /// Called once, before the first question: threads and connections may be opened from here on.
    fn start(&self) -> Status;
    /// A question.
    fn process(&self, phase: Phase, txn: Txn<'_>) -> Status;
    /// A fact. Only an awaited `SETTLED` is answered: anything but `CONTINUE` or `ACCEPT` turns the reply into a temporary
    /// failure. It may also be held and answered with `PENDING`, as a question may; other events may not.
    fn event(&self, event: Event, txn: Txn<'_>) -> Status;
    /// No more questions will come; work in hand should be completed within so many milliseconds.
    fn drain(&self, deadline_ms: u64) -> Status;
    /// Called last: threads must have ended when it returns.
    #[sabi(last_prefix_field)]
    fn stop(&self) -> Status;
    $($appended)*
}
} }

#[cfg(not(feature = "fake-1-1"))]
instance! {}
#[cfg(feature = "fake-1-1")]
instance! {
    /// Stands for what a later version appends. Whatever is appended has a body, for plugins that do not have it.
    fn appended(&self) -> Status {
        Status::UNSUPPORTED
    }
}

/// An owned instance; it is dropped by the plugin's own code.
pub type InstanceBox = Instance_TO<'static, RBox<()>>;

/// The one symbol of a plugin file.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = Root_Ref, prefix_fields = Root_Prefix)))]
#[sabi(missing_field(option))]
pub struct Root {
    /// Minor version of the border the plugin was built with.
    pub api_minor: u32,
    /// Whether a panic in the plugin ends the process.
    pub panic_abort: bool,
    /// The manifest, as in the ELF note of the file.
    pub manifest: RStr<'static>,
    /// Makes an instance: host, name of the processor, its configuration as JSON, where to put it.
    #[sabi(last_prefix_field)]
    pub create: for<'a, 'b> extern "C" fn(
        &'b Host,
        RStr<'a>,
        RStr<'a>,
        &'b mut ROption<InstanceBox>,
    ) -> Status,
    /// Stands for what a later version appends.
    #[cfg(feature = "fake-1-1")]
    pub appended: u64,
}

impl RootModule for Root_Ref {
    abi_stable::declare_root_module_statics! {Root_Ref}
    const BASE_NAME: &'static str = "guerrilla_plugin";
    const NAME: &'static str = "guerrilla plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

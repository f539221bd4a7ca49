//! What a daemon has to do with the system it is a service of: its service manager, and the rights it gives up.
//!
//! - [`manager`]: telling the service manager (systemd's `sd_notify`) how it goes, and giving it sockets to keep.
//! - [`activation`]: sockets that the service manager hands over.
//! - [`watchdog`]: proof of life.
//! - [`identity`]: from root to another user.
//! - [`landlock`]: files that the process can no longer touch, whoever it is.
//!
//! Without a service manager all of it does nothing.

pub(crate) mod activation;
pub(crate) mod identity;
pub(crate) mod landlock;
pub(crate) mod manager;
pub(crate) mod watchdog;

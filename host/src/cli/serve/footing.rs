//! What is done while the process has one thread, and may still be root: sockets are taken over or bound, then rights are
//! given up.

use std::path::Path;

use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;

use super::{CONFIG, Failure};
use crate::config::{Config, Listen};
use crate::daemon::{Handover, PidFile, SocketKeeper, bind_ahead};
use crate::net::Passed;
use crate::service::activation::{ActivationError, handed_over};
use crate::service::identity::{Identity, IdentityError, is_roots_alone};
use crate::service::landlock::{LandlockError, Restricted, restrict};
use crate::service::manager::Manager;

/// What the daemon is started on.
pub(super) struct Footing {
    /// Who has started the process, if it wants to be told.
    pub(super) manager: Option<Manager>,
    /// The sockets there are.
    pub(super) handover: Handover,
    /// Written already, where only root may.
    pub(super) pid_file: Option<PidFile>,
    /// The user it has become.
    pub(super) has_become: Option<Identity>,
    /// What it may do with files.
    pub(super) restricted: Restricted,
    /// What the operator should know.
    notes: Vec<String>,
}

/// Does all of it.
///
/// # Errors
/// When anything of it cannot be had: the process may be half way then, and is to end.
pub(super) fn gain(config: &Config, config_file: Option<&Path>) -> Result<Footing, Failure> {
    let rights = &config.rights;
    if let Some(mask) = rights.umask {
        umask(Mode::from_bits_truncate(mask));
    }
    let manager = Manager::of_this_process();
    let passed = Passed::new(handed_over()?, &config.servers);
    for name in passed.drop_kept() {
        manager.iter().for_each(|manager| manager.release(&name));
    }
    let mut notes = Vec::new();
    let mut pid_file = None;
    let has_become = Identity::to_become(rights)?;
    if let Some(identity) = &has_become {
        bind_ahead(config, &passed, is_for_root)?;
        let path = config.pid_file.as_deref();
        if let Some(path) = path.filter(|path| is_roots_alone(path)) {
            pid_file = Some(PidFile::create(path)?);
        }
        identity.assume()?;
    } else if geteuid().is_root() && rights.user.is_none() {
        notes.push(
            "runs as root, and so do all plugins; name another user with the key user".to_owned(),
        );
    }
    let restricted = restrict(config, config_file)?;
    notes.extend(restricted.note.map(str::to_owned));
    let keeper = manager
        .clone()
        .map(|manager| -> std::sync::Arc<dyn SocketKeeper> { std::sync::Arc::new(manager) });
    let handover = Handover { passed, keeper };
    Ok(Footing { manager, handover, pid_file, has_become, restricted, notes })
}

/// A socket file in a directory of the user's is made by the user: root would give away, by a link, whatever lies there.
fn is_for_root(listen: &Listen) -> bool {
    match listen {
        Listen::Tcp { .. } => true,
        Listen::Unix { path, .. } => is_roots_alone(path),
    }
}

impl Footing {
    /// Says in the log what there is to say.
    pub(super) fn tell(&self) {
        if let Some(identity) = &self.has_become {
            tracing::info!("has become {identity}");
        }
        if let Some(writable) = &self.restricted.writable {
            let writable: Vec<_> = writable.iter().map(|path| path.display().to_string()).collect();
            tracing::info!("landlock: restricted; writable: {}", writable.join(", "));
        }
        for note in &self.notes {
            tracing::warn!("{note}");
        }
    }
}

impl From<ActivationError> for Failure {
    fn from(error: ActivationError) -> Self {
        Self { code: 1, why: error.to_string() }
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        Self { code: CONFIG, why: error.to_string() }
    }
}

impl From<LandlockError> for Failure {
    fn from(error: LandlockError) -> Self {
        Self { code: CONFIG, why: error.to_string() }
    }
}

//! Files that the process can no longer touch (`landlock`), whoever it is and whatever runs in it.
//!
//! The daemon knows what it reads and writes itself: that follows from the configuration. What plugins touch it cannot
//! know, which is why it is off unless somebody says so: a maildir that is not in the list is mail that is deferred.
//!
//! It holds for the calling thread and those it starts, so it must be done while there is one. It is never lifted: files
//! that a reload names must lie where the first configuration had some, or where `landlock_read` and `landlock_write` say.
//!
//! *Limits*: only files; what a plugin does over the network is not restricted. Programs that gain rights when they are
//! executed (`sudo`, `sendmail`) do not.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
};

use crate::config::{Config, KeyPair, Landlock, Listen, LogTarget, TlsMode};

/// The process could not be restricted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LandlockError {
    /// The kernel cannot, or was told not to.
    #[error(
        "landlock: this kernel does not offer it (it needs Linux 5.13 and landlock in the lsm= list); write \"auto\" to do without"
    )]
    NotOffered,
    /// A path of the lists cannot be had.
    #[error("{key}: {source}; take it out of the list, or make it")]
    Path {
        /// Which list.
        key: &'static str,
        /// What the system said, with the path.
        source: PathFdError,
    },
    /// The kernel has refused.
    #[error("landlock: {0}")]
    Refused(#[from] RulesetError),
}

/// What has come of it.
#[derive(Debug, Default)]
pub(crate) struct Restricted {
    /// Where files may still be written; none when nothing is restricted.
    pub(crate) writable: Option<Vec<PathBuf>>,
    /// What the operator should know.
    pub(crate) note: Option<&'static str>,
}

/// Restricts this thread and all it starts, as configured.
///
/// # Errors
/// When it is required and cannot be had, or a listed path is not there.
pub(crate) fn restrict(
    config: &Config,
    config_file: Option<&Path>,
) -> Result<Restricted, LandlockError> {
    let rights = &config.rights;
    if rights.landlock == Landlock::Off {
        return Ok(Restricted::default());
    }
    let (read, all) = (AccessFs::from_read(KNOWN), AccessFs::from_all(KNOWN));
    let device = AccessFs::WriteFile | AccessFs::IoctlDev | read;
    let places = Places::of(config, config_file);
    let mut writable = [&places.write[..], &rights.write].concat();
    writable.sort();
    writable.dedup();
    let ruleset = Ruleset::default().handle_access(all)?.create()?;
    // What the system may lack is passed over; what somebody has listed must be there.
    let status = ruleset
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(["/dev"], device))?
        .add_rules(path_beneath_rules(places.read, read))?
        .add_rules(path_beneath_rules(places.write, all))?
        .add_rules(listed("landlock_read", &rights.read, read)?)?
        .add_rules(listed("landlock_write", &rights.write, all)?)?
        .restrict_self()?;
    match (status.ruleset, rights.landlock) {
        (RulesetStatus::FullyEnforced, _) => {
            Ok(Restricted { writable: Some(writable), note: None })
        }
        (RulesetStatus::PartiallyEnforced, _) => Ok(Restricted {
            writable: Some(writable),
            note: Some("landlock: this kernel restricts a part of what it is asked for"),
        }),
        (RulesetStatus::NotEnforced, Landlock::Require) => Err(LandlockError::NotOffered),
        (RulesetStatus::NotEnforced, _) => Ok(Restricted {
            writable: None,
            note: Some("landlock: not offered by this kernel, nothing is restricted"),
        }),
    }
}

type Rule = Result<PathBeneath<PathFd>, RulesetError>;

fn listed(
    key: &'static str,
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
) -> Result<Vec<Rule>, LandlockError> {
    for path in paths {
        PathFd::new(path).map_err(|source| LandlockError::Path { key, source })?;
    }
    Ok(path_beneath_rules(paths, access).collect())
}

/// What the configuration has the daemon itself read and write. Directories, for files are exchanged by renaming.
#[derive(Debug, Default)]
struct Places {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

impl Places {
    fn of(config: &Config, config_file: Option<&Path>) -> Self {
        let mut places = Self::default();
        places.read.extend(config_file.map(directory));
        // It is started once more for each plugin file, to try that.
        places.read.extend(std::env::current_exe());
        places.read.extend(config.plugins_dir.clone());
        let secrets = config.places.values().chain(config.gateway.secrets.places());
        places.read.extend(secrets.filter_map(|source| source.file()).map(directory));
        for server in config.servers.iter() {
            places.certificates(&server.tls);
            places.listener(&server.listen);
            places.log(&server.log);
        }
        places.log(&config.log.target);
        config.admin.iter().for_each(|listen| places.listener(listen));
        places.write.extend(config.pid_file.as_deref().map(directory));
        places.write.extend(config.plugins.crash_file.as_deref().map(directory));
        places.write.push(config.spool.dir.clone());
        let runtime_dir = config.plugins.runtime_dir.clone();
        places.write.push(runtime_dir.unwrap_or_else(std::env::temp_dir));
        places
    }

    fn certificates(&mut self, tls: &crate::config::Tls) {
        let first = match &tls.mode {
            TlsMode::Off => None,
            TlsMode::StartTls(pair) | TlsMode::Always(pair) => Some(pair),
        };
        for KeyPair { certificate_chain, private_key } in first.into_iter().chain(&tls.certificates)
        {
            for path in [certificate_chain, private_key] {
                // Where a link leads counts, too: certificates are renewed by changing links.
                self.read.extend(path.canonicalize().ok().as_deref().map(directory));
                self.read.push(directory(path));
            }
        }
        self.read.extend(tls.client_roots.as_deref().map(directory));
    }

    fn listener(&mut self, listen: &Listen) {
        if let Listen::Unix { path, .. } = listen {
            self.write.push(directory(path));
        }
    }

    fn log(&mut self, target: &LogTarget) {
        if let LogTarget::File(path) = target {
            self.write.push(directory(path));
        }
    }
}

/// Where a file is.
fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The newest kernel interface that this knows all access rights of.
const KNOWN: ABI = ABI::V5;

/// What any program reads: libraries, the resolver's files, time zones, roots of TLS, what the kernel tells.
const SYSTEM: [&str; 10] =
    ["/bin", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr"];

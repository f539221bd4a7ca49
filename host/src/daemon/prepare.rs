//! Everything of a configuration that can fail, made before anything of it is put to work: a start or a reload either
//! happens as a whole or changes nothing.

use std::io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, StorageFull};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;

use nix::sys::resource::{Resource, getrlimit};

use super::error::StartError;
use super::examine::files::directory;
use super::examine::place_of;
use super::examine::sockets::missing_directory;
use super::plugins::PluginFiles;
use crate::config::{self, Change, Config, ServerChange};
use crate::mail::Storage;
use crate::net::tls::Acceptor;
use crate::net::{self, BindError, Claimed, Passed, Server, Sockets};
use crate::observe::{Log, PreparedLog};
use crate::pipeline::{Pipeline, assemble};

/// What there is already, as far as a reload goes by it.
#[derive(Clone, Default)]
pub(super) struct Present {
    pub(super) pipeline: Option<Arc<Pipeline>>,
    /// None: the log is somebody else's.
    pub(super) log: Option<Log>,
    pub(super) files: PluginFiles,
    pub(super) servers: Vec<(config::Listen, Arc<Server>)>,
    pub(super) addresses: Vec<SocketAddr>,
    /// Where the admin interface is.
    pub(super) admin: Option<config::Listen>,
    /// Sockets that need not be bound.
    pub(super) passed: Passed,
}

/// A configuration that will work.
pub(super) struct Prepared {
    pub(super) pipeline: Pipeline,
    pub(super) log: Option<PreparedLog>,
    /// None: the admin interface stays where it is.
    pub(super) admin: Option<Sockets>,
    pub(super) files: PluginFiles,
    /// The enabled servers, in the order of the configuration.
    pub(super) servers: Vec<PreparedServer>,
}

/// A server that is to be put to work.
pub(super) struct PreparedServer {
    /// Its place in `servers`.
    pub(super) index: usize,
    pub(super) tls: Option<Arc<Acceptor>>,
    /// None: it is listened on already.
    pub(super) sockets: Option<Claimed>,
}

impl Present {
    fn server(&self, listen: &config::Listen) -> Option<&Arc<Server>> {
        self.servers.iter().find(|(own, _)| own == listen).map(|(_, server)| server)
    }
}

impl Prepared {
    /// Adds what has changed of files that the configuration only names.
    pub(super) fn note_files(&self, config: &Config, present: &Present, changes: &mut Vec<Change>) {
        let renewed = present.pipeline.iter().flat_map(|old| self.pipeline.renewed_since(old));
        for (stage, file) in renewed {
            tracing::info!("{stage}: file {} has changed and is in use", file.display());
            if !changes.contains(&Change::Gateway) {
                changes.insert(0, Change::Gateway);
            }
        }
        if !changes.contains(&Change::Plugins) && self.files.differ_from(&present.files) {
            changes.push(Change::Plugins);
        }
        for server in &self.servers {
            let listen = &config.servers[server.index].listen;
            let old = present.servers.iter().find(|(own, _)| own == listen);
            let renewed = match (old.and_then(|(_, old)| old.tls()), &server.tls) {
                (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
                _ => false,
            };
            let change = Change::Server { listen: listen.clone(), what: ServerChange::Tls };
            if renewed && !changes.contains(&change) {
                changes.push(change);
            }
        }
    }
}

/// Makes all that `config` needs beside what is there. Blocks: plugins are tried and started.
pub(super) fn prepare(
    config: &Config,
    present: &Present,
    threads: usize,
) -> Result<Prepared, StartError> {
    check_file_limit(config)?;
    check_spool(config)?;
    let log = present.log.as_ref().map(|log| log.prepare(config)).transpose()?;
    let enabled = || config.servers.iter().enumerate().filter(|(_, server)| server.enabled);
    // Files of a disabled server need not be there.
    let tls: Vec<_> = enabled()
        .map(|(index, server)| acceptor(index, server, present))
        .collect::<Result<_, _>>()?;
    present.passed.assign(&config.servers);
    let sockets: Vec<_> = enabled()
        .map(|(index, server)| sockets(index, server, present, threads))
        .collect::<Result<_, _>>()?;
    let admin = admin(config, present)?;
    let mut files = present.files.clone();
    let catalogue = files.catalogue(config)?;
    // Last, for it starts the stages.
    let pipeline = assemble(&config.gateway, &catalogue, present.pipeline.as_deref())?;
    let servers = enabled().zip(tls).zip(sockets);
    let servers =
        servers.map(|(((index, _), tls), sockets)| PreparedServer { index, tls, sockets });
    Ok(Prepared { pipeline, log, admin, files, servers: servers.collect() })
}

fn acceptor(
    index: usize,
    server: &config::Server,
    present: &Present,
) -> Result<Option<Arc<Acceptor>>, StartError> {
    let old = present.server(&server.listen).and_then(|server| server.tls());
    match old.filter(|old| old.is_current(&server.tls)) {
        Some(old) => Ok(Some(Arc::clone(old))),
        None => Acceptor::open(&server.tls, &server.listen.to_string()).map_err(|source| {
            StartError::Tls { index, pair: place_of(&server.tls, &source), source }
        }),
    }
}

fn sockets(
    index: usize,
    server: &config::Server,
    present: &Present,
    threads: usize,
) -> Result<Option<Claimed>, StartError> {
    if present.server(&server.listen).is_some() {
        return Ok(None);
    }
    let refused = |source| StartError::Bind { index, source };
    if let Some(claimed) = present.passed.claim(&server.listen, threads).map_err(refused)? {
        return Ok(Some(claimed));
    }
    let sockets = bind(&server.listen, threads, &present.addresses).map_err(refused)?;
    Ok(Some(Claimed { sockets, lasting: false }))
}

/// Binds what the servers listen on and nobody has handed over, for a daemon that will not be able to later; of that,
/// what is `wanted`.
pub(crate) fn bind_ahead(
    config: &Config,
    passed: &Passed,
    wanted: impl Fn(&config::Listen) -> bool,
) -> Result<(), StartError> {
    for (index, server) in config.servers.iter().enumerate() {
        if server.enabled && !passed.has(&server.listen) && wanted(&server.listen) {
            let sockets = bind(&server.listen, threads(), &[])
                .map_err(|source| StartError::Bind { index, source })?;
            passed.add(&server.listen, sockets);
        }
    }
    Ok(())
}

/// Threads that serve connections: one for each core.
pub(super) fn threads() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn admin(config: &Config, present: &Present) -> Result<Option<Sockets>, StartError> {
    match config.admin.as_ref().filter(|_| config.admin != present.admin) {
        Some(listen) => bind(listen, 1, &[]).map(Some).map_err(StartError::Admin),
        None => Ok(None),
    }
}

/// Of a Unix socket the system does not say what is missing: its directory, or the right to make files there.
fn bind(
    listen: &config::Listen,
    threads: usize,
    beside: &[SocketAddr],
) -> Result<Sockets, BindError> {
    net::bind(listen, threads, beside).map_err(|mut error| {
        let config::Listen::Unix { path, .. } = listen else { return error };
        let why = match error.source.kind() {
            NotFound => missing_directory(path),
            PermissionDenied if !path.exists() => {
                Some(format!("directory {}: {}", directory(path).display(), error.source))
            }
            _ => None,
        };
        // Of a kind for which there is no hint: those are about ports.
        error.source = why.map_or(error.source, std::io::Error::other);
        error
    })
}

/// Whether large messages have a place: it would be noticed with the first of them.
pub(super) fn check_spool(config: &Config) -> Result<(), StartError> {
    let dir = &config.spool.dir;
    match Storage::try_dir(dir) {
        // That passes, and the mail that needs no file can be taken meanwhile.
        Err(error) if matches!(error.kind(), StorageFull | QuotaExceeded) => Ok(()),
        tried => tried.map_err(|source| StartError::Spool { dir: dir.clone(), source }),
    }
}

/// As go-guerrilla checks it: all servers, disabled ones too, against the hard limit.
pub(super) fn check_file_limit(config: &Config) -> Result<(), StartError> {
    let clients = config.clients_total();
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((_, hard)) if clients > hard => Err(StartError::FileLimit { clients, limit: hard }),
        _ => Ok(()),
    }
}

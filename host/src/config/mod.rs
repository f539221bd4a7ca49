//! The config file, `goguerrilla.conf.json`: from JSON to settings that are ready to use.
//!
//! ```text
//! text -> json (in file order) -> raw (what was typed) -> Config (what it means)
//!                                   ^ vocabulary: every key
//! ```
//!
//! The file is go-guerrilla's: a config that ran there loads here. `raw` alone knows how the file
//! spells things; a [`Config`] has all defaults applied and every value checked, so nothing behind it
//! asks again. A file is judged as a whole: all errors come at once, each with its key's path, and
//! whatever is odd but harmless becomes a warning.
//!
//! Never: opens sockets, keys or log files, or changes anything. Loading twice is safe at any time. Beside itself it
//! reads the files that it names in the place of a string (`reference`).

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod admin;
mod allowed_hosts;
mod change;
mod closest;
pub mod duration;
mod file;
mod gateway;
mod glob;
mod host_name;
mod instances;
mod json;
mod limits;
mod listen;
mod log;
mod migrate;
mod network;
mod plugins;
mod problem;
mod raw;
mod reference;
mod rights;
mod schema;
mod section;
mod server;
mod spool;
mod tls;
mod tls_names;
mod vocabulary;
mod written;

pub use allowed_hosts::AllowedHosts;
pub use change::{Change, ServerChange};
pub use closest::closest;
pub(crate) use file::read_text;
pub use file::{DefaultFile, default_path};
pub use gateway::{ChainSpec, EmptyElement, Gateway};
pub use host_name::{HostName, HostNameError};
pub use instances::{OnFailure, ProcessorSection};
pub use limits::Limits;
pub use listen::{Listen, ListenError};
pub use log::{Log, LogFormat, LogLevel, LogTarget};
pub(crate) use migrate::migrate;
pub use network::{Network, NetworkError};
pub use plugins::Plugins;
pub(crate) use problem::key_path;
pub use problem::{ConfigError, Problem};
pub use reference::{Secrets, Source};
pub use rights::{Landlock, Rights};
pub(crate) use schema::{Described, json_schema};
pub use server::{BareNewline, Extensions, Protocol, ProxyProtocol, Server};
pub use spool::Spool;
pub use tls::{KeyPair, Tls, TlsMode, TlsVersions};
pub use tls_names::{CipherSuite, ClientAuth, NamedGroup, TlsVersion};
pub(crate) use written::written;

use json::Json;
use problem::Findings;
use raw::{RawConfig, RawServer};

/// Everything that can be configured, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The servers (`servers`); never empty after loading.
    pub servers: Vec<Server>,
    /// The domains that mail is taken for (`allowed_hosts`, the machine's own name when left out).
    pub allowed_hosts: AllowedHosts,
    /// Where the process id is written (`pid_file`); `None` when the file does not say.
    pub pid_file: Option<PathBuf>,
    /// The daemon's log (`log_file`, `log_level`, `log_format`).
    pub log: Log,
    /// Where operators' tools may ask (`admin_listen`); nowhere without.
    pub admin: Option<Listen>,
    /// Whether the admin interface shows the beginning of messages beside their envelopes (`admin_show_bodies`).
    pub admin_show_bodies: bool,
    /// What happens to mail (`backend_config`).
    pub gateway: Gateway,
    /// Where plugins are looked for (`plugins_dir`); `None` when the file does not say.
    pub plugins_dir: Option<PathBuf>,
    /// Which plugins are let in.
    pub plugins: Plugins,
    /// Where messages are while they are on their way.
    pub spool: Spool,
    /// As whom the daemon runs, and what is left to it.
    pub rights: Rights,
    /// Keys whose values stand in a file or a variable of the environment (`{"file": ...}`, `{"env": ...}`), by path.
    /// Those of processors are in [`Gateway::secrets`].
    pub places: BTreeMap<String, Source>,
}

/// A config with what was noticed on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What the operator should know: unknown keys, keys without effect, risky values.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads a config file.
    ///
    /// # Errors
    /// When the file cannot be read or anything in it is wrong.
    pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
        Self::from_json(&read_text(path)?, &path.display().to_string())
    }

    /// Reads a config from JSON. `origin` is what errors call the text, a file name as a rule.
    ///
    /// ```
    /// # use guerrilla::config::Config;
    /// let text = r#"{"servers": [{"is_enabled": true, "listen_interface": "127.0.0.1:2525"}],
    ///                "backend_config": {"save_process": "Header|MailDir"}, "log_levle": "debug"}"#;
    /// let loaded = Config::from_json(text, "example")?;
    /// assert_eq!(loaded.config.gateway.save.names, ["Header", "MailDir"]);
    /// assert_eq!(
    ///     loaded.warnings[0].to_string(),
    ///     r#"log_levle: unknown key, ignored; did you mean "log_level"?"#
    /// );
    /// # Ok::<(), guerrilla::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// When anything is wrong; all of it is in the error.
    pub fn from_json(text: &str, origin: &str) -> Result<Loaded, ConfigError> {
        let (config, problems, warnings) = Self::examine(text);
        match config {
            Some(config) if problems.is_empty() => Ok(Loaded { config, warnings }),
            _ => Err(ConfigError::Invalid { origin: origin.to_owned(), problems, warnings }),
        }
    }

    /// Reads as much as can be understood: the config (none if the text is no JSON), errors and warnings. What an error
    /// is about stands there as its default.
    pub(crate) fn examine(text: &str) -> (Option<Self>, Vec<Problem>, Vec<Problem>) {
        let mut findings = Findings::default();
        let config = match Json::parse(text) {
            Ok(json) => {
                let raw = RawConfig::read(json, &mut findings);
                Some(Self::check(raw, &mut findings))
            }
            Err(problem) => {
                findings.errors.push(problem);
                None
            }
        };
        (config, findings.errors, findings.warnings)
    }

    /// The config of a daemon without a config file: one server on 127.0.0.1:2525 that takes mail for
    /// this machine's name and logs it.
    #[must_use]
    pub fn defaults() -> Self {
        Self {
            servers: vec![Server::new(Listen::default())],
            allowed_hosts: AllowedHosts::new([HostName::of_this_machine()]).0,
            pid_file: None,
            log: Log::default(),
            admin: None,
            admin_show_bodies: false,
            gateway: Gateway::default(),
            plugins_dir: None,
            plugins: Plugins::default(),
            spool: Spool::default(),
            rights: Rights::default(),
            places: BTreeMap::new(),
        }
    }

    /// The sum of `max_clients` over all servers, for the check against the limit of open files.
    /// Disabled servers count, since a reload may enable them.
    #[must_use]
    pub fn clients_total(&self) -> u64 {
        self.servers.iter().map(|server| u64::from(server.max_clients)).sum()
    }

    /// The keys of `backend_config` that neither the gateway nor anybody in `known` reads: a warning
    /// each, with the key that was probably meant.
    #[must_use]
    pub fn unclaimed_backend_keys(&self, known: &[&str]) -> Vec<Problem> {
        self.gateway.unclaimed(known)
    }

    /// Gives meaning to what was typed. After an error the value is good for nothing.
    fn check(mut raw: RawConfig, findings: &mut Findings) -> Self {
        let usual = Self::defaults();
        let rights = Rights::check(&mut raw, findings);
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let log = Log {
            target: given(raw.log_file).map_or(usual.log.target, LogTarget::read),
            level: given(raw.log_level)
                .map_or(usual.log.level, |level| LogLevel::check(&level, findings)),
            format: given(raw.log_format)
                .map_or(usual.log.format, |format| LogFormat::check(&format, findings)),
        };
        let allowed_hosts = match raw.allowed_hosts.filter(|hosts| !hosts.is_empty()) {
            Some(hosts) => {
                let (hosts, warnings) = AllowedHosts::new(hosts);
                findings.warnings.extend(warnings);
                hosts
            }
            None => usual.allowed_hosts,
        };
        let admin = admin::check(given(raw.admin_listen).as_deref(), findings);
        Self {
            servers: raw
                .servers
                .filter(|servers| !servers.is_empty())
                .map_or(usual.servers, |servers| {
                    check_servers(servers, &log.target, admin.as_ref(), findings)
                }),
            allowed_hosts,
            pid_file: given(raw.pid_file).map(PathBuf::from),
            log,
            admin,
            admin_show_bodies: raw.admin_show_bodies.unwrap_or(usual.admin_show_bodies),
            gateway: Gateway::check(raw.backend_config, findings),
            plugins_dir: given(raw.plugins_dir).map(PathBuf::from),
            plugins: Plugins {
                runtime_dir: given(raw.plugins_runtime_dir).map(PathBuf::from),
                allow: raw.plugins_allow,
                sha256: Plugins::pins(raw.plugins_sha256, findings),
                skip_broken: Plugins::on_error(raw.plugins_on_error.as_deref(), findings),
                watch: Plugins::watch(raw.plugins_watch.as_deref(), findings),
                safe_mode: false,
                crash_file: given(raw.plugins_crash_file).map(PathBuf::from),
            },
            spool: Spool::check(
                raw.spool_threshold,
                given(raw.spool_dir),
                raw.max_memory,
                findings,
            ),
            rights,
            // Last: by now every key has been read.
            places: std::mem::take(&mut findings.places),
        }
    }
}

fn check_servers(
    raw: Vec<RawServer>,
    log: &LogTarget,
    admin: Option<&Listen>,
    findings: &mut Findings,
) -> Vec<Server> {
    let places: Vec<_> = raw.iter().map(|server| server.at.clone()).collect();
    let servers: Vec<_> =
        raw.into_iter().map(|server| Server::check(server, log, findings)).collect();
    // A listener that could not be read stands there as the default one.
    let is_readable =
        |index: &usize| !findings.has_error_at(&format!("{}.listen_interface", places[*index]));
    let readable: Vec<usize> = (0..servers.len()).filter(is_readable).collect();
    for (later, server) in servers.iter().enumerate() {
        // Of two that take each other's addresses one may be switched off; the same one twice are two names of one server.
        let clashes = |other: &Server| {
            other.listen.is_again(&server.listen)
                || (other.enabled && server.enabled && other.listen.clashes_with(&server.listen))
        };
        let mut earlier = readable.iter().filter(|earlier| **earlier < later);
        if let Some(earlier) = earlier.find(|earlier| clashes(&servers[**earlier]))
            && readable.contains(&later)
        {
            let place = &places[*earlier];
            findings.error(
                format!("{}.listen_interface", places[later]),
                format!("{} is taken by {place}; each server needs its own", server.listen),
            );
        }
    }
    // Port 0 is another one each time.
    let is_any =
        |admin: &&Listen| matches!(admin, Listen::Tcp { address, .. } if address.port() == 0);
    if let Some(admin) = admin.filter(|admin| !is_any(admin)) {
        let clashes = |server: &Server| server.enabled && server.listen.clashes_with(admin);
        if let Some(index) = readable.iter().find(|index| clashes(&servers[**index])) {
            let place = &places[*index];
            findings.error(
                "admin_listen",
                format!("{admin} is taken by {place}; it needs an address of its own"),
            );
        }
    }
    if !servers.iter().any(|server| server.enabled) {
        findings.warn("servers", "none of them is enabled, so no mail is taken");
    }
    servers
}

#[cfg(test)]
mod tests;

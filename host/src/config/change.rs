//! What a new configuration changes, told by the names that go-guerrilla's events have.

use std::fmt;

use super::{Config, Listen, Server};

/// One thing that a reload has changed.
///
/// [`Display`](fmt::Display) gives the name of go-guerrilla's event, such as `config_change:allowed_hosts`; what it had
/// no event for has a name of the same form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The chains or the settings of processors (`backend_config`), or the files they name.
    Gateway,
    /// Anything at all; also a file behind the configuration.
    Config,
    /// The hosts that mail is taken for (`allowed_hosts`).
    AllowedHosts,
    /// The pid file (`pid_file`).
    PidFile,
    /// Where the daemon's log goes (`log_file`).
    LogFile,
    /// How much is logged (`log_level`).
    LogLevel,
    /// What a line looks like (`log_format`).
    LogFormat,
    /// The daemon's log file was opened anew under its name.
    LogReopened,
    /// Where bodies wait and how much memory they may take (`spool_dir`, `spool_threshold`, `max_memory`).
    Spool,
    /// Where the admin interface is and what it shows (`admin_listen`, `admin_show_bodies`).
    Admin,
    /// Which plugins are let in, or their files (`plugins_dir` and its kin).
    Plugins,
    /// A server.
    Server {
        /// Which.
        listen: Listen,
        /// What of it.
        what: ServerChange,
    },
}

/// What has changed of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerChange {
    /// It is new.
    New,
    /// It is no longer there.
    Removed,
    /// Anything of it, for connections from now on.
    Updated,
    /// It was disabled and listens now.
    Started,
    /// It was enabled and listens no longer.
    Stopped,
    /// Where its log goes (`log_file`).
    LogFile,
    /// Its log file was opened anew under its name.
    LogReopened,
    /// How long a client may take (`timeout`).
    Timeout,
    /// How many clients are let in (`max_clients`).
    MaxClients,
    /// Its TLS settings, or the files they name.
    Tls,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "config_change:backend_config",
            Self::Config => "config_change:new_config",
            Self::AllowedHosts => "config_change:allowed_hosts",
            Self::PidFile => "config_change:pid_file",
            Self::LogFile => "config_change:log_file",
            Self::LogLevel => "config_change:log_level",
            Self::LogFormat => "config_change:log_format",
            Self::LogReopened => "config_change:reopen_log_file",
            Self::Spool => "config_change:spool",
            Self::Admin => "config_change:admin",
            Self::Plugins => "config_change:plugins",
            Self::Server { what, .. } => match what {
                ServerChange::New => "server_change:new_server",
                ServerChange::Removed => "server_change:remove_server",
                ServerChange::Updated => "server_change:update_config",
                ServerChange::Started => "server_change:start_server",
                ServerChange::Stopped => "server_change:stop_server",
                ServerChange::LogFile => "server_change:new_log_file",
                ServerChange::LogReopened => "server_change:reopen_log_file",
                ServerChange::Timeout => "server_change:timeout",
                ServerChange::MaxClients => "server_change:max_clients",
                ServerChange::Tls => "server_change:tls_config",
            },
        })
    }
}

impl Config {
    /// What is different in `new`, in the order in which go-guerrilla tells it. Files that the configuration only
    /// names (certificates, plugins) are not looked at.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut note = |differs: bool, change| {
            if differs {
                changes.push(change);
            }
        };
        note(self.gateway != new.gateway, Change::Gateway);
        note(self != new, Change::Config);
        note(self.allowed_hosts != new.allowed_hosts, Change::AllowedHosts);
        note(self.pid_file != new.pid_file, Change::PidFile);
        note(self.log.target != new.log.target, Change::LogFile);
        note(self.log.level != new.log.level, Change::LogLevel);
        note(self.log.format != new.log.format, Change::LogFormat);
        note(self.spool != new.spool, Change::Spool);
        let admin = (&self.admin, self.admin_show_bodies) != (&new.admin, new.admin_show_bodies);
        note(admin, Change::Admin);
        let plugins = (&self.plugins_dir, &self.plugins) != (&new.plugins_dir, &new.plugins);
        note(plugins, Change::Plugins);
        for server in &new.servers {
            let whats = match self.server(&server.listen) {
                Some(old) => server_changes(old, server),
                None => vec![ServerChange::New],
            };
            changes.extend(whats.into_iter().map(|what| of(server, what)));
        }
        let gone = self.servers.iter().filter(|old| new.server(&old.listen).is_none());
        changes.extend(gone.map(|old| of(old, ServerChange::Removed)));
        changes
    }

    /// The server that listens there.
    #[must_use]
    pub fn server(&self, listen: &Listen) -> Option<&Server> {
        self.servers.iter().find(|server| server.listen == *listen)
    }
}

fn of(server: &Server, what: ServerChange) -> Change {
    Change::Server { listen: server.listen.clone(), what }
}

/// Nothing but that it was started or stopped is told of a server that was.
fn server_changes(old: &Server, new: &Server) -> Vec<ServerChange> {
    if old == new {
        return Vec::new();
    }
    let mut changes = vec![ServerChange::Updated];
    match (old.enabled, new.enabled) {
        (false, true) => changes.push(ServerChange::Started),
        (true, false) => changes.push(ServerChange::Stopped),
        _ => {
            let differences = [
                (old.log != new.log, ServerChange::LogFile),
                (old.timeout != new.timeout, ServerChange::Timeout),
                (old.max_clients != new.max_clients, ServerChange::MaxClients),
                (old.tls != new.tls, ServerChange::Tls),
            ];
            changes
                .extend(differences.iter().filter(|(differs, _)| *differs).map(|(_, what)| what));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::from_json(text, "test").unwrap().config
    }

    fn names(old: &str, new: &str) -> Vec<String> {
        config(old).changes(&config(new)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_same_is_no_change() {
        let text = r#"{"servers": [{"is_enabled": true, "listen_interface": "127.0.0.1:2525"}]}"#;
        assert_eq!(names(text, text), [""; 0]);
    }

    #[test]
    fn every_event_of_go_guerrilla_has_its_cause() {
        let old = r#"{"servers": [
            {"is_enabled": true, "listen_interface": "127.0.0.1:1"},
            {"is_enabled": true, "listen_interface": "127.0.0.1:2"},
            {"is_enabled": true, "listen_interface": "127.0.0.1:3"},
            {"is_enabled": false, "listen_interface": "127.0.0.1:4"}]}"#;
        let new = r#"{"log_file": "off", "log_level": "debug", "log_format": "json", "pid_file": "/tmp/p",
            "allowed_hosts": ["new.example"], "max_memory": 1000000, "plugins_dir": "/plugins",
            "backend_config": {"save_process": "Debugger"},
            "servers": [
            {"is_enabled": true, "listen_interface": "127.0.0.1:2", "timeout": 7, "max_clients": 9,
             "log_file": "stdout", "tls": {"tls_always_on": false, "start_tls_on": false,
             "protocols": ["tls1.3", "tls1.3"]}},
            {"is_enabled": false, "listen_interface": "127.0.0.1:3"},
            {"is_enabled": true, "listen_interface": "127.0.0.1:4"},
            {"is_enabled": true, "listen_interface": "127.0.0.1:5"}]}"#;
        assert_eq!(
            names(old, new),
            [
                "config_change:backend_config",
                "config_change:new_config",
                "config_change:allowed_hosts",
                "config_change:pid_file",
                "config_change:log_file",
                "config_change:log_level",
                "config_change:log_format",
                "config_change:spool",
                "config_change:plugins",
                "server_change:update_config",
                "server_change:new_log_file",
                "server_change:timeout",
                "server_change:max_clients",
                "server_change:tls_config",
                "server_change:update_config",
                "server_change:stop_server",
                "server_change:update_config",
                "server_change:start_server",
                "server_change:new_server",
                "server_change:remove_server",
            ]
        );
    }
}

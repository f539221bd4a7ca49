//! The mirror of the file: what somebody typed, in go-guerrilla's spelling, without meaning.
//!
//! Never: defaults, ranges, files (but what `text_or_place` reads), names of this machine. `None` is "not given".
//! Types are settled here, because a value of the wrong type cannot be mirrored; everything else is the business of the
//! checked side (`server`, `tls`, `gateway` and the module itself).

use serde_json::{Map, Value};

use super::json::Json;
use super::problem::{Findings, key_path};
use super::section::Section;
use super::vocabulary::{BACKEND, CERTIFICATE, EXTENSIONS, SERVER, TLS, TOP};

/// The file as a whole.
#[derive(Debug, Default)]
pub(super) struct RawConfig {
    pub(super) servers: Option<Vec<RawServer>>,
    pub(super) allowed_hosts: Option<Vec<String>>,
    pub(super) pid_file: Option<String>,
    pub(super) log_file: Option<String>,
    pub(super) log_level: Option<String>,
    pub(super) log_format: Option<String>,
    pub(super) admin_listen: Option<String>,
    pub(super) admin_show_bodies: Option<bool>,
    pub(super) plugins_dir: Option<String>,
    pub(super) plugins_runtime_dir: Option<String>,
    pub(super) plugins_allow: Option<Vec<String>>,
    pub(super) plugins_sha256: Option<Vec<(String, String)>>,
    pub(super) plugins_on_error: Option<String>,
    pub(super) plugins_watch: Option<String>,
    pub(super) plugins_crash_file: Option<String>,
    pub(super) spool_threshold: Option<i64>,
    pub(super) spool_dir: Option<String>,
    pub(super) max_memory: Option<i64>,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    pub(super) umask: Option<String>,
    pub(super) landlock: Option<String>,
    pub(super) landlock_read: Option<Vec<String>>,
    pub(super) landlock_write: Option<Vec<String>>,
    pub(super) backend_config: Option<RawBackend>,
}

impl RawConfig {
    pub(super) fn read(json: Json, findings: &mut Findings) -> Self {
        let Some(mut top) = Section::open(json, String::new(), &TOP, findings) else {
            return Self::default();
        };
        Self {
            servers: top.sections("servers", &SERVER, RawServer::read),
            allowed_hosts: top.texts("allowed_hosts"),
            pid_file: top.text("pid_file"),
            log_file: top.text("log_file"),
            log_level: top.text("log_level"),
            log_format: top.text("log_format"),
            admin_listen: top.text("admin_listen"),
            admin_show_bodies: top.flag("admin_show_bodies"),
            plugins_dir: top.text("plugins_dir"),
            plugins_runtime_dir: top.text("plugins_runtime_dir"),
            plugins_allow: top.texts("plugins_allow"),
            plugins_sha256: top.texts_by_name("plugins_sha256"),
            plugins_on_error: top.text("plugins_on_error"),
            plugins_watch: top.text("plugins_watch"),
            plugins_crash_file: top.text("plugins_crash_file"),
            spool_threshold: top.whole("spool_threshold"),
            spool_dir: top.text("spool_dir"),
            max_memory: top.whole("max_memory"),
            user: top.text("user"),
            group: top.text("group"),
            umask: top.text("umask"),
            landlock: top.text("landlock"),
            landlock_read: top.texts("landlock_read"),
            landlock_write: top.texts("landlock_write"),
            backend_config: RawBackend::read(&mut top),
        }
    }
}

/// One element of `servers`.
#[derive(Debug, Default)]
pub(super) struct RawServer {
    /// Where it stands, `servers[0]`.
    pub(super) at: String,
    pub(super) is_enabled: Option<bool>,
    pub(super) listen_interface: Option<String>,
    pub(super) host_name: Option<String>,
    pub(super) max_size: Option<i64>,
    pub(super) timeout: Option<i64>,
    pub(super) max_clients: Option<i64>,
    pub(super) log_file: Option<String>,
    pub(super) xclient_on: Option<bool>,
    pub(super) tls: RawTls,
    pub(super) v6only: Option<bool>,
    pub(super) unix_mode: Option<String>,
    pub(super) unix_owner: Option<String>,
    pub(super) socket_name: Option<String>,
    pub(super) max_clients_per_ip: Option<i64>,
    pub(super) max_connects_per_minute: Option<i64>,
    pub(super) session_timeout: Option<i64>,
    pub(super) min_data_rate: Option<i64>,
    pub(super) proxy_protocol: Option<String>,
    pub(super) xforward_on: Option<bool>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) protocol: Option<String>,
    pub(super) require_helo: Option<bool>,
    pub(super) bare_newline: Option<String>,
    pub(super) greet_delay: Option<String>,
    pub(super) extensions: RawExtensions,
    pub(super) max_rcpt: Option<i64>,
    pub(super) max_errors: Option<i64>,
    pub(super) max_unrecognised: Option<i64>,
    pub(super) max_messages: Option<i64>,
}

impl RawServer {
    fn read(mut server: Section<'_>) -> Self {
        Self {
            at: server.path().to_owned(),
            is_enabled: server.flag("is_enabled"),
            listen_interface: server.text_or_place("listen_interface"),
            host_name: server.text_or_place("host_name"),
            max_size: server.whole("max_size"),
            timeout: server.whole("timeout"),
            max_clients: server.whole("max_clients"),
            log_file: server.text("log_file"),
            xclient_on: server.flag("xclient_on"),
            tls: server.section("tls", &TLS).map(RawTls::read).unwrap_or_default(),
            v6only: server.flag("v6only"),
            unix_mode: server.text("unix_mode"),
            unix_owner: server.text("unix_owner"),
            socket_name: server.text("socket_name"),
            max_clients_per_ip: server.whole("max_clients_per_ip"),
            max_connects_per_minute: server.whole("max_connects_per_minute"),
            session_timeout: server.whole("session_timeout"),
            min_data_rate: server.whole("min_data_rate"),
            proxy_protocol: server.text("proxy_protocol"),
            xforward_on: server.flag("xforward_on"),
            trusted_proxies: server.texts("trusted_proxies"),
            protocol: server.text("protocol"),
            require_helo: server.flag("require_helo"),
            bare_newline: server.text("bare_newline"),
            greet_delay: server.text("greet_delay"),
            extensions: server
                .section("extensions", &EXTENSIONS)
                .map(RawExtensions::read)
                .unwrap_or_default(),
            max_rcpt: server.whole("max_rcpt"),
            max_errors: server.whole("max_errors"),
            max_unrecognised: server.whole("max_unrecognised"),
            max_messages: server.whole("max_messages"),
        }
    }
}

/// `servers[].tls`.
#[derive(Debug, Default)]
pub(super) struct RawTls {
    pub(super) start_tls_on: Option<bool>,
    pub(super) tls_always_on: Option<bool>,
    pub(super) private_key_file: Option<String>,
    pub(super) public_key_file: Option<String>,
    pub(super) protocols: Option<Vec<String>>,
    pub(super) ciphers: Option<Vec<String>>,
    pub(super) curves: Option<Vec<String>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) root_cas_file: Option<String>,
    pub(super) client_auth_type: Option<String>,
    pub(super) tls_required: Option<bool>,
    pub(super) certificates: Option<Vec<RawCertificate>>,
    pub(super) certificate_check_interval: Option<String>,
}

impl RawTls {
    fn read(mut tls: Section<'_>) -> Self {
        Self {
            start_tls_on: tls.flag("start_tls_on"),
            tls_always_on: tls.flag("tls_always_on"),
            private_key_file: tls.text("private_key_file"),
            public_key_file: tls.text("public_key_file"),
            protocols: tls.texts("protocols"),
            ciphers: tls.texts("ciphers"),
            curves: tls.texts("curves"),
            prefer_server_cipher_suites: tls.flag("prefer_server_cipher_suites"),
            root_cas_file: tls.text("root_cas_file"),
            client_auth_type: tls.text("client_auth_type"),
            tls_required: tls.flag("tls_required"),
            certificates: tls.sections("certificates", &CERTIFICATE, RawCertificate::read),
            certificate_check_interval: tls.text("certificate_check_interval"),
        }
    }
}

/// One element of `servers[].tls.certificates`.
#[derive(Debug, Default)]
pub(super) struct RawCertificate {
    /// Where it stands, `servers[0].tls.certificates[0]`.
    pub(super) at: String,
    pub(super) private_key_file: Option<String>,
    pub(super) public_key_file: Option<String>,
}

impl RawCertificate {
    fn read(mut certificate: Section<'_>) -> Self {
        Self {
            at: certificate.path().to_owned(),
            private_key_file: certificate.text("private_key_file"),
            public_key_file: certificate.text("public_key_file"),
        }
    }
}

/// `servers[].extensions`.
#[derive(Debug, Default)]
pub(super) struct RawExtensions {
    pub(super) pipelining: Option<bool>,
    pub(super) eight_bit_mime: Option<bool>,
    pub(super) smtputf8: Option<bool>,
    pub(super) chunking: Option<bool>,
    pub(super) binarymime: Option<bool>,
    pub(super) dsn: Option<bool>,
    pub(super) limits: Option<bool>,
    pub(super) requiretls: Option<bool>,
    pub(super) size: Option<bool>,
    pub(super) enhanced_status_codes: Option<bool>,
    pub(super) prdr: Option<bool>,
    pub(super) help: Option<bool>,
}

impl RawExtensions {
    fn read(mut extensions: Section<'_>) -> Self {
        Self {
            pipelining: extensions.flag("pipelining"),
            eight_bit_mime: extensions.flag("eight_bit_mime"),
            smtputf8: extensions.flag("smtputf8"),
            chunking: extensions.flag("chunking"),
            binarymime: extensions.flag("binarymime"),
            dsn: extensions.flag("dsn"),
            limits: extensions.flag("limits"),
            requiretls: extensions.flag("requiretls"),
            size: extensions.flag("size"),
            enhanced_status_codes: extensions.flag("enhanced_status_codes"),
            prdr: extensions.flag("prdr"),
            help: extensions.flag("help"),
        }
    }
}

/// `backend_config`: the gateway's keys, and the processors' as they are.
#[derive(Debug, Default)]
pub(super) struct RawBackend {
    pub(super) save_process: Option<String>,
    pub(super) validate_process: Option<String>,
    pub(super) connect_process: Option<String>,
    pub(super) helo_process: Option<String>,
    pub(super) mail_process: Option<String>,
    pub(super) save_workers_size: Option<i64>,
    pub(super) gw_save_timeout: Option<String>,
    pub(super) gw_val_rcpt_timeout: Option<String>,
    pub(super) primary_mail_host: Option<String>,
    pub(super) log_received_mails: Option<bool>,
    /// Everything else, case and all.
    pub(super) settings: Map<String, Value>,
    /// Whether the object is there and has any member, which changes a default.
    pub(super) has_members: bool,
}

impl RawBackend {
    fn read(top: &mut Section<'_>) -> Option<Self> {
        let (mut backend, others) = top.section_and_others("backend_config", &BACKEND)?;
        let has_members = !(backend.is_empty() && others.is_empty());
        let settings = settings(&mut backend, others);
        Some(Self {
            save_process: backend.text("save_process"),
            validate_process: backend.text("validate_process"),
            connect_process: backend.text("connect_process"),
            helo_process: backend.text("helo_process"),
            mail_process: backend.text("mail_process"),
            save_workers_size: backend.whole("save_workers_size"),
            gw_save_timeout: backend.text("gw_save_timeout"),
            gw_val_rcpt_timeout: backend.text("gw_val_rcpt_timeout"),
            primary_mail_host: backend.text_or_place("primary_mail_host"),
            log_received_mails: backend.flag("log_received_mails"),
            settings,
            has_members,
        })
    }
}

/// The processors' members as a map. Unlike everywhere else case counts, since processors look for
/// their own spelling.
fn settings(backend: &mut Section<'_>, others: Vec<(String, Json)>) -> Map<String, Value> {
    let mut settings = Map::new();
    for (key, value) in others.into_iter().filter(|(_, value)| *value != Json::Null) {
        let at = key_path(backend.path(), &key);
        if settings.insert(key, value.into_value()).is_some() {
            backend.warn_duplicate(at);
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::Vocabulary;
    use super::*;

    /// The places where a wrong value was noticed when each key of the vocabulary has one.
    fn noticed(vocabulary: &Vocabulary, wrap: impl Fn(String) -> String) -> Vec<String> {
        let members: Vec<_> = vocabulary.keys().map(|key| format!("{key:?}: 1.5")).collect();
        let text = wrap(format!("{{{}}}", members.join(", ")));
        let mut findings = Findings::default();
        RawConfig::read(Json::parse(&text).unwrap(), &mut findings);
        let mut places: Vec<_> = findings.errors.into_iter().map(|problem| problem.at).collect();
        places.sort_unstable();
        places
    }

    /// No value is right for 1.5, so a key that is in a vocabulary and not read shows up here.
    #[test]
    fn every_key_of_the_vocabularies_is_read() {
        let paths = |vocabulary: &Vocabulary, path: &str| {
            let mut paths: Vec<_> = vocabulary.keys().map(|key| key_path(path, key)).collect();
            paths.sort_unstable();
            paths
        };
        assert_eq!(noticed(&TOP, |object| object), paths(&TOP, ""));
        assert_eq!(
            noticed(&SERVER, |object| format!(r#"{{"servers":[{object}]}}"#)),
            paths(&SERVER, "servers[0]")
        );
        assert_eq!(
            noticed(&TLS, |object| format!(r#"{{"servers":[{{"tls":{object}}}]}}"#)),
            paths(&TLS, "servers[0].tls")
        );
        assert_eq!(
            noticed(&EXTENSIONS, |object| format!(r#"{{"servers":[{{"extensions":{object}}}]}}"#)),
            paths(&EXTENSIONS, "servers[0].extensions")
        );
        assert_eq!(
            noticed(&BACKEND, |object| format!(r#"{{"backend_config":{object}}}"#)),
            paths(&BACKEND, "backend_config")
        );
    }

    #[test]
    fn the_processors_settings_pass_as_they_are() {
        let text = r#"{"backend_config":{
            "sql_dsn":"a","Sql_dsn":"b","sql_dsn":"c","list":[1,{"x":null}],"none":null,
            "SAVE_workers_size":3,"save_workers_size":2,"Save_Workers_Size":4
        }}"#;
        let mut findings = Findings::default();
        let raw = RawConfig::read(Json::parse(text).unwrap(), &mut findings);
        let backend = raw.backend_config.unwrap();
        assert_eq!(
            Value::Object(backend.settings),
            serde_json::json!({"sql_dsn": "c", "Sql_dsn": "b", "list": [1, {"x": null}]})
        );
        assert_eq!(backend.save_workers_size, Some(2), "the exact spelling goes before all others");
        assert!(backend.has_members);
        let warnings: Vec<_> =
            findings.warnings.iter().map(|problem| problem.at.as_str()).collect();
        assert_eq!(warnings, ["backend_config.save_workers_size", "backend_config.sql_dsn"]);
    }
}

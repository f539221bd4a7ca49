//! Every config file that the project ships or keeps for tests, with the warnings that it gives.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::super::vocabulary::{BACKEND, EXTENSIONS, SERVER, TLS, TOP};
use super::super::*;
use super::lines;

const SHIPPED: &str = include_str!("../../../../goguerrilla.conf.sample");

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs")
}

fn load(name: &str) -> Loaded {
    Config::load(&directory().join(name)).unwrap()
}

#[test]
fn every_sample_loads_and_has_a_test_of_its_own_below() {
    let names: BTreeSet<_> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    let tested = ["every-key.json", "go-guerrilla-sample.json", "go-guerrilla-stale.json"];
    assert!(names.iter().eq(&tested), "{names:?}");
    for name in &names {
        load(name);
    }
}

#[test]
fn the_shipped_sample_starts_as_it_is() {
    let Loaded { config, warnings } = Config::from_json(SHIPPED, "sample").unwrap();
    assert_eq!(lines(&warnings), [""; 0]);
    assert_eq!(config.unclaimed_backend_keys(&[]), []);
    let enabled: Vec<_> = config.servers.iter().filter(|server| server.enabled).collect();
    assert_eq!(enabled.len(), 1);
    let Listen::Tcp { address, .. } = enabled[0].listen else { panic!() };
    assert!(address.ip().is_loopback() && address.port() > 1023, "anybody may bind it");
    assert!(config.servers.iter().all(|server| server.tls.mode == TlsMode::Off));
    assert!(config.pid_file.unwrap().is_relative());
    let built_in = ["HeadersParser", "Header", "Hasher", "Compressor", "Debugger"];
    assert!(config.gateway.save.names.iter().all(|name| built_in.contains(&name.as_str())));
}

/// Those of the Debian package and of the container; what they name is there only once they are installed.
#[test]
fn what_packages_bring_is_understood() {
    for (text, listen) in [
        (include_str!("../../../../contrib/debian/goguerrilla.conf.json"), "127.0.0.1:25"),
        (include_str!("../../../../contrib/docker/goguerrilla.conf.json"), "[::]:2525"),
    ] {
        let Loaded { config, warnings } = Config::from_json(text, "sample").unwrap();
        assert_eq!(lines(&warnings), [""; 0]);
        assert_eq!(config.gateway.save.names.last().map(String::as_str), Some("MailDir"));
        assert_eq!(
            config.gateway.validate.names,
            ["MailDir"],
            "or unknown users are bounced later"
        );
        let [server] = &config.servers[..] else { panic!("{:?}", config.servers) };
        assert_eq!((server.enabled, server.listen.to_string().as_str()), (true, listen));
    }
}

#[test]
fn the_sample_of_go_guerrilla_means_what_it_meant() {
    let Loaded { config, warnings } = load("go-guerrilla-sample.json");
    assert_eq!(
        lines(&warnings),
        [
            "log_level: given more than once, the last one counts",
            "servers[0].timeout: given more than once, the last one counts",
            "servers[0].tls.protocols: not offered any more and taken as tls1.2: tls1.0",
            "servers[0].tls.ciphers: not offered any more: TLS_FALLBACK_SCSV, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, TLS_RSA_WITH_AES_256_GCM_SHA384, TLS_RSA_WITH_AES_256_CBC_SHA",
            "servers[0].tls.curves: not offered any more: P521",
            "servers[1].tls.protocols: not offered any more and taken as tls1.2: tls1.0",
            "servers[1].tls.curves: not offered any more: P521",
        ]
    );
    assert_eq!(
        config.log,
        Log { target: LogTarget::Stderr, level: LogLevel::Info, format: LogFormat::Text }
    );
    assert_eq!(config.pid_file, Some("/var/run/go-guerrilla.pid".into()));
    assert!(config.allowed_hosts.allows("Sharklasers.com"));
    assert!(!config.allowed_hosts.allows("mail.test.com"));
    assert_eq!(config.clients_total(), 1500);

    let gateway = &config.gateway;
    assert_eq!(gateway.save.names, ["HeadersParser", "Header", "Debugger"]);
    assert_eq!(gateway.save_workers.map(NonZeroU32::get), Some(1));
    assert_eq!((gateway.save_timeout.as_secs(), gateway.rcpt_timeout.as_secs()), (30, 3));
    assert_eq!(gateway.primary_mail_host.as_str(), "mail.example.com");
    assert!(gateway.log_received_mails);
    assert_eq!(config.unclaimed_backend_keys(&[]), []);

    let [smtp, smtps] = &config.servers[..] else { panic!("{:?}", config.servers) };
    assert_eq!((smtp.enabled, smtp.max_size, smtp.max_clients), (true, 1_000_000, 1000));
    assert_eq!((smtp.host_name.as_str(), smtp.timeout.as_secs()), ("mail.test.com", 180));
    assert_eq!(smtp.listen.to_string(), "127.0.0.1:25");
    assert_eq!(smtp.tls.mode, TlsMode::Off);
    assert_eq!(smtp.tls.versions, TlsVersions { min: TlsVersion::V1_2, max: TlsVersion::V1_2 });
    assert_eq!(smtp.tls.cipher_suites.len(), 6);
    assert_eq!(smtp.tls.groups, [NamedGroup::P256, NamedGroup::P384, NamedGroup::X25519]);
    assert_eq!(smtp.tls.client_auth, ClientAuth::None);
    assert!(!smtps.enabled);
    assert_eq!(smtps.listen.to_string(), "127.0.0.1:465");
    let TlsMode::Always(pair) = &smtps.tls.mode else { panic!("{:?}", smtps.tls) };
    assert_eq!(pair.private_key, Path::new("/path/to/pem/file/test.com.key"));
}

#[test]
fn keys_that_are_no_longer_in_use_are_told_with_what_to_write() {
    let Loaded { config, warnings } = load("go-guerrilla-stale.json");
    let moved = "ignored here; since go-guerrilla 1.6 it belongs into the server's \"tls\" object";
    assert_eq!(
        lines(&warnings),
        [
            "primary_mail_host: ignored here; it belongs into backend_config",
            "verbose: no longer in use, ignored; write \"log_level\": \"debug\"",
            "backend_name: no longer in use, ignored; the processors are named in backend_config.save_process",
            &format!("servers[0].private_key_file: {moved}"),
            &format!("servers[0].public_key_file: {moved}"),
            &format!("servers[0].start_tls_on: {moved}"),
            &format!("servers[0].tls_always_on: {moved}"),
            "servers[0].proxyon: a key of a fork of go-guerrilla, ignored",
            "allowed_hosts: \".\" allows every host only when no other host is listed; here it means nothing",
            "backend_config.save_process: left out, so mail is only logged, by HeadersParser|Header|Debugger, and kept nowhere",
        ]
    );
    let moved = "no longer in use, ignored; write sql_driver and sql_dsn";
    assert_eq!(
        lines(&config.unclaimed_backend_keys(&["maildir_path", "maildir_user_map"])),
        [
            &format!("backend_config.mysql_db: {moved}"),
            &format!("backend_config.mysql_host: {moved}"),
            &format!("backend_config.mysql_pass: {moved}"),
            &format!("backend_config.mysql_user: {moved}"),
            "backend_config.save_processors: no longer in use, ignored; its name is save_process now",
            "backend_config.validate_processors: no longer in use, ignored; its name is validate_process now",
        ]
    );
    assert_eq!(config.servers[0].tls.mode, TlsMode::Off);
}

#[test]
fn one_sample_has_every_key_and_no_warning() {
    assert_eq!(lines(&load("every-key.json").warnings), [""; 0]);
    let text = fs::read_to_string(directory().join("every-key.json")).unwrap();
    for vocabulary in [&TOP, &SERVER, &TLS, &EXTENSIONS, &BACKEND] {
        for key in vocabulary.keys() {
            assert!(text.contains(&format!("{key:?}:")), "{key} is not in every-key.json");
        }
    }
}

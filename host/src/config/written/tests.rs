use std::fs;
use std::path::Path;

use super::*;
use crate::config::vocabulary::{BACKEND, EXTENSIONS, SERVER, TLS, TOP};

fn as_it_is(_: Option<&ProcessorSection>, _: &str, value: &Value) -> Value {
    value.clone()
}

#[track_caller]
fn read(text: &str) -> Config {
    Config::from_json(text, "test").unwrap().config
}

#[track_caller]
fn reads_the_same(config: &Config) {
    let text = written(config, &as_it_is).to_string();
    assert_eq!(read(&text), *config, "{text}");
}

#[test]
fn every_sample_reads_the_same_when_it_is_written() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(host.join("tests/configs")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let mut count = 0;
    let shipped = ["../goguerrilla.conf.sample", "../contrib/demo.conf.json"];
    for path in paths.chain(shipped.map(|name| host.join(name))) {
        reads_the_same(&Config::load(&path).unwrap().config);
        count += 1;
    }
    assert!(count >= 5, "{count} samples");
    reads_the_same(&Config::defaults());
}

#[test]
fn values_that_are_off_or_odd_read_the_same() {
    for text in [
        r#"{"servers": [{"is_enabled": true, "listen_interface": ":0", "v6only": true, "protocol": "lmtp",
            "proxy_protocol": "require", "trusted_proxies": [], "bare_newline": "normalize", "greet_delay": "1500ms",
            "log_file": "/x", "extensions": {"chunking": false, "prdr": false},
            "tls": {"tls_always_on": true, "public_key_file": "c", "private_key_file": "k", "protocols": ["tls1.3"],
                    "ciphers": ["TLS_AES_128_GCM_SHA256"], "curves": ["p384"], "root_cas_file": "r",
                    "certificate_check_interval": "0s"}}],
            "allowed_hosts": ["*.Example.com", "[IPv6:2001:DB8::1]", ".", "*["], "plugins_allow": [],
            "plugins_watch": "250ms", "log_level": "fatal", "plugins_on_error": "skip"}"#,
        r#"{"allowed_hosts": ["."], "backend_config": {"save_process": " A | b", "save_workers_size": 3,
            "deep": {"list": [1, null, {"x": 1.5}]}, "big": 18446744073709551615, "Case": "kept",
            "processors": {"b": {"use": "C", "on_fault": "continue", "on_timeout": "reject", "workers": 2, "k": null}}}}"#,
        r#"{"backend_config": {"log_received_mails": false}}"#,
    ] {
        reads_the_same(&read(text));
    }
}

#[test]
fn what_stands_elsewhere_is_written_as_its_place() {
    let config = read(
        r#"{"servers": [{"is_enabled": true, "listen_interface": "127.0.0.1:0", "host_name": {"env": "CARGO_PKG_NAME"}}],
            "backend_config": {"sql_dsn": {"env": "CARGO_PKG_NAME"},
                               "processors": {"A": {"key": {"env": "CARGO_PKG_VERSION"}}}}}"#,
    );
    assert_eq!(config.servers[0].host_name.as_str(), "guerrilla");
    reads_the_same(&config);
    let value = written(&config, &as_it_is).into_value();
    assert_eq!(value["servers"][0]["host_name"]["env"], "CARGO_PKG_NAME");
    assert_eq!(value["backend_config"]["sql_dsn"]["env"], "CARGO_PKG_NAME");
    assert!(!format!("{:?}", config.gateway).contains("guerrilla\""), "{:?}", config.gateway);
}

#[test]
fn every_key_is_written() {
    let text = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/every-key.json"),
    );
    let text = written(&read(&text.unwrap()), &as_it_is).to_string();
    for vocabulary in [&TOP, &SERVER, &TLS, &EXTENSIONS, &BACKEND] {
        for key in vocabulary.keys() {
            assert!(text.contains(&format!("{key:?}: ")), "{key}");
        }
    }
}

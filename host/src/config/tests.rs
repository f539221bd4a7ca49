use std::fs;
use std::path::Path;

use super::file::default_path_in;
use super::*;

mod samples;

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn error(text: &str) -> String {
    Config::from_json(text, "x.json").unwrap_err().to_string()
}

#[test]
fn an_empty_object_is_the_defaults() {
    let loaded = Config::from_json("{}", "x").unwrap();
    assert_eq!(loaded.config, Config::defaults());
    let Listen::Tcp { address, .. } = &loaded.config.servers[0].listen else { panic!() };
    assert_eq!(address.to_string(), "127.0.0.1:2525");
    assert!(loaded.config.servers[0].enabled);
    assert!(loaded.config.allowed_hosts.allows(HostName::of_this_machine().as_str()));
    assert!(!loaded.config.allowed_hosts.allows("example.com"));
    assert_eq!(loaded.config.clients_total(), 100);
    assert_eq!(loaded.config.log, Log::default());
    assert_eq!((loaded.config.pid_file, loaded.config.plugins_dir), (None, None));
}

#[test]
fn empty_lists_and_strings_are_as_good_as_absent() {
    let text = r#"{"servers": [], "allowed_hosts": [], "pid_file": "", "log_file": "", "log_level": "",
                   "log_format": "", "plugins_dir": "", "backend_config": {}}"#;
    assert_eq!(Config::from_json(text, "x").unwrap().config, Config::defaults());
}

#[test]
fn the_top_level_is_taken_over() {
    let text = r#"{"allowed_hosts": ["a.example"], "pid_file": "/run/g.pid", "LOG_FILE": "stdout",
                   "log_level": "Warning", "log_format": "json", "plugins_dir": "plugins"}"#;
    let config = Config::from_json(text, "x").unwrap().config;
    assert!(config.allowed_hosts.allows("a.example"));
    assert!(!config.allowed_hosts.allows(HostName::of_this_machine().as_str()));
    assert_eq!(config.pid_file, Some("/run/g.pid".into()));
    assert_eq!(config.plugins_dir, Some("plugins".into()));
    assert_eq!(
        config.log,
        Log { target: LogTarget::Stdout, level: LogLevel::Warn, format: LogFormat::Json }
    );
    assert_eq!(config.servers[0].log, LogTarget::Stderr, "the implicit server is not asked");
}

#[test]
fn servers_log_where_the_daemon_does() {
    let text = r#"{"log_file": "off", "servers": [
        {"is_enabled": true, "listen_interface": ":1"},
        {"is_enabled": true, "listen_interface": ":2", "log_file": "stdout", "max_clients": 7}]}"#;
    let config = Config::from_json(text, "x").unwrap().config;
    assert_eq!(config.servers[0].log, LogTarget::Off);
    assert_eq!(config.servers[1].log, LogTarget::Stdout);
    assert_eq!(config.clients_total(), 107);
}

#[test]
fn all_errors_come_at_once_each_on_a_line_with_its_key() {
    let text = r#"{
        "log_level": "loud", "allowed_hosts": "a.com,b.com",
        "servers": [
            {"listen_interface": "127.0.0.1:25", "is_enabled": true, "max_size": "10M"},
            {"listen_interfaec": "127.0.0.1:26", "timeout": -5}
        ],
        "backend_config": {"save_process": "", "gw_save_timeout": "soon"}
    }"#;
    let error = Config::from_json(text, "goguerrilla.conf.json").unwrap_err();
    assert_eq!(
        error.to_string(),
        [
            r#"goguerrilla.conf.json: servers[0].max_size: expected a whole number, found "10M""#,
            r#"goguerrilla.conf.json: allowed_hosts: expected a list of strings, found "a.com,b.com"; write ["a.com", "b.com"]"#,
            "goguerrilla.conf.json: log_level: expected error, warn, info, debug or trace, found \"loud\"",
            r#"goguerrilla.conf.json: servers[1].listen_interface: required, give ip:port such as "127.0.0.1:2525""#,
            "goguerrilla.conf.json: servers[1].timeout: expected 0 to 86400, found -5; leave it out for 30",
            r#"goguerrilla.conf.json: backend_config.save_process: empty, so mail would be acknowledged and thrown away; name at least one processor, such as "HeadersParser|Header|Debugger""#,
            r#"goguerrilla.conf.json: backend_config.gw_save_timeout: "soon" is not a duration; write a duration such as "30s", "1.5h" or "2h45m""#,
        ]
        .join("\n")
    );
    let ConfigError::Invalid { warnings, .. } = error else { panic!() };
    assert_eq!(
        lines(&warnings),
        [
            r#"servers[1].listen_interfaec: unknown key, ignored; did you mean "listen_interface"?"#,
            "servers[1].is_enabled: left out, so this server is not started",
        ]
    );
}

#[test]
fn each_server_needs_a_listener_of_its_own() {
    let two = |a: &str, b: &str| {
        let server = |listen| format!(r#"{{"is_enabled": true, "listen_interface": {listen:?}}}"#);
        format!(
            r#"{{"servers": [{}, {{"listen_interface": ":9", "is_enabled": false}}, {}]}}"#,
            server(a),
            server(b)
        )
    };
    assert_eq!(
        error(&two("127.0.0.1:25", "localhost:25")),
        "x.json: servers[2].listen_interface: 127.0.0.1:25 is taken by servers[0]; each server needs its own"
    );
    assert_eq!(
        error(&two(":25", "0.0.0.0:25")),
        "x.json: servers[2].listen_interface: 0.0.0.0:25 is taken by servers[0]; each server needs its own"
    );
    assert_eq!(
        error(&two("127.0.0.1:25", "[::]:9")),
        "x.json: servers[2].listen_interface: [::]:9 is taken by servers[1]; each server needs its own"
    );
    // Neither unreadable listener may be taken for the other.
    assert_eq!(error(&two("a", "b")).lines().count(), 2);
    assert!(Config::from_json(&two("127.0.0.1:25", "127.0.0.2:25"), "x").is_ok());
}

#[test]
fn a_config_in_which_nothing_listens_is_warned_of() {
    let loaded = Config::from_json(r#"{"servers": [{"listen_interface": ":1"}]}"#, "x").unwrap();
    assert!(!loaded.config.servers[0].enabled);
    assert_eq!(
        lines(&loaded.warnings)[..2],
        [
            "servers[0].is_enabled: left out, so this server is not started",
            "servers: none of them is enabled, so no mail is taken",
        ]
    );
}

#[test]
fn what_is_no_config_at_all_is_one_error() {
    for (text, expected) in [
        ("", "x.json: the file is empty: write at least {}"),
        ("[]", "x.json: expected an object, found a list"),
        ("{\n\"a\": 1,\n}", "x.json: line 3 column 1: not valid JSON: trailing comma"),
        (r#"{"servers": {}}"#, "x.json: servers: expected a list of objects, found an object"),
        (r#"{"servers": [1]}"#, "x.json: servers[0]: expected an object, found 1"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.json");
    assert_eq!(
        Config::load(&missing).unwrap_err().to_string(),
        format!("{}: cannot be read: No such file or directory (os error 2)", missing.display())
    );
    assert_eq!(
        Config::load(directory.path()).unwrap_err().to_string(),
        format!("{}: cannot be read: Is a directory (os error 21)", directory.path().display())
    );
    let latin1 = directory.path().join("latin1.json");
    fs::write(&latin1, b"{\n\"pid_file\": \"\xe4\"}").unwrap();
    assert_eq!(
        Config::load(&latin1).unwrap_err().to_string(),
        format!("{}: line 2: not UTF-8: save the file as UTF-8", latin1.display())
    );
    assert_eq!(
        Config::load(Path::new("/dev/zero")).unwrap_err().to_string(),
        "/dev/zero: cannot be read: longer than 16777216 bytes, which no config file is"
    );
}

#[test]
fn the_old_file_name_goes_before_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let found = || default_path_in(directory.path());
    assert_eq!(found(), None);
    let new = directory.path().join("goguerrilla.conf.json");
    fs::write(&new, "{}").unwrap();
    assert_eq!(found(), Some(DefaultFile { path: new.clone(), warning: None }));
    let old = directory.path().join("goguerrilla.conf");
    fs::write(&old, "{}").unwrap();
    let DefaultFile { path, warning } = found().unwrap();
    assert_eq!(path, old);
    assert_eq!(
        warning.unwrap().to_string(),
        "goguerrilla.conf is the old name of the config file: rename it to goguerrilla.conf.json (the goguerrilla.conf.json beside it is not read)"
    );
    fs::remove_file(&new).unwrap();
    assert_eq!(
        found().unwrap().warning.unwrap().to_string(),
        "goguerrilla.conf is the old name of the config file: rename it to goguerrilla.conf.json"
    );
}

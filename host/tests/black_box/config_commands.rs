//! `config show`, `schema` and `migrate`: what they print is good for something.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Setup, guerrillad};

/// The output of a `config` command that ends well, and its complaints.
#[track_caller]
fn config(dir: &Path, args: &[&str]) -> (String, Vec<String>) {
    let mut process = guerrillad(dir, [&["config"], args].concat());
    assert_eq!(process.exit_code(), Some(0), "{args:?}");
    (process.stdout.text(), process.stderr.lines())
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every config that the project ships or keeps for tests, the broken ones aside.
fn samples() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join("host/tests/configs")).expect("samples");
    let mut samples: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    samples.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    samples.push(repository().join("contrib/demo.conf.json"));
    samples.push(repository().join("goguerrilla.conf.sample"));
    assert!(samples.len() >= 5, "{samples:?}");
    samples
}

/// The schema with all plugins of the tests.
fn validator(setup: &Setup) -> jsonschema::Validator {
    let (text, _) = config(setup.dir(), &["schema", "--plugins-dir", "plugins"]);
    let schema = serde_json::from_str(&text).expect("JSON");
    jsonschema::meta::validate(&schema).expect("a JSON Schema");
    jsonschema::draft202012::new(&schema).expect("a schema of draft 2020-12")
}

#[track_caller]
fn assert_valid(validator: &jsonschema::Validator, file: &Value, what: &str) {
    let errors: Vec<String> = validator
        .iter_errors(file)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

#[test]
fn every_sample_fits_the_schema() {
    let setup = Setup::new();
    let validator = validator(&setup);
    for path in samples() {
        let name = path.display().to_string();
        // Today's spelling: go-guerrilla's samples have keys in capitals and some that are stale.
        let (text, _) = config(setup.dir(), &["migrate", "-c", &name]);
        let mut today: Value = serde_json::from_str(&text).expect("JSON");
        if name.contains("stale") {
            // No plugin of the tests knows what became of its database.
            for key in ["sql_driver", "sql_dsn"] {
                today["backend_config"].as_object_mut().expect("an object").remove(key).expect(key);
            }
        }
        assert_valid(&validator, &today, &name);
        let written: Value =
            serde_json::from_str(&fs::read_to_string(&path).expect("a sample")).expect("JSON");
        let old = name.contains("go-guerrilla");
        assert_eq!(validator.is_valid(&written), !old, "{name}");
    }
}

#[test]
fn what_is_misspelt_or_of_another_type_does_not_fit_the_schema() {
    let setup = Setup::new();
    let validator = validator(&setup);
    for (pointer, key, value, fits) in [
        ("", "log_level", json!("debug"), true),
        ("", "log_levle", json!("debug"), false),
        ("", "log_level", json!("loud"), false),
        ("/servers/0", "max_size", json!("10M"), false),
        ("/servers/0", "max_sizes", json!(1), false),
        ("/backend_config", "maildir_line_ending", json!("crlf"), true),
        ("/backend_config", "maildir_line_ending", json!("cr"), false),
        ("/backend_config", "maildir_path", json!({"file": "/run/path"}), true),
        ("/backend_config", "maildir_path", json!({"path": "/run/path"}), false),
        ("/backend_config", "processors", json!({"maildir": {"maildir_path": "x"}}), true),
        ("/backend_config", "processors", json!({"maildir": {"maildir_paht": "x"}}), false),
        ("/backend_config", "processors", json!({"a": {"use": "MAILDIR"}}), false),
        (
            "/backend_config",
            "processors",
            json!({"a": {"use": "MAILDIR", "maildir_path": "x", "maildir_user_file": "y"}}),
            true,
        ),
        ("/backend_config", "processors", json!({"a": {"use": "MailDri"}}), false),
        ("/backend_config", "sleep_seconds", json!(-1), false),
    ] {
        let text = fs::read_to_string(repository().join("contrib/demo.conf.json"));
        let mut file: Value = serde_json::from_str(&text.expect("a sample")).expect("JSON");
        let object = file.pointer_mut(pointer).expect("an object");
        object[key] = value.clone();
        assert_eq!(validator.is_valid(&file), fits, "{key}: {value}");
    }
}

#[test]
fn what_is_shown_is_a_config_that_means_the_same() {
    let setup = Setup::new();
    let validator = validator(&setup);
    for path in samples() {
        let name = path.display().to_string();
        let show = ["show", "-c", &name, "--plugins-dir", "plugins"];
        let (shown, _) = config(setup.dir(), &show);
        let value: Value = serde_json::from_str(&shown).expect("JSON");
        fs::write(setup.dir().join("shown.json"), &shown).expect("our own directory");
        let (again, said) = config(setup.dir(), &["show", "-c", "shown.json"]);
        assert_eq!(shown, again, "{name}");
        let about_keys = said.iter().filter(|line| line.contains("unknown key"));
        assert_eq!(about_keys.count(), 0, "{said:?}");
        // What go-guerrilla's stale sample has beside settings is in no schema.
        if !name.contains("stale") {
            assert_valid(&validator, &value, &name);
        }
        assert_eq!(value["servers"][0]["session_timeout"], 3600, "defaults are shown");
    }
}

#[test]
fn a_daemon_starts_with_what_is_shown() {
    let setup = Setup::new();
    let file = setup.write_config();
    let (shown, said) = config(setup.dir(), &["show", "-c", &file, "--plugins-dir", "plugins"]);
    assert_eq!(said, [""; 0]);
    fs::write(setup.dir().join("shown.json"), shown).expect("our own directory");
    let process = guerrillad(setup.dir(), ["serve", "-c", "shown.json"]);
    process.stderr.wait_for(" ready");
}

#[test]
fn secrets_are_not_shown() {
    let setup = Setup::new()
        .backend("sql_dsn", "user:s3cret@tcp(db:3306)/mail")
        .backend("sql_password", "s3cret")
        .backend("redis_interface", "redis://:s3cret@db:6379")
        .backend("maildir_user_file", json!({"env": "PATH"}))
        .backend("processors", json!({"archive": {"use": "MailDir", "api_token": "s3cret"}}));
    let file = setup.write_config();
    let (shown, _) = config(setup.dir(), &["show", "-c", &file, "--plugins-dir", "plugins"]);
    assert!(!shown.contains("s3cret"), "{shown}");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let backend = &shown["backend_config"];
    assert_eq!(backend["sql_dsn"], "user:********@tcp(db:3306)/mail");
    assert_eq!(backend["sql_password"], "********");
    assert_eq!(backend["redis_interface"], "redis://:********@db:6379");
    assert_eq!(backend["maildir_user_file"], json!({"env": "PATH"}));
    assert_eq!(backend["processors"]["archive"]["api_token"], "********");
    assert_eq!(backend["maildir_user_map"], "*=-1:-1");
    // What nobody describes may be anything.
    let (shown, _) = config(setup.dir(), &["show", "-c", &file]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["backend_config"]["maildir_user_map"], "********");
}

#[test]
fn a_stale_config_is_migrated_and_the_changes_are_told() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let stale = repository().join("host/tests/configs/broken/go-guerrilla-1.5.json");
    let (text, told) = config(dir.path(), &["migrate", "-c", &stale.display().to_string()]);
    fs::write(dir.path().join("new.json"), &text).expect("our own directory");
    let (again, told_again) = config(dir.path(), &["migrate", "-c", "new.json"]);
    assert_eq!(text, again);
    assert!(told_again.iter().all(|line| line.contains("still to do: ")), "{told_again:?}");
    let expected = json!({
        "allowed_hosts": ["guerrillamail.com", "sharklasers.com"],
        "log_level": "debug",
        "backend_config": {
            "sql_driver": "mysql",
            "sql_dsn": "root:ok@tcp(127.0.0.1:3306)/gmail_mail",
            "save_workers_size": 3,
            "primary_mail_host": "sharklasers.com",
        },
        "servers": [{
            "is_enabled": true,
            "listen_interface": "127.0.0.1:2525",
            "tls": {
                "private_key_file": "/path/to/pem/file/test.com.key",
                "public_key_file": "/path/to/pem/file/test.com.crt",
                "start_tls_on": true,
            },
        }],
    });
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), expected);
    assert_eq!(told.len(), 13, "{told:#?}");
    for (line, key) in told[11..].iter().zip(["save_process", "log_received_mails"]) {
        let expected = format!("still to do: backend_config.{key}: left out");
        assert!(line.contains(&expected), "{line}");
    }
}

#[test]
fn without_a_file_there_is_nothing_to_migrate() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("wrong.json"), "{").expect("our own directory");
    for (args, why) in [
        (&["config", "migrate"][..], "no config file"),
        (&["config", "migrate", "-c", "missing.json"], "missing.json: cannot be read"),
        (&["config", "migrate", "-c", "wrong.json"], "wrong.json: line 1 column 1: not valid JSON"),
        (&["config", "show", "-c", "wrong.json"], "wrong.json: line 1 column 1: not valid JSON"),
        (
            &["config", "schema", "--plugins-dir", "missing"],
            "plugins directory missing: does not exist",
        ),
    ] {
        let mut process = guerrillad(dir.path(), args);
        assert_eq!(process.exit_code(), Some(78), "{args:?}");
        process.stderr.wait_for(why);
        assert_eq!(process.stdout.text(), "", "{args:?}");
    }
}

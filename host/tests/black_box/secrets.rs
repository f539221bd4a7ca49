//! Values that stand in a file or a variable of the environment (`{"file": ...}`, `{"env": ...}`).

use std::fs;

use serde_json::json;

use crate::support::{Setup, guerrillad};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

#[test]
fn a_processor_gets_what_the_file_or_the_variable_holds() {
    let setup = Setup::chain("Header|MailDir|archive|Recorder");
    let here = |name: &str| setup.dir().join(name).display().to_string();
    let (archive, record) = (here("archive/[user]"), here("record"));
    fs::write(setup.dir().join("path"), format!("{record}\n")).expect("our own directory");
    let daemon = setup
        .started_by(&["env", &format!("ARCHIVE={archive}"), "HOST=mx.elsewhere.test"])
        .server("host_name", json!({"env": "HOST"}))
        .backend("misbehaving_record", json!({"file": "path"}))
        .backend(
            "processors",
            json!({"archive": {"use": "MailDir", "maildir_path": {"env": "ARCHIVE"}, "maildir_user_map": "*=-1:-1"}}),
        )
        .start();
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(
        fs::read_dir(daemon.dir().join("archive/test/new")).expect("the archive").count(),
        1
    );
    assert!(!daemon.records().is_empty());
    daemon.log().wait_for(" as mx.elsewhere.test");
    daemon.stop();
}

#[test]
fn a_reload_takes_what_they_hold_then() {
    let setup = Setup::new();
    let path = setup.dir().join("where");
    let put = |name: &str| {
        let maildir = path.with_file_name(name).join("[user]");
        fs::write(&path, maildir.display().to_string()).expect("our own directory");
    };
    put("first");
    let place = json!({"file": path.display().to_string()});
    let daemon = setup.backend("maildir_path", place).start();
    let send = || daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    let kept = |name: &str| {
        let new = daemon.dir().join(name).join("test/new");
        fs::read_dir(new).map_or(0, Iterator::count)
    };
    assert!(send().starts_with("250 "));
    assert_eq!((kept("first"), kept("second")), (1, 0));
    put("second");
    let told = daemon.reload().expect("a good config");
    assert!(told.contains(&"config_change:backend_config".to_owned()), "{told:?}");
    assert!(send().starts_with("250 "));
    assert_eq!((kept("first"), kept("second")), (1, 1));
    fs::remove_file(&path).expect("our own file");
    let why = daemon.reload().expect_err("the file is gone");
    assert!(
        why[0].contains("backend_config.maildir_path: file ") && why[0].contains("No such file"),
        "{why:?}"
    );
    assert!(send().starts_with("250 "));
    assert_eq!(kept("second"), 2);
    daemon.stop();
}

#[test]
fn no_message_has_the_value() {
    for (key, message) in [
        (
            "host_name",
            "servers[0].host_name: what variable \"SECRET\" of the environment holds is no value for this key",
        ),
        (
            "listen_interface",
            "servers[0].listen_interface: what variable \"SECRET\" of the environment holds is no value for this key",
        ),
    ] {
        let setup = Setup::without_plugins()
            .started_by(&["env", "SECRET=hunter2 hunter2"])
            .server(key, json!({"env": "SECRET"}));
        let (code, complaints) = setup.refused();
        assert_eq!(code, Some(78));
        assert!(complaints[0].ends_with(message), "{complaints:?}");
    }
    let setup = Setup::without_plugins()
        .started_by(&["env", "SECRET=hunter2"])
        .backend("hasher", json!({"env": "SECRET"}));
    let (code, complaints) = setup.refused();
    assert_eq!(code, Some(78));
    assert!(
        complaints[0].starts_with("backend_config.hasher: expected a string that matches"),
        "{complaints:?}"
    );
    assert!(!complaints.concat().contains("hunter2"), "{complaints:?}");
}

#[test]
fn the_log_has_no_secret() {
    let daemon = Setup::new()
        .top("log_level", "trace")
        .started_by(&["env", "SECRET=hunter2"])
        .backend("some_password", json!({"env": "SECRET"}))
        .start();
    assert!(
        daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE).starts_with("250 ")
    );
    daemon.edit(|config| config["backend_config"]["other"] = json!({"env": "SECRET"}));
    daemon.reload().expect("a good config");
    let log = daemon.log().clone();
    daemon.stop();
    assert_eq!(log.with("hunter2"), [""; 0]);
}

#[test]
fn verify_resolves_them_too() {
    let setup = Setup::chain("Header|MailDir");
    fs::write(setup.dir().join("where"), "mail/[user]\n").expect("our own directory");
    let setup = setup.backend("maildir_path", json!({"file": "where"}));
    let file = setup.write_config();
    let plugin = setup.plugins_dir().join("libmaildir.so").display().to_string();
    let mut process = guerrillad(setup.dir(), ["plugins", "verify", &plugin, "-c", &file]);
    assert_eq!(process.exit_code(), Some(0));
    process.stdout.wait_for("MailDir: can be created");
}

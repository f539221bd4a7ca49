//! The settings of a processor are held against its JSON Schema before any of its code runs, by whoever looks at them.

use serde_json::json;

use crate::support::{Setup, complaints, guerrillad};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// The lines without the program's name and the file that the processor comes from.
fn shortened(lines: Vec<String>) -> Vec<String> {
    let cut = |line: String| {
        let line = line.trim_start_matches("guerrillad: ");
        let named = line.find("(processor ").expect("the processor is named");
        let end = line[named..].find(", ").expect("its origin is named");
        line[..named + end].to_owned()
    };
    lines.into_iter().map(cut).collect()
}

#[test]
fn serve_names_every_value_that_does_not_fit_and_runs_no_plugin() {
    let archive = json!({"archive": {"use": "maildir", "maildir_path": 7, "maildir_user_map": ""}});
    let (code, complaints) =
        Setup::chain("Header|archive|MailDir|Recorder|Debugger|Hasher|PanicsInCreate")
            .backend("processors", archive)
            .backend("maildir_line_ending", "cr")
            .backend("misbehaving_record", json!(null))
            .backend("sleep_seconds", -1)
            // That its create was called would be told, too.
            .backend("panics_in_create", "yes")
            .backend("hasher", "SHA1")
            .backend("header_delivered_to_all", "yes")
            .refused();
    assert_eq!(code, Some(78));
    assert_eq!(
        shortened(complaints),
        [
            "backend_config.header_delivered_to_all: expected true or false, found a string (processor Header",
            "backend_config.processors.archive.maildir_path: expected a string, found 7 (processor MailDir",
            "backend_config.maildir_line_ending: expected \"lf\" or \"crlf\", found another string (processor MailDir",
            "backend_config.misbehaving_record: missing, expected a string (processor Recorder",
            "backend_config.sleep_seconds: expected at least 0, found -1 (processor Debugger",
            "backend_config.hasher: expected a string that matches ^([Ss][Hh][Aa]256|[Mm][Dd]5)$, found one that does not (processor Hasher",
            "backend_config.panics_in_create: expected a whole number, found a string (processor PanicsInCreate",
        ]
    );
}

#[test]
fn verify_and_order_say_what_serve_says() {
    let section = json!({"archive": {"use": "MailDir", "maildir_path": []}});
    let setup = Setup::chain("Header|archive").backend("processors", section);
    let (config, dir) = (setup.write_config(), setup.plugins_dir());
    let maildir = dir.join("libmaildir.so").display().to_string();
    let dir = dir.display().to_string();
    let mut said = Vec::new();
    for args in [
        &["plugins", "verify", &maildir, "-c", &config][..],
        &["plugins", "order", "-c", &config, "--plugins-dir", &dir],
    ] {
        let mut process = guerrillad(setup.dir(), args);
        assert_eq!(process.exit_code(), Some(1), "{args:?}");
        said.push(shortened(complaints(&process.stderr)));
    }
    let (code, complaints) = setup.refused();
    assert_eq!(code, Some(78));
    let served = shortened(complaints);
    assert_eq!(said, [served.clone(), served.clone()]);
    let place = "backend_config.processors.archive";
    assert_eq!(
        served,
        [
            format!(
                "{place}: expected a value for maildir_user_map or a value for maildir_user_file, found none of them (processor MailDir"
            ),
            format!(
                "{place}.maildir_path: expected a string, found a list of 0 (processor MailDir"
            ),
        ]
    );
}

/// What was taken before there was a schema: null is absent, case does not count, the keys of others do not matter.
#[test]
fn what_go_guerrilla_lets_pass_is_let_pass() {
    let daemon = Setup::chain("HeadersParser|Header|Hasher|MailDir|Debugger")
        .backend("hasher", "MD5")
        .backend("sleep_seconds", json!(null))
        .backend("redis_expire_seconds", "not ours")
        .start();
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

#[test]
fn a_misspelt_key_of_a_section_is_named() {
    let section = json!({"MailDir": {"maildir_line_endign": "crlf", "on_fault": "defer"}});
    let daemon = Setup::chain("Header|MailDir").backend("processors", section).start();
    let warned = daemon.log().with("unknown key");
    let [line] = &warned[..] else { panic!("{warned:?}") };
    let expected = "backend_config.processors.MailDir.maildir_line_endign: unknown key, ignored; did you mean \"maildir_line_ending\"?";
    assert!(line.contains(expected), "{line}");
    daemon.stop();
}

use std::fs;
use std::path::Path;

use super::*;
use crate::config::Config;

/// The file on one line, and the notes.
#[track_caller]
fn migrated(text: &str) -> (String, Vec<String>) {
    let (json, notes) = migrate(text).unwrap();
    let again = migrate(&json.to_string()).unwrap();
    assert_eq!((&again.0, &again.1[..]), (&json, &[][..]), "once is enough");
    let text = serde_json::to_string(&json).unwrap();
    (text, notes.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn check(text: &str, expected: &str, notes: &[&str]) {
    let (found, told) = migrated(text);
    assert_eq!(found, expected);
    assert_eq!(told, notes);
}

#[test]
fn todays_keys_stay_in_their_order() {
    let text = r#"{"pid_file":"p","unknown":[1,{"x":null}],"log_file":"f","backend_config":{"b":1.5,"a":null},"servers":[]}"#;
    check(text, text, &[]);
    check("[1]", "[1]", &[]);
    assert!(migrate("{").is_err());
}

#[test]
fn case_and_repetition() {
    check(
        r#"{"LOG_FILE":"a","pid_file":"p","log_file":"b","Log_File":null}"#,
        r#"{"pid_file":"p","log_file":"b"}"#,
        &[
            "LOG_FILE: spelt log_file",
            "Log_File: spelt log_file",
            "log_file: given more than once, only the one that counted is left",
            "log_file: given more than once, only the one that counted is left",
        ],
    );
    check(
        r#"{"backend_config":{"Save_Process":"A","save_process":"B","SAVE_PROCESS":"C","k":1,"k":2,"K":3}}"#,
        r#"{"backend_config":{"save_process":"B","k":2,"K":3}}"#,
        &[
            "backend_config.Save_Process: removed: the key in lower case counts",
            "backend_config.SAVE_PROCESS: removed: the key in lower case counts",
            "backend_config.k: given more than once, only the one that counted is left",
        ],
    );
}

#[test]
fn the_top_level() {
    check(
        r#"{"allowed_hosts":"a.com, b.com,","verbose":true,"backend_name":"x","pid_file":"p"}"#,
        r#"{"allowed_hosts":["a.com","b.com"],"log_level":"debug","pid_file":"p"}"#,
        &[
            "allowed_hosts: made a list: it was a string with commas",
            "verbose: is \"log_level\": \"debug\" now",
            "backend_name: removed: processors are named in backend_config.save_process, and no other key chooses any",
        ],
    );
    let removed = "verbose: removed: log_level says how much is logged";
    check(r#"{"verbose":false}"#, "{}", &[removed]);
    check(
        r#"{"log_level":"warn","Verbose":true}"#,
        r#"{"log_level":"warn"}"#,
        &["Verbose: removed: log_level says how much is logged"],
    );
}

#[test]
fn the_mail_host_moves() {
    let moved = "primary_mail_host: moved into backend_config";
    check(
        r#"{"primary_mail_host":"h","backend_config":{"save_process":"A"}}"#,
        r#"{"backend_config":{"save_process":"A","primary_mail_host":"h"}}"#,
        &[moved],
    );
    check(
        r#"{"primary_mail_host":"h","pid_file":"p"}"#,
        r#"{"backend_config":{"primary_mail_host":"h","log_received_mails":true},"pid_file":"p"}"#,
        &[moved],
    );
    check(
        r#"{"primary_mail_host":"h","backend_config":{"primary_mail_host":"i"}}"#,
        r#"{"backend_config":{"primary_mail_host":"i"}}"#,
        &["primary_mail_host: removed: the one in backend_config counts"],
    );
}

#[test]
fn tls_is_gathered() {
    let moved = "moved into the server's tls";
    check(
        r#"{"servers":[{"max_size":1,"private_key_file":"k","timeout":2,"Start_TLS_On":true}]}"#,
        r#"{"servers":[{"max_size":1,"tls":{"private_key_file":"k","start_tls_on":true},"timeout":2}]}"#,
        &[
            &format!("servers[0].private_key_file: {moved}"),
            &format!("servers[0].Start_TLS_On: {moved}"),
        ],
    );
    check(
        r#"{"servers":[{"private_key_file":"old","public_key_file":"c","tls":{"private_key_file":"new"}}]}"#,
        r#"{"servers":[{"tls":{"private_key_file":"new","public_key_file":"c"}}]}"#,
        &[
            "servers[0].private_key_file: removed: the one in tls counts",
            &format!("servers[0].public_key_file: {moved}"),
        ],
    );
}

#[test]
fn names_of_tls_that_are_gone() {
    check(
        r#"{"servers":[{"tls":{"protocols":["tls1.0","tls1.2"],"ciphers":["TLS_RSA_WITH_RC4_128_SHA"],"curves":["P521","P256"]}}]}"#,
        r#"{"servers":[{"tls":{"protocols":["tls1.2","tls1.2"],"curves":["P256"]}}]}"#,
        &[
            "servers[0].tls.protocols: raised to tls1.2: nothing older is offered",
            "servers[0].tls.ciphers: removed, so that the usual ones are offered: none of \"TLS_RSA_WITH_RC4_128_SHA\" is safe any more",
            "servers[0].tls.curves: not offered any more and taken out: \"P521\"",
        ],
    );
}

#[test]
fn the_key_of_a_fork() {
    let (text, notes) = migrated(r#"{"servers":[{"proxyon":true,"timeout":1}]}"#);
    assert_eq!(text, r#"{"servers":[{"proxy_protocol":"accept","timeout":1}]}"#);
    assert!(notes[0].starts_with("servers[0].proxyon: is \"proxy_protocol\": \"accept\" now"));
    check(
        r#"{"servers":[{"proxyon":false}]}"#,
        r#"{"servers":[{}]}"#,
        &["servers[0].proxyon: removed: proxy_protocol says whether a PROXY header is taken"],
    );
}

#[test]
fn chains_have_other_names() {
    check(
        r#"{"backend_config":{"save_processors":"A","validate_processors":"B"}}"#,
        r#"{"backend_config":{"save_process":"A","validate_process":"B"}}"#,
        &[
            "backend_config.save_processors: its name is save_process now",
            "backend_config.validate_processors: its name is validate_process now",
        ],
    );
    check(
        r#"{"backend_config":{"process_stack":"A","save_process":"B"}}"#,
        r#"{"backend_config":{"save_process":"B"}}"#,
        &["backend_config.process_stack: removed: save_process counts"],
    );
}

#[test]
fn mysql_is_a_data_source_name_and_no_note_has_the_password() {
    let (text, notes) = migrated(
        r#"{"backend_config":{"x":1,"mysql_db":"mail","mysql_host":"db:3306","mysql_user":"u","mysql_pass":"s3cret"}}"#,
    );
    assert_eq!(
        text,
        r#"{"backend_config":{"x":1,"sql_driver":"mysql","sql_dsn":"u:s3cret@tcp(db:3306)/mail"}}"#
    );
    assert_eq!(notes.len(), 4, "{notes:?}");
    assert!(
        notes.iter().all(|note| note.contains("sql_dsn") && !note.contains("s3cret")),
        "{notes:?}"
    );
    let (text, _) = migrated(r#"{"backend_config":{"mysql_host":"/run/m.sock","mysql_user":"u"}}"#);
    assert!(text.contains("u@unix(/run/m.sock)/"), "{text}");
    check(
        r#"{"backend_config":{"mysql_user":"u","sql_dsn":"d"}}"#,
        r#"{"backend_config":{"sql_dsn":"d"}}"#,
        &["backend_config.mysql_user: removed: sql_dsn counts"],
    );
}

#[test]
fn what_was_stale_loads_without_a_word_about_it() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    for name in ["go-guerrilla-stale.json", "go-guerrilla-sample.json", "every-key.json"] {
        let old = fs::read_to_string(configs.join(name)).unwrap();
        let (text, notes) = migrated(&old);
        assert_eq!(notes.is_empty(), name == "every-key.json", "{notes:?}");
        let loaded = Config::from_json(&text, name).unwrap();
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        let still = warnings.iter().filter(|warning| !warning.starts_with("allowed_hosts: \".\""));
        assert_eq!(still.count(), 0, "{warnings:?}");
        let known = ["maildir_path", "maildir_user_map", "sql_dsn", "sql_driver"];
        assert_eq!(loaded.config.unclaimed_backend_keys(&known), []);
    }
}

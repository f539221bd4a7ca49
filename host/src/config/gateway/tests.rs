use super::super::Config;
use super::*;

/// The gateway of a `backend_config`, with its warnings as lines, or the errors as lines.
fn check(backend: &str) -> Result<(Gateway, Vec<String>), Vec<String>> {
    let lines = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
    match Config::from_json(&format!(r#"{{"backend_config": {backend}}}"#), "x") {
        Ok(loaded) => Ok((loaded.config.gateway, lines(loaded.warnings))),
        Err(super::super::ConfigError::Invalid { problems, .. }) => Err(lines(problems)),
        Err(other) => panic!("{other}"),
    }
}

const SAVE_LEFT_OUT: &str = "backend_config.save_process: left out, so mail is only logged, by HeadersParser|Header|Debugger, and kept nowhere";

#[test]
fn without_backend_config_the_defaults_of_go_guerrilla_hold() {
    let host = HostName::of_this_machine();
    for text in ["{}", "null"] {
        let (gateway, warnings) = check(text).unwrap();
        assert_eq!(gateway, Gateway::default());
        assert_eq!(warnings, [SAVE_LEFT_OUT]);
    }
    let gateway = Gateway::default();
    assert_eq!(gateway.save.names, ["HeadersParser", "Header", "Debugger"]);
    assert!(
        [gateway.validate, gateway.connect, gateway.helo, gateway.mail]
            .iter()
            .all(ChainSpec::is_empty)
    );
    assert_eq!(gateway.save_workers, None);
    assert_eq!((gateway.save_timeout.as_secs(), gateway.rcpt_timeout.as_secs()), (30, 5));
    assert_eq!(gateway.primary_mail_host, host);
    assert!(gateway.log_received_mails);
    assert_eq!(
        Value::Object(gateway.settings),
        serde_json::json!({"primary_mail_host": host.as_str(), "log_received_mails": true})
    );
}

#[test]
fn a_backend_config_with_anything_in_it_does_not_log_mails_unless_told() {
    for (text, expected) in [
        (r#"{"sql_dsn":"x"}"#, false),
        (r#"{"save_workers_size":1}"#, false),
        (r#"{"log_received_mails":true}"#, true),
        (r#"{"log_received_mails":false}"#, false),
    ] {
        let (gateway, _) = check(text).unwrap();
        assert_eq!(gateway.log_received_mails, expected, "{text}");
        assert_eq!(gateway.settings["log_received_mails"], expected, "{text}");
    }
}

#[test]
fn a_debugger_that_neither_logs_nor_delays_is_told_of() {
    let is_told = |text: &str| {
        let (_, warnings) = check(text).unwrap();
        warnings.iter().any(|warning| warning.starts_with("backend_config.log_received_mails: "))
    };
    for (text, expected) in [
        (r#"{"save_process":"Header|debugger"}"#, true),
        (r#"{"save_process":"x","processors":{"x":{"use":"Debugger"}}}"#, true),
        // The chain that nobody has written has it, too.
        (r#"{"save_workers_size":1}"#, true),
        (r#"{"save_process":"Header|MailDir"}"#, false),
        (r#"{"save_process":"Debugger","log_received_mails":false}"#, false),
        (r#"{"save_process":"Debugger","log_received_mails":true}"#, false),
        (r#"{"save_process":"Debugger","sleep_seconds":3}"#, false),
        (
            r#"{"save_process":"x","processors":{"x":{"use":"Debugger","log_received_mails":true}}}"#,
            false,
        ),
        (
            r#"{"save_process":"Debugger|x","processors":{"x":{"use":"Debugger","sleep_seconds":3}}}"#,
            true,
        ),
        ("null", false),
    ] {
        assert_eq!(is_told(text), expected, "{text}");
    }
}

#[test]
fn every_key_is_taken_over() {
    let (gateway, warnings) = check(
        r#"{
            "save_process": " HeadersParser | header|MailDir ", "validate_process": "maildir",
            "connect_process": "A", "helo_process": "B|B", "mail_process": " ",
            "save_workers_size": 7, "gw_save_timeout": "1m30s", "GW_val_rcpt_timeout": "300ms",
            "primary_mail_host": "mail.example.com", "log_received_mails": true,
            "maildir_path": "/var/[user]", "Odd": [1]
        }"#,
    )
    .unwrap();
    assert_eq!(warnings, [""; 0]);
    assert_eq!(gateway.save.names, ["HeadersParser", "header", "MailDir"]);
    assert_eq!(gateway.save.text, " HeadersParser | header|MailDir ");
    assert_eq!(gateway.validate.names, ["maildir"]);
    assert_eq!(gateway.connect.names, ["A"]);
    assert_eq!(gateway.helo.names, ["B", "B"]);
    assert!(gateway.mail.is_empty());
    assert_eq!(gateway.save_workers.map(NonZeroU32::get), Some(7));
    assert_eq!(gateway.save_timeout, Duration::from_secs(90));
    assert_eq!(gateway.rcpt_timeout, Duration::from_millis(300));
    assert_eq!(
        Value::Object(gateway.settings),
        serde_json::json!({
            "primary_mail_host": "mail.example.com", "log_received_mails": true,
            "save_workers_size": 7, "maildir_path": "/var/[user]", "Odd": [1]
        })
    );
}

#[test]
fn zero_and_fewer_workers_are_the_best_number() {
    for size in ["0", "-3", "null"] {
        let (gateway, _) = check(&format!(r#"{{"save_workers_size": {size}}}"#)).unwrap();
        assert_eq!(gateway.save_workers, None);
        assert!(!gateway.settings.contains_key("save_workers_size"));
    }
}

#[test]
fn what_cannot_be_meant_is_refused_by_key() {
    let table = [
        (
            r#"{"save_process": ""}"#,
            r#"backend_config.save_process: empty, so mail would be acknowledged and thrown away; name at least one processor, such as "HeadersParser|Header|Debugger""#,
        ),
        (
            r#"{"save_process": " \t"}"#,
            r#"backend_config.save_process: empty, so mail would be acknowledged and thrown away; name at least one processor, such as "HeadersParser|Header|Debugger""#,
        ),
        (
            r#"{"save_process": "A||B"}"#,
            r#"backend_config.save_process: in "A||B" element 2 is empty; put one "|" between two names"#,
        ),
        (
            r#"{"validate_process": "A|B| "}"#,
            r#"backend_config.validate_process: in "A|B| " element 3 is empty; put one "|" between two names"#,
        ),
        (
            r#"{"helo_process": "|"}"#,
            r#"backend_config.helo_process: in "|" element 1 is empty; put one "|" between two names"#,
        ),
        (
            r#"{"save_process": ["A"]}"#,
            "backend_config.save_process: expected a string, found a list",
        ),
        (
            r#"{"save_workers_size": "1"}"#,
            r#"backend_config.save_workers_size: expected a whole number, found "1""#,
        ),
        (
            r#"{"save_workers_size": 10001}"#,
            "backend_config.save_workers_size: expected at most 10000, found 10001; leave it out for the best number",
        ),
        (
            r#"{"gw_save_timeout": "30"}"#,
            r#"backend_config.gw_save_timeout: "30" needs a unit; write a duration such as "30s", "1.5h" or "2h45m""#,
        ),
        (
            r#"{"gw_save_timeout": 30}"#,
            "backend_config.gw_save_timeout: expected a string, found 30",
        ),
        (
            r#"{"gw_val_rcpt_timeout": "-1s"}"#,
            r#"backend_config.gw_val_rcpt_timeout: "-1s" must not be negative; write a duration such as "30s", "1.5h" or "2h45m""#,
        ),
        (
            r#"{"gw_val_rcpt_timeout": "0"}"#,
            "backend_config.gw_val_rcpt_timeout: must be longer than nothing; leave it out for the default",
        ),
        (
            r#"{"gw_save_timeout": "25h"}"#,
            r#"backend_config.gw_save_timeout: "25h" is too long: at most 24h"#,
        ),
        (
            r#"{"primary_mail_host": "a b"}"#,
            r#"backend_config.primary_mail_host: "a b" is not a host name: use letters, digits, "-", "_" and dots, or an address in brackets"#,
        ),
    ];
    for (text, expected) in table {
        assert_eq!(check(text).map(|_| ()), Err(vec![expected.to_owned()]), "{text}");
    }
}

#[test]
fn keys_that_nobody_claims_are_named() {
    let text = r#"{"backend_config": {"save_process": "A", "primary_mail_host": "a.b", "save_proces": "B",
        "sql_dsn": 1, "Sql_Driver": 2, "maildir_pth": 3, "mysql_pass": "secret", "zzz": 4}}"#;
    let config = Config::from_json(text, "x").unwrap().config;
    let unclaimed = config.unclaimed_backend_keys(&["sql_dsn", "sql_driver", "maildir_path"]);
    let lines: Vec<_> = unclaimed.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            r#"backend_config.Sql_Driver: unknown key, ignored; did you mean "sql_driver"?"#,
            r#"backend_config.maildir_pth: unknown key, ignored; did you mean "maildir_path"?"#,
            "backend_config.mysql_pass: no longer in use, ignored; write sql_driver and sql_dsn",
            r#"backend_config.save_proces: unknown key, ignored; did you mean "save_process"?"#,
            "backend_config.zzz: unknown key, ignored",
        ]
    );
}

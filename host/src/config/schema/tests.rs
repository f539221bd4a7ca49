use serde_json::{Value, json};

use super::*;

fn validates(file: &Value) -> bool {
    let store = json!({
        "required": ["store_dsn", "save_workers_size"],
        "anyOf": [{ "required": ["a"] }, { "required": ["b"] }],
        "properties": {
            "store_dsn": { "$ref": "#/$defs/dsn" },
            "a": { "type": "integer" },
            "b": { "type": "object" },
            "mode": { "enum": ["x", "y"] },
        },
        "$defs": { "dsn": { "type": "string", "minLength": 1, "writeOnly": true } },
    });
    let other = json!({ "properties": { "mode": { "type": "integer" } } });
    let known = [
        Described { name: "Store", names: vec!["Store", "my.store"], schema: &store },
        Described { name: "Other", names: vec!["Other"], schema: &other },
    ];
    let schema = json_schema(&known);
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}: {schema}"));
    let validator = jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{error}"));
    validator.is_valid(file)
}

#[track_caller]
fn check(file: Value, expected: bool) {
    assert_eq!(validates(&file), expected, "{file}");
}

fn server(key: &str, value: Value) -> Value {
    json!({ "servers": [{ "listen_interface": ":25", key: value }] })
}

#[test]
fn the_daemons_own_keys() {
    for (key, value, expected) in [
        ("timeout", json!(30), true),
        ("timeout", json!(null), true),
        ("timeout", json!("30"), false),
        ("timeout", json!(-1), false),
        ("timeuot", json!(30), false),
        ("TIMEOUT", json!(30), false),
        ("protocol", json!("lmtp"), true),
        ("protocol", json!("esmtp"), false),
        ("greet_delay", json!("1.5s"), true),
        ("greet_delay", json!("1m30s"), true),
        ("greet_delay", json!("30"), false),
        ("host_name", json!({ "env": "HOSTNAME" }), true),
        ("host_name", json!({ "environment": "HOSTNAME" }), false),
        ("log_file", json!({ "env": "LOG" }), false),
        ("tls", json!({ "ciphers": ["TLS_AES_128_GCM_SHA256"] }), true),
        ("tls", json!({ "ciphers": ["TLS_AES"] }), false),
        ("tls", json!({ "certificates": [{ "public_key_file": "x" }] }), false),
        ("extensions", json!({ "dsn": false }), true),
        ("extensions", json!({ "dns": false }), false),
    ] {
        check(server(key, value), expected);
    }
    check(json!({}), true);
    check(json!({ "servers": [{ "is_enabled": true }] }), false);
    check(json!({ "plugins_sha256": { "a.so": "0".repeat(64) } }), true);
    check(json!({ "plugins_sha256": { "a.so": "0" } }), false);
}

#[test]
fn flat_keys_of_processors() {
    for (key, value, expected) in [
        ("store_dsn", json!("x"), true),
        ("store_dsn", json!(""), false),
        ("store_dsn", json!({ "file": "/x" }), true),
        ("store_dsn", json!({ "file": "/x", "env": "X" }), false),
        ("store_dsn", json!(null), true),
        ("store_dsm", json!("x"), false),
        ("a", json!(1), true),
        ("a", json!({ "env": "A" }), false),
        ("b", json!({ "anything": 1 }), true),
        // Either processor may be meant.
        ("mode", json!("x"), true),
        ("mode", json!(3), true),
        ("mode", json!("z"), false),
        ("primary_mail_host", json!({ "env": "H" }), true),
        ("save_process", json!(["A"]), false),
    ] {
        check(json!({ "backend_config": { key: value } }), expected);
    }
}

#[test]
fn sections_of_processors() {
    for (name, section, expected) in [
        ("store", json!({ "store_dsn": "x" }), true),
        ("MY.STORE", json!({ "on_fault": "continue", "workers": 2 }), true),
        ("mystore", json!({ "store_dsn": "x" }), false),
        ("Store", json!({ "store_dsm": "x" }), false),
        ("Store", json!({ "workers": 0 }), false),
        ("Store", json!({ "log_received_mails": true }), true),
        ("archive", json!({ "use": "STORE", "store_dsn": { "env": "X" }, "a": 1 }), true),
        ("archive", json!({ "use": "Store", "store_dsn": "x" }), false),
        ("archive", json!({ "use": "Store", "a": 1 }), false),
        ("archive", json!({ "use": "Stroe", "store_dsn": "x", "a": 1 }), false),
        ("archive", json!({ "use": "Other", "mode": 1 }), true),
        ("Other", json!({ "use": "Store", "mode": 1 }), false),
        (
            "archive",
            json!({ "use": "Store", "store_dsn": "x", "b": {}, "on_timeout": "sometimes" }),
            false,
        ),
    ] {
        check(json!({ "backend_config": { "processors": { name: section } } }), expected);
    }
}

#[test]
fn a_processor_that_describes_no_key_may_know_any() {
    let open = json!({ "type": "object" });
    let known = [Described { name: "Open", names: vec!["Open"], schema: &open }];
    let schema = json_schema(&known);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    assert!(validator.is_valid(&json!({ "backend_config": { "anything": 1 } })));
    assert!(!validator.is_valid(&json!({ "anything": 1 })));
}

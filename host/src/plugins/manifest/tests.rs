//! Manifests as files may hold them.

use guerrilla_plugin_abi::{Blocking, Event, Phase};
use serde_json::json;

use super::{Api, Manifest, ManifestError};

/// A manifest with everything in it.
fn full() -> serde_json::Value {
    json!({
        "schema": 1, "api": "1.4", "name": "spf", "version": "2.1.0", "authors": "A <a@b.c>:D",
        "license": "MIT", "description": "Checks\n  SPF", "panic": "unwind", "rustc": "rustc 1.95.0",
        "target": "x86_64-unknown-linux-gnu", "homepage": "unknown fields are let pass",
        "processors": [{
            "name": "SPF", "description": "asks the DNS", "aliases": ["spf1", "rfc7208"],
            "phases": ["mail", "save"], "events": ["settled"], "awaits_settled": true,
            "blocking": "short", "config_schema": {"type": "object", "properties": {"spf_dns": {}}},
            "priority": 7,
        }],
    })
}

fn parse(manifest: &serde_json::Value) -> Result<(Manifest, Vec<String>), ManifestError> {
    Manifest::parse(manifest.to_string().as_bytes())
}

/// The error that the full manifest ends in with one value changed, by JSON pointer.
fn refusal(pointer: &str, value: serde_json::Value) -> ManifestError {
    let mut manifest = full();
    *manifest.pointer_mut(pointer).expect("a field of it") = value;
    parse(&manifest).expect_err("refused")
}

#[test]
fn reads_everything() {
    let (manifest, warnings) = parse(&full()).expect("good");
    assert_eq!(warnings, [""; 0]);
    assert_eq!(manifest.name, "spf");
    assert_eq!(manifest.description, "Checks SPF");
    assert_eq!(manifest.api, Api { major: 1, minor: 4 }, "a later minor is welcome");
    let processor = &manifest.processors[0];
    assert_eq!(processor.names().collect::<Vec<_>>(), ["SPF", "spf1", "rfc7208"]);
    assert!(processor.answers_to("RFC7208") && !processor.answers_to("spf2"));
    assert_eq!(processor.phases, [Phase::MAIL, Phase::SAVE]);
    assert_eq!(processor.events, [Event::SETTLED]);
    assert!(processor.awaits_settled);
    assert_eq!(processor.blocking, Blocking::SHORT);
    assert_eq!(processor.phase_names(), ["mail", "save"]);
    assert_eq!(processor.event_names(), ["settled"]);
    assert_eq!(processor.blocking_name(), "short");
}

#[test]
fn little_is_demanded() {
    let (manifest, warnings) = parse(&json!({
        "schema": 1, "api": "1.0", "name": "x", "version": "", "panic": "unwind",
        "processors": [{"name": "X", "phases": ["save"]}],
    }))
    .expect("good");
    assert_eq!(warnings, [""; 0]);
    assert_eq!(manifest.processors[0].blocking, Blocking::LONG, "the careful class");
    assert_eq!(manifest.processors[0].config_schema, json!({}));
}

#[test]
fn unknown_words_are_warnings() {
    let mut manifest = full();
    manifest["processors"][0]["phases"] = json!(["mail", "sign\nature"]);
    manifest["processors"][0]["events"] = json!(["moon"]);
    manifest["processors"][0]["blocking"] = json!("perhaps");
    let (manifest, warnings) = parse(&manifest).expect("good");
    assert_eq!(manifest.processors[0].phases, [Phase::MAIL]);
    assert_eq!(manifest.processors[0].events, []);
    assert_eq!(manifest.processors[0].blocking, Blocking::LONG);
    assert_eq!(
        warnings,
        [
            "processor 'SPF': phase 'sign ature' is not known to this host: it will not be asked there",
            "processor 'SPF': event 'moon' is not known to this host: it will not be told",
            "processor 'SPF': blocking class 'perhaps' is not known to this host: treated as 'long'",
        ]
    );
}

#[test]
fn refuses_another_time_before_it_reads_on() {
    let schema = Manifest::parse(br#"{"schema":2,"api":"9.9","panic":"unwind"}"#);
    assert_eq!(schema, Err(ManifestError::Schema { found: 2 }));
    let api = Manifest::parse(br#"{"schema":1,"api":"2.0","panic":"unwind"}"#);
    assert_eq!(api, Err(ManifestError::Api { found: Api { major: 2, minor: 0 } }));
    assert_eq!(refusal("/panic", json!("abort")), ManifestError::PanicAbort);
}

#[test]
fn refuses_names_that_would_not_fit_a_chain_or_a_path() {
    for name in ["", "A|B", "a b", "../x", ".x", "x/y", "é", "x\0", &"x".repeat(65)] {
        for field in ["/name", "/processors/0/name", "/processors/0/aliases/0"] {
            let error = refusal(field, json!(name));
            assert!(matches!(error, ManifestError::Value { .. }), "{field} {name:?}: {error}");
        }
    }
    assert_eq!(
        refusal("/processors/0/name", json!("A|B")).to_string(),
        "has a manifest whose name of a processor is 'A|B', expected 1 to 64 ASCII letters, digits, '-', '_', \
         '.', '+'; correct it and rebuild"
    );
}

#[test]
fn refuses_values_out_of_range() {
    let many = |n: usize, value: serde_json::Value| json!(vec![value; n]);
    for (field, value) in [
        ("/api", json!("1")),
        ("/api", json!("1.x")),
        ("/panic", json!("sometimes")),
        ("/processors", json!([])),
        ("/processors", many(65, json!({"name": "X", "phases": []}))),
        ("/processors/0/aliases", many(17, json!("x"))),
        ("/processors/0/config_schema", json!([])),
    ] {
        let error = refusal(field, value);
        assert!(matches!(error, ManifestError::Value { .. }), "{field}: {error}");
        assert_eq!(error.code(), "plugin.manifest");
    }
}

#[test]
fn refuses_a_schema_that_is_none() {
    let error = refusal("/processors/0/config_schema", json!({"type": "text"}));
    let line = error.to_string();
    assert!(matches!(error, ManifestError::ConfigSchema { .. }), "{line}");
    assert!(line.contains("config_schema of processor 'SPF' is no JSON Schema: "), "{line}");
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn refuses_what_is_no_manifest() {
    let deep = "[".repeat(100_000);
    for text in ["", "{", "[]", "null", "\u{feff}{}", &deep] {
        let error = Manifest::parse(text.as_bytes()).expect_err(text);
        assert!(matches!(error, ManifestError::Json(_)), "{text:.20}: {error}");
        assert!(!error.to_string().contains('\n'));
    }
    assert!(Manifest::parse(b"{\"schema\":1,\"api\":\"\xff\"}").is_err());
    let missing = refusal("/processors/0/phases", json!(null));
    assert!(missing.to_string().contains("expected a sequence"), "{missing}");
}

#[test]
fn the_name_is_found_where_the_rest_is_wrong() {
    assert_eq!(Manifest::name_in(br#"{"schema":9,"name":"a\nb"}"#), Some("a b".to_owned()));
    assert_eq!(Manifest::name_in(b"{}"), None);
}

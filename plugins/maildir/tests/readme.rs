//! The README tells the truth about the keys.

use std::collections::BTreeSet;

use guerrilla_plugin_api::Plugin as _;
use guerrilla_plugin_api::testkit::Harness;
use maildir::MailDir;
use serde_json::Value;

const README: &str = include_str!("../README.md");

/// The keys in the first column of the table, and whether they are said to be required.
fn documented() -> BTreeSet<(String, bool)> {
    let (_, keys) = README.split_once("\n## Keys\n").expect("a section on the keys");
    let (keys, _) = keys.split_once("\n## ").expect("a section behind it");
    let cells = keys.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    cells
        .map(|(cell, _)| {
            let (key, rest) = cell.split_once('`').expect("a key in backquotes");
            (key.to_owned(), rest == " (required)")
        })
        .collect()
}

#[test]
fn its_table_has_the_keys_of_the_schema() {
    let schema: Value = serde_json::from_str(MailDir::CONFIG_SCHEMA).unwrap();
    let required = schema["required"].as_array().unwrap();
    let keys = schema["properties"].as_object().unwrap().keys();
    let keys: BTreeSet<(String, bool)> =
        keys.map(|key| (key.clone(), required.contains(&Value::from(key.as_str())))).collect();
    assert_eq!(documented(), keys);
}

#[test]
fn its_defaults_and_choices_are_the_schemas() {
    let schema: Value = serde_json::from_str(MailDir::CONFIG_SCHEMA).unwrap();
    for (key, property) in schema["properties"].as_object().unwrap() {
        let line = README.lines().find(|line| line.starts_with(&format!("| `{key}`"))).unwrap();
        for choice in property["enum"].as_array().into_iter().flatten() {
            let choice = choice.as_str().unwrap();
            assert!(line.contains(&format!("`{choice}`")), "{key}: {choice}");
        }
        match property["default"].as_str() {
            Some("") | None => {}
            Some(default) => assert!(line.contains(&format!("`{default}` (default)")), "{key}"),
        }
    }
}

#[test]
fn its_configuration_can_be_pasted() {
    let (_, json) = README.split_once("```json\n").expect("a block");
    let (json, _) = json.split_once("```").expect("its end");
    let mut config: Value = serde_json::from_str(json).expect("JSON");
    // Into a directory of this test's, for owners that need not exist, without the right to give files away.
    let root = tempfile::tempdir().unwrap();
    config["maildir_path"] = format!("{}/[user]/Maildir", root.path().display()).into();
    let users = config["maildir_user_map"].as_str().unwrap();
    config["maildir_user_map"] =
        users.replace("1001:1001", "-1:-1").replace("1002:1002", "-1:-1").into();
    for processor_key in ["save_process", "validate_process"] {
        let chain = config.as_object_mut().unwrap().remove(processor_key).unwrap();
        assert!(chain.as_str().unwrap().split('|').any(|name| name == MailDir::NAME));
    }
    Harness::<MailDir>::new(config).unwrap_or_else(|e| panic!("{e}"));
    assert!(root.path().join("bob/Maildir/new").is_dir());
}

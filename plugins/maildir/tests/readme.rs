//! The README tells the truth about the keys.

use guerrilla_plugin_api::testkit::{Harness, check_keys_of_readme, example_of_readme};
use guerrilla_plugin_api::{BatchPlugin as _, Batched};
use maildir::MailDir;
use serde_json::Value;

const README: &str = include_str!("../README.md");

#[test]
fn the_readme_describes_every_key_and_no_other() {
    check_keys_of_readme(README, MailDir::CONFIG_SCHEMA);
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
    let example = example_of_readme(README, MailDir::CONFIG_SCHEMA);
    let mut config: Value = serde_json::from_str(&example).unwrap();
    // Into a directory of this test's, for owners that need not exist, without the right to give files away.
    let root = tempfile::tempdir().unwrap();
    config["maildir_path"] = format!("{}/[user]/Maildir", root.path().display()).into();
    let users = config["maildir_user_map"].as_str().unwrap();
    config["maildir_user_map"] =
        users.replace("1001:1001", "-1:-1").replace("1002:1002", "-1:-1").into();
    Harness::<Batched<MailDir>>::new(config).unwrap_or_else(|e| panic!("{e}"));
    assert!(root.path().join("bob/Maildir/new").is_dir());
}

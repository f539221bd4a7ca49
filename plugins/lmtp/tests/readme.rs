//! The README tells the truth about the keys.

use guerrilla_plugin_api::testkit::Harness;
use guerrilla_plugin_api::{Async, AsyncPlugin};
use lmtp::Lmtp;

#[test]
fn the_readme_describes_every_key_and_no_other() {
    let schema: serde_json::Value = serde_json::from_str(Lmtp::CONFIG_SCHEMA).unwrap();
    let required = schema["required"].as_array().unwrap();
    let mut keys: Vec<(String, bool)> = Vec::new();
    for key in schema["properties"].as_object().unwrap().keys() {
        keys.push((key.clone(), required.iter().any(|required| required == key)));
    }
    let rows = include_str!("../README.md").lines().filter_map(|line| {
        let (key, rest) = line.strip_prefix("| `lmtp_")?.split_once('`')?;
        Some((format!("lmtp_{key}"), rest.starts_with(" (required)")))
    });
    let mut rows: Vec<(String, bool)> = rows.collect();
    rows.sort();
    assert_eq!(rows, keys);
}

#[test]
fn its_configuration_can_be_pasted() {
    let readme = include_str!("../README.md");
    let text = readme.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let mut config: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).unwrap();
    config.retain(|key, _| key.starts_with("lmtp_"));
    let processor = Harness::<Async<Lmtp>>::new(serde_json::Value::Object(config));
    assert_eq!(processor.err(), None);
}

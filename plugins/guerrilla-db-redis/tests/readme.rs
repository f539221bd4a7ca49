//! The README tells the truth about the keys.

use guerrilla_db_redis::GuerrillaRedisDb;
use guerrilla_plugin_api::BatchPlugin;

#[test]
fn the_readme_describes_every_key_and_no_other() {
    let schema: serde_json::Value = serde_json::from_str(GuerrillaRedisDb::CONFIG_SCHEMA).unwrap();
    let required = schema["required"].as_array().unwrap();
    let keys = schema["properties"].as_object().unwrap().keys();
    let keys: Vec<(&str, bool)> =
        keys.map(|key| (key.as_str(), required.iter().any(|required| required == key))).collect();
    let (_, section) = include_str!("../README.md").split_once("## Keys").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut rows: Vec<(&str, bool)> =
        rows.map(|(key, rest)| (key, rest.starts_with(" (required)"))).collect();
    rows.sort_unstable();
    assert_eq!(rows, keys);
}

//! The keys of the configuration, as written.

use std::num::NonZeroU16;

use serde::Deserialize;

use crate::line_ending::LineEnding;

/// What an operator writes for MailDir; `config.schema.json` describes each key to other programs.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Config {
    /// Where the maildir of a recipient is: `[user]` and `[domain]` are replaced, a leading `~/` is the
    /// daemon's home directory (go-guerrilla: `maildir_path`).
    pub maildir_path: String,
    /// `user=uid:gid`, separated by commas; `*` stands for everybody else (go-guerrilla: `maildir_user_map`).
    #[serde(default)]
    pub maildir_user_map: String,
    /// A file of such entries, one on each line, which is read again when it has changed.
    #[serde(default)]
    pub maildir_user_file: String,
    /// How lines end in the stored files.
    #[serde(default)]
    pub maildir_line_ending: LineEnding,
    /// What stands between a user and the name of a sub-folder; empty for no sub-folders.
    #[serde(default)]
    pub maildir_folder_separator: String,
    /// How much a maildir may hold: a size, a number of messages, or both; empty for no limit.
    #[serde(default)]
    pub maildir_quota: String,
    /// What the client hears of a mailbox that is over its quota.
    #[serde(default)]
    pub maildir_over_quota: OverQuota,
    /// Threads that write, and as many that move; `None` for the number that was measured to be best (go-guerrilla: `save_workers_size`).
    #[serde(default)]
    pub save_workers_size: Option<NonZeroU16>,
}

/// What the client hears of a mailbox that is over its quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum OverQuota {
    /// 452 4.2.2: the client tries again for some days.
    #[default]
    Defer,
    /// 552 5.2.2: the sender is told at once.
    Reject,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::processor::CONFIG_SCHEMA;

    fn minimal() -> Value {
        json!({ "maildir_path": "/m/[user]", "maildir_user_map": "a=-1:-1" })
    }

    #[test]
    fn the_schema_describes_every_key_and_no_other() {
        let schema: Value = serde_json::from_str(CONFIG_SCHEMA).unwrap();
        let described: BTreeSet<String> =
            schema["properties"].as_object().unwrap().keys().cloned().collect();
        let config: Config = serde_json::from_value(minimal()).unwrap();
        let written = serde_json::to_value(config).unwrap();
        let read: BTreeSet<String> = written.as_object().unwrap().keys().cloned().collect();
        assert_eq!(described, read);
        for (key, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].as_str().is_some_and(|d| d.len() > 20), "{key}");
        }
    }

    #[test]
    fn the_schema_requires_what_serde_requires() {
        let schema: Value = serde_json::from_str(CONFIG_SCHEMA).unwrap();
        let required: BTreeSet<&str> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_str().unwrap())
            .collect();
        for key in schema["properties"].as_object().unwrap().keys() {
            let mut config = minimal();
            config.as_object_mut().unwrap().remove(key);
            let read = serde_json::from_value::<Config>(config);
            assert_eq!(read.is_err(), required.contains(key.as_str()), "{key}");
        }
    }

    #[test]
    fn the_schema_and_serde_agree_on_defaults_and_choices() {
        let schema: Value = serde_json::from_str(CONFIG_SCHEMA).unwrap();
        for (key, property) in schema["properties"].as_object().unwrap() {
            let Some(default) = property.get("default") else { continue };
            let mut config = minimal();
            config.as_object_mut().unwrap().remove(key);
            let config: Config = serde_json::from_value(config).unwrap();
            assert_eq!(&serde_json::to_value(config).unwrap()[key], default, "{key}");
        }
        let choices = |key: &str| schema["properties"][key]["enum"].as_array().unwrap().clone();
        for choice in choices("maildir_line_ending") {
            serde_json::from_value::<LineEnding>(choice).unwrap();
        }
        for choice in choices("maildir_over_quota") {
            serde_json::from_value::<OverQuota>(choice).unwrap();
        }
        assert!(serde_json::from_value::<LineEnding>(json!("cr")).is_err());
    }

    #[test]
    fn keys_of_other_processors_are_let_pass() {
        let mut config = minimal();
        config["redis_expire_seconds"] = json!(7);
        serde_json::from_value::<Config>(config).unwrap();
    }
}

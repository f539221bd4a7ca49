//! What an instance is configured with, and whether that fits what its manifest asks for.
//!
//! `serve`, `plugins verify` and `plugins order` all ask here, so that they agree.

use serde_json::Value;

use crate::config::{Gateway, Problem, ProcessorSection, key_path};
use crate::plugins::Processor;
use crate::plugins::schema::unfit;

/// What an instance gets: the flat keys of `backend_config`, and those of its section on top. A section with a name of
/// its own (`use`) has settings of its own, too: of the flat keys it gets those that all processors share.
pub(crate) fn settings(gateway: &Gateway, section: Option<&ProcessorSection>) -> Value {
    let flat = &gateway.settings;
    let Some(section) = section else { return Value::Object(flat.clone()) };
    let mut settings = match section.uses {
        None => flat.clone(),
        Some(_) => flat
            .iter()
            .filter(|(key, _)| SHARED.contains(&key.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    };
    settings.extend(section.settings.clone());
    Value::Object(settings)
}

/// Everything in these settings that the processor's schema does not allow, one line each with the key's path, before any
/// code of the processor runs. `origin` is where the processor comes from.
pub(crate) fn unfit_settings(
    section: Option<&ProcessorSection>,
    settings: &Value,
    processor: &Processor,
    origin: &str,
) -> Vec<String> {
    let name = &processor.name;
    match unfit(&processor.config_schema, settings) {
        Ok(unfit) => unfit
            .into_iter()
            .map(|unfit| {
                let place = place(section, unfit.key.as_deref());
                format!("{place}{}: {} (processor {name}, {origin})", unfit.below, unfit.message)
            })
            .collect(),
        Err(why) => vec![format!(
            "processor {name} ({origin}): its config_schema is no JSON Schema: {why}; this is a fault of the plugin"
        )],
    }
}

/// The keys of a section that its processor does not know, with the one that was probably meant. One that describes no
/// key at all may know any.
pub(crate) fn unknown_keys(section: &ProcessorSection, processor: &Processor) -> Vec<Problem> {
    let Some(known) = processor.config_schema["properties"].as_object() else { return Vec::new() };
    let unknown = section.settings.keys();
    let unknown =
        unknown.filter(|key| !known.contains_key(*key) && !SHARED.contains(&key.as_str()));
    let known = || known.keys().map(String::as_str);
    unknown.map(|key| Problem::unknown_key(&section_path(section), key, known())).collect()
}

/// Where a key stands, or would stand: in the section if that has it or has settings of its own.
fn place(section: Option<&ProcessorSection>, key: Option<&str>) -> String {
    let own = section.filter(|section| {
        section.uses.is_some() || key.is_some_and(|key| section.settings.contains_key(key))
    });
    let path = own.map_or_else(|| "backend_config".to_owned(), section_path);
    key.map_or_else(|| path.clone(), |key| key_path(&path, key))
}

fn section_path(section: &ProcessorSection) -> String {
    key_path("backend_config.processors", &section.name)
}

/// Keys that the gateway shares with every processor.
const SHARED: [&str; 3] = ["primary_mail_host", "log_received_mails", "save_workers_size"];

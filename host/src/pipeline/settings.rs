//! What an instance is configured with, and whether that fits what its manifest asks for.
//!
//! `serve`, `config check`, `plugins verify` and `plugins order` all ask here, so that they agree.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::config::{Gateway, Problem, ProcessorSection, Source, key_path};
use crate::plugins::Processor;
use crate::plugins::schema::{files_in_query, names_file, unfit, wants_object};
use crate::stamp::Stamp;

/// What an instance gets: the flat keys of `backend_config`, and those of its section on top. A section with a name of
/// its own (`use`) has settings of its own, too: of the flat keys it gets those that all processors share. `workers` stands for
/// `save_workers_size` there.
///
/// An object that says where a string stands has become that string, unless the processor wants an object there.
pub(crate) fn settings(
    gateway: &Gateway,
    section: Option<&ProcessorSection>,
    processor: &Processor,
) -> Value {
    let mut settings = as_written(gateway, section);
    for (key, value) in &mut settings {
        if let Some(Ok(secret)) = gateway.secrets.find(value)
            && !wants_object(&processor.config_schema, key)
        {
            *value = Value::from(secret);
        }
    }
    Value::Object(settings)
}

/// The files that an instance with these settings reads when it is created, as they are now; `None` for one that is not
/// there. They are strings that the schema says to be names of files or to have some in their query, and places
/// (`{"file": ...}`) that the processor looks up itself.
pub(super) fn files(settings: &Value, processor: &Processor) -> Vec<(PathBuf, Option<Stamp>)> {
    let mut paths = Vec::new();
    for (key, value) in settings.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(path) if !path.is_empty() && names_file(&processor.config_schema, key) => {
                paths.push(path.into());
            }
            Some(text) => {
                in_query(text, &files_in_query(&processor.config_schema, key), &mut paths)
            }
            // What no schema describes is somebody else's.
            None if processor.properties().is_some_and(|known| known.contains_key(key)) => {
                places(value, &mut paths);
            }
            _ => {}
        }
    }
    paths.into_iter().map(|path: PathBuf| (path.clone(), Stamp::of(&path))).collect()
}

/// Files that parameters of a query name. The text need not be a whole URL, and a password in it may have any character,
/// so whatever looks like such a parameter is one: a file too many is looked at, but none too few.
fn in_query(text: &str, parameters: &[&str], paths: &mut Vec<PathBuf>) {
    let given = text.split(['?', '&', '#']).filter_map(|part| part.split_once('='));
    let files = given.filter(|(name, path)| parameters.contains(name) && !path.is_empty());
    paths.extend(files.map(|(_, path)| decoded(path).into()));
}

/// A value of a query: `+` is a blank, `%2F` a slash.
fn decoded(text: &str) -> OsString {
    OsString::from_vec(percent_decode_str(&text.replace('+', " ")).collect())
}

fn places(value: &Value, paths: &mut Vec<PathBuf>) {
    if let Some(source) = Source::of(value) {
        paths.extend(source.file().map(Into::into));
        return;
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| places(member, paths)),
        Value::Array(items) => items.iter().for_each(|item| places(item, paths)),
        _ => {}
    }
}

fn as_written(gateway: &Gateway, section: Option<&ProcessorSection>) -> Map<String, Value> {
    let flat = &gateway.settings;
    let Some(section) = section else { return flat.clone() };
    let mut settings = match section.uses {
        None => flat.clone(),
        Some(_) => flat
            .iter()
            .filter(|(key, _)| SHARED.contains(&key.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    };
    settings.extend(section.settings.clone());
    if let Some(workers) = section.workers {
        // A processor with threads of its own has so many of them.
        settings.insert("save_workers_size".to_owned(), workers.get().into());
    }
    settings
}

/// Everything in the settings of a processor that cannot be had or that its schema does not allow, before any code of it
/// runs. `origin` is where the processor comes from.
pub(crate) fn misfits(
    gateway: &Gateway,
    section: Option<&ProcessorSection>,
    processor: &Processor,
    origin: &str,
) -> Vec<Problem> {
    let Processor { name, config_schema, .. } = processor;
    let mut lost = Vec::new();
    let mut problems = Vec::new();
    for (key, value) in as_written(gateway, section) {
        if let Some(Err(why)) = gateway.secrets.find(&value)
            && !wants_object(config_schema, &key)
        {
            problems.push(Problem::new(place(section, Some(&key)), why));
            lost.push(key);
        }
    }
    match unfit(config_schema, &settings(gateway, section, processor)) {
        Ok(mut unfit) => {
            unfit.retain(|unfit| !unfit.key.as_ref().is_some_and(|key| lost.contains(key)));
            problems.extend(unfit.into_iter().map(|unfit| {
                let at = place(section, unfit.key.as_deref()) + &unfit.below;
                Problem::new(at, format!("{} (processor {name}, {origin})", unfit.message))
            }));
        }
        Err(why) => problems.push(Problem::new(
            "",
            format!(
                "processor {name} ({origin}): its config_schema is no JSON Schema: {why}; this is a fault of the plugin"
            ),
        )),
    }
    problems
}

/// The keys of a section that its processor does not know, with the one that was probably meant. One that describes no
/// key at all may know any.
pub(crate) fn unknown_keys(section: &ProcessorSection, processor: &Processor) -> Vec<Problem> {
    let Some(known) = processor.properties() else { return Vec::new() };
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

pub(super) fn section_path(section: &ProcessorSection) -> String {
    key_path("backend_config.processors", &section.name)
}

/// Keys that the gateway shares with every processor.
const SHARED: [&str; 3] = ["primary_mail_host", "log_received_mails", "save_workers_size"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::plugins::Manifest;
    use serde_json::json;

    fn processor(schema: Value) -> Processor {
        let (manifest, _) = Manifest::parse(&crate::processors::manifest()).unwrap();
        let mut processor = manifest.processors[0].clone();
        processor.config_schema = schema;
        processor
    }

    #[test]
    fn the_threads_of_a_section_are_told_to_its_processor() {
        let text = r#"{"backend_config": {"save_workers_size": 3, "processors": {
            "few": {"use": "x", "workers": 2}, "all": {"use": "x"}, "y": {"workers": 4}}}}"#;
        let gateway = Config::from_json(text, "test").unwrap().config.gateway;
        let any = processor(json!({}));
        let of =
            |name| settings(&gateway, gateway.section(name), &any)["save_workers_size"].clone();
        assert_eq!([of("few"), of("all"), of("y"), of("none")], [2, 3, 4, 3]);
    }

    #[test]
    fn a_place_becomes_a_string_unless_the_processor_wants_an_object() {
        let text = r#"{"backend_config": {"a": {"env": "CARGO_PKG_NAME"}, "b": {"env": "CARGO_PKG_NAME"},
            "c": {"env": "NO_SUCH_VARIABLE"}, "d": {"env": "NO_SUCH_VARIABLE", "x": 1}, "e": [{"env": "HOME"}],
            "processors": {"p": {"use": "x", "a": {"env": "CARGO_PKG_NAME"}}}}}"#;
        let gateway = Config::from_json(text, "test").unwrap().config.gateway;
        let wants = processor(json!({"properties": {
            "a": {"type": "string"}, "b": {"type": "object"}, "c": {"type": ["object", "null"]}
        }}));
        let found = settings(&gateway, None, &wants);
        assert_eq!(found["a"], "guerrilla");
        assert_eq!(found["b"], json!({"env": "CARGO_PKG_NAME"}));
        assert_eq!(found["c"], json!({"env": "NO_SUCH_VARIABLE"}));
        assert_eq!((&found["d"]["x"], &found["e"][0]["env"]), (&json!(1), &json!("HOME")));
        assert_eq!(misfits(&gateway, None, &wants, "test"), []);
        let section = gateway.section("p");
        assert_eq!(settings(&gateway, section, &wants)["a"], "guerrilla");

        let strings = processor(json!({"properties": {"c": {"type": "string"}}}));
        let problems = misfits(&gateway, None, &strings, "test");
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let why = "variable \"NO_SUCH_VARIABLE\" of the environment is not set";
        assert_eq!(lines, [format!("backend_config.c: {why}")]);
    }
    #[test]
    fn files_are_those_that_the_schema_names_and_places_in_objects() {
        let processor = processor(json!({"properties": {
            "ca": {"type": ["string", "null"], "format": "file"}, "empty": {"format": "file"},
            "text": {"type": "string"}, "params": {"type": "object"}
        }}));
        let settings = json!({
            "ca": "/dev/null", "empty": "", "text": "/dev/zero", "others": {"file": "/dev/zero"},
            "params": {"a": {"file": "/nowhere"}, "b": "plain", "c": {"env": "HOME"}, "d": [{"file": "/dev/full"}]}
        });
        let found = files(&settings, &processor);
        let paths: Vec<_> = found.iter().map(|(path, _)| path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/dev/null", "/nowhere", "/dev/full"]);
        assert!(found[0].1.is_some() && found[1].1.is_none());
    }

    #[test]
    fn files_in_a_query_are_those_whose_parameters_the_schema_lists() {
        let processor = processor(json!({"properties": {
            "dsn": {"type": "string", "x-files-in-query": ["ssl-ca", "sslkey"]}, "url": {"type": "string"}
        }}));
        for (dsn, expected) in [
            ("mysql://u:p@h/d?ssl-ca=/a&sslkey=/b&sslcert=/c", &["/a", "/b"][..]),
            ("postgres://u:p?x@h/d?sslmode=verify-full&sslkey=%2Fe%20t+c%+5%2", &["/e t c% 5%2"]),
            ("mysql://u@h/d?ssl-ca=&xssl-ca=/a", &[]),
            ("/var/mail.sqlite", &[]),
        ] {
            let settings = json!({"dsn": dsn, "url": "http://h/?ssl-ca=/x"});
            let found = files(&settings, &processor);
            let paths: Vec<_> = found.iter().map(|(path, _)| path.to_str().unwrap()).collect();
            assert_eq!(paths, expected, "{dsn}");
        }
    }
}

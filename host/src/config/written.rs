//! A config as a file that means the same: every key, with the value that is in effect. `null` is a key that is not
//! given.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json::Json;
use super::problem::key_path;
use super::reference::Source;
use super::vocabulary::BACKEND;
use super::{
    Config, Gateway, LogFormat, LogLevel, LogTarget, OnFailure, ProcessorSection, Rights, duration,
};

mod server;

/// Writes a config down. `setting` has a last word on how a setting of a processor is written: it is given the section
/// that the setting stands in (none for a flat one), its key and its value.
pub(crate) fn written(
    config: &Config,
    setting: &dyn Fn(Option<&ProcessorSection>, &str, &Value) -> Value,
) -> Json {
    let mut top = Object::at("", &config.places);
    top.put("log_file", target(&config.log.target));
    top.put("log_level", level(config.log.level));
    top.put("log_format", format(config.log.format));
    top.put("pid_file", config.pid_file.as_deref());
    top.put("allowed_hosts", config.allowed_hosts.entries());
    top.put("admin_listen", config.admin.as_ref().map(ToString::to_string));
    top.put("admin_show_bodies", config.admin_show_bodies);
    top.put("max_memory", config.spool.max_memory);
    top.put("spool_threshold", config.spool.threshold as u64);
    top.put("spool_dir", config.spool.dir.as_path());
    rights(&mut top, &config.rights);
    let plugins = &config.plugins;
    top.put("plugins_dir", config.plugins_dir.as_deref());
    top.put("plugins_on_error", if plugins.skip_broken { "skip" } else { "fail" });
    top.put("plugins_allow", plugins.allow.as_deref());
    let pins = plugins.sha256.iter().map(|(name, digest)| (name.clone(), digest.as_str().into()));
    top.put("plugins_sha256", Json::Object(pins.collect()));
    top.put("plugins_runtime_dir", plugins.runtime_dir.as_deref());
    top.put("plugins_watch", duration::written(plugins.watch.unwrap_or_default()));
    top.put("plugins_crash_file", plugins.crash_file.as_deref());
    let servers = config.servers.iter().enumerate();
    let servers = servers.map(|(index, server)| server::written(server, index, &config.places));
    top.put("servers", Json::List(servers.collect()));
    top.put("backend_config", gateway(&config.gateway, &config.places, setting));
    top.json()
}

fn rights(top: &mut Object<'_>, rights: &Rights) {
    top.put("user", rights.user.as_deref());
    top.put("group", rights.group.as_deref());
    top.put("umask", rights.umask.map(|mask| format!("{mask:04o}")));
    top.put("landlock", rights.landlock.word());
    for (key, list) in [("landlock_read", &rights.read), ("landlock_write", &rights.write)] {
        top.put(key, Json::List(list.iter().map(|path| path.as_path().into()).collect()));
    }
}

fn gateway(
    gateway: &Gateway,
    places: &BTreeMap<String, Source>,
    setting: &dyn Fn(Option<&ProcessorSection>, &str, &Value) -> Value,
) -> Json {
    let mut object = Object::at("backend_config", places);
    object.put("connect_process", gateway.connect.text.as_str());
    object.put("helo_process", gateway.helo.text.as_str());
    object.put("mail_process", gateway.mail.text.as_str());
    object.put("validate_process", gateway.validate.text.as_str());
    object.put("save_process", gateway.save.text.as_str());
    object.put("save_workers_size", gateway.save_workers.map_or(0, |n| u64::from(n.get())));
    object.put("gw_save_timeout", duration::written(gateway.save_timeout));
    object.put("gw_val_rcpt_timeout", duration::written(gateway.rcpt_timeout));
    object.put("primary_mail_host", gateway.primary_mail_host.as_str());
    object.put("log_received_mails", gateway.log_received_mails);
    for (key, value) in &gateway.settings {
        // Those the gateway shares stand there already.
        if BACKEND.find(key).is_none() {
            object.put(key, Json::from(setting(None, key, value)));
        }
    }
    let sections = gateway.processors.iter().map(|section| {
        let settings = section.settings.iter();
        let settings = settings
            .map(|(key, value)| (key.clone(), Json::from(setting(Some(section), key, value))));
        (section.name.clone(), self::section(section, settings))
    });
    object.put("processors", Json::Object(sections.collect()));
    object.json()
}

fn section(section: &ProcessorSection, settings: impl Iterator<Item = (String, Json)>) -> Json {
    let word = |policy| match policy {
        OnFailure::Defer => "defer",
        OnFailure::Continue => "continue",
        OnFailure::Reject => "reject",
    };
    let own = [
        ("use", Json::from(section.uses.as_deref())),
        ("on_fault", word(section.on_fault).into()),
        ("on_timeout", word(section.on_timeout).into()),
        ("workers", section.workers.map(|n| u64::from(n.get())).into()),
    ];
    let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
    Json::Object(own.chain(settings).collect())
}

/// An object of the file on its way.
struct Object<'a> {
    at: String,
    places: &'a BTreeMap<String, Source>,
    members: Vec<(String, Json)>,
}

impl<'a> Object<'a> {
    fn at(at: &str, places: &'a BTreeMap<String, Source>) -> Self {
        Self { at: at.to_owned(), places, members: Vec::new() }
    }

    /// Adds a key. One whose value stands somewhere else gets that place.
    fn put(&mut self, key: &str, value: impl Into<Json>) {
        let place = self.places.get(&key_path(&self.at, key));
        self.members.push((key.to_owned(), place.map_or_else(|| value.into(), Source::to_json)));
    }

    fn json(self) -> Json {
        Json::Object(self.members)
    }
}

fn target(target: &LogTarget) -> Json {
    match target {
        LogTarget::Stderr => "stderr".into(),
        LogTarget::Stdout => "stdout".into(),
        LogTarget::Off => "off".into(),
        LogTarget::File(path) => path.as_path().into(),
    }
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

fn format(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    }
}

impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&Path> for Json {
    /// Paths of a config come from JSON; one from the command line that is no UTF-8 is shown as well as can be.
    fn from(path: &Path) -> Self {
        Self::Text(path.to_string_lossy().into_owned())
    }
}

impl From<&PathBuf> for Json {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&[String]> for Json {
    fn from(texts: &[String]) -> Self {
        Self::List(texts.iter().map(|text| text.as_str().into()).collect())
    }
}

impl<T: Into<Self>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests;

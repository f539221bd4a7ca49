//! `backend_config`, checked: the gateway's own keys, and the settings that processors receive.
//!
//! The object is one flat map, shared by the gateway and all processors. Which of the other keys
//! anybody reads is known to the processors alone.
//!
//! Differences from go-guerrilla: a value of the wrong type and a bad timeout are errors (they fell
//! back on the default in silence), and so is an empty `save_process` (mail was thrown away). The
//! gateway's own keys are found in any case.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Map, Value};

use super::duration;
use super::host_name::HostName;
use super::instances::ProcessorSection;
use super::problem::{Findings, Problem, key_path};
use super::raw::RawBackend;
use super::reference::Secrets;
use super::vocabulary::BACKEND;

/// What happens to mail.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// The stages that keep a message (`save_process`); never empty.
    pub save: ChainSpec,
    /// The stages that judge a recipient (`validate_process`); empty accepts all.
    pub validate: ChainSpec,
    /// The stages that judge a new connection (`connect_process`).
    pub connect: ChainSpec,
    /// The stages that judge HELO (`helo_process`).
    pub helo: ChainSpec,
    /// The stages that judge a sender (`mail_process`).
    pub mail: ChainSpec,
    /// Workers per stage that blocks (`save_workers_size`). `None`, also for 0 and less, is as many
    /// as the stage gains by; go-guerrilla took one.
    pub save_workers: Option<NonZeroU32>,
    /// How long saving may take (`gw_save_timeout`), above zero.
    pub save_timeout: Duration,
    /// How long judging a recipient may take (`gw_val_rcpt_timeout`), above zero.
    pub rcpt_timeout: Duration,
    /// The host that processors file mail under (`primary_mail_host`).
    pub primary_mail_host: HostName,
    /// Whether the Debugger logs each message (`log_received_mails`).
    pub log_received_mails: bool,
    /// Sections for single processors (`processors`).
    pub processors: Vec<ProcessorSection>,
    /// What the places held that settings name in the place of a string (`{"file": ...}`, `{"env": ...}`), of flat keys
    /// and of sections.
    pub secrets: Secrets,
    /// What processors receive: every key that is not the gateway's, plus the shared
    /// `primary_mail_host` and `log_received_mails` always and `save_workers_size` when it is set.
    pub settings: Map<String, Value>,
}

impl Default for Gateway {
    /// What go-guerrilla does without a `backend_config`. Mail is logged and not kept.
    fn default() -> Self {
        let mut gateway = Self {
            save: ChainSpec::parse(DEFAULT_SAVE_PROCESS).unwrap_or_default(),
            validate: ChainSpec::default(),
            connect: ChainSpec::default(),
            helo: ChainSpec::default(),
            mail: ChainSpec::default(),
            save_workers: None,
            save_timeout: Duration::from_secs(30),
            rcpt_timeout: Duration::from_secs(5),
            primary_mail_host: HostName::of_this_machine(),
            log_received_mails: true,
            processors: Vec::new(),
            secrets: Secrets::default(),
            settings: Map::new(),
        };
        gateway.share_settings();
        gateway
    }
}

impl Gateway {
    pub(super) fn check(raw: Option<RawBackend>, findings: &mut Findings) -> Self {
        let mut raw = raw.unwrap_or_default();
        let processors = ProcessorSection::check_all(raw.settings.remove("processors"), findings);
        let mut secrets = Secrets::default();
        let sections = processors.iter().flat_map(|section| section.settings.values());
        secrets.read(raw.settings.values().chain(sections));
        let usual = Self::default();
        let mut gateway = Self {
            save: save_process(raw.save_process, findings).unwrap_or(usual.save),
            validate: chain("validate_process", raw.validate_process, findings),
            connect: chain("connect_process", raw.connect_process, findings),
            helo: chain("helo_process", raw.helo_process, findings),
            mail: chain("mail_process", raw.mail_process, findings),
            save_workers: workers(raw.save_workers_size, findings),
            save_timeout: timeout("gw_save_timeout", raw.gw_save_timeout, findings)
                .unwrap_or(usual.save_timeout),
            rcpt_timeout: timeout("gw_val_rcpt_timeout", raw.gw_val_rcpt_timeout, findings)
                .unwrap_or(usual.rcpt_timeout),
            primary_mail_host: HostName::check(
                raw.primary_mail_host,
                "backend_config.primary_mail_host",
                findings,
            )
            .unwrap_or(usual.primary_mail_host),
            // go-guerrilla's own rule: true without a backend_config, false with one that is silent.
            log_received_mails: raw.log_received_mails.unwrap_or(!raw.has_members),
            processors,
            secrets,
            settings: raw.settings,
        };
        // What was found wrong stands there as its default.
        let known = !["save_process", "log_received_mails"]
            .iter()
            .any(|key| findings.has_error_at(&path(key)));
        if raw.log_received_mails.is_none()
            && raw.has_members
            && gateway.has_idle_debugger()
            && known
        {
            findings.warn(
                path("log_received_mails"),
                "left out, which is false in a backend_config: Debugger logs no message; set it to true, or to false to say so",
            );
        }
        gateway.share_settings();
        gateway
    }

    /// Whether a chain names the Debugger for nothing: it neither logs, unless told to here, nor delays.
    fn has_idle_debugger(&self) -> bool {
        self.save.names.iter().any(|name| {
            let section = self.section(name);
            let processor = section.and_then(|section| section.uses.as_deref()).unwrap_or(name);
            let is_set = |key: &str| {
                self.settings.contains_key(key)
                    || section.is_some_and(|section| section.settings.contains_key(key))
            };
            processor.eq_ignore_ascii_case("Debugger")
                && !is_set("log_received_mails")
                && !is_set("sleep_seconds")
        })
    }

    /// The section that a chain means by a name.
    pub(crate) fn section(&self, name: &str) -> Option<&ProcessorSection> {
        self.processors.iter().find(|section| section.name.eq_ignore_ascii_case(name))
    }

    /// The settings that neither the gateway reads nor anybody whose keys are in `known`, each as a
    /// warning with the key that was probably meant.
    pub(crate) fn unclaimed(&self, known: &[&str]) -> Vec<Problem> {
        let own: Vec<&str> = BACKEND.keys().collect();
        let claimed = [known, &own].concat();
        let unclaimed = self.settings.keys().filter(|key| !claimed.contains(&key.as_str()));
        unclaimed
            .map(|key| match BACKEND.advice(key) {
                Some(advice) => Problem::new(path(key), advice),
                None => Problem::unknown_key(SECTION, key, claimed.iter().copied()),
            })
            .collect()
    }

    /// Puts the keys that gateway and processors share among the settings, as they are in effect.
    fn share_settings(&mut self) {
        let host = self.primary_mail_host.as_str().into();
        self.settings.insert("primary_mail_host".to_owned(), host);
        self.settings.insert("log_received_mails".to_owned(), self.log_received_mails.into());
        if let Some(workers) = self.save_workers {
            self.settings.insert("save_workers_size".to_owned(), workers.get().into());
        }
    }
}

/// The names of a chain, `A|B|C`, before anybody has looked whether they exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainSpec {
    /// As written in the file.
    pub text: String,
    /// The names in order, trimmed, in the case they were written in; case does not count when they
    /// are looked up. A name may come more than once.
    pub names: Vec<String>,
}

impl ChainSpec {
    /// Splits a chain at its bars. A blank text is the empty chain.
    ///
    /// # Errors
    /// When an element is empty, as in `A||B`.
    ///
    /// ```
    /// # use guerrilla::config::ChainSpec;
    /// assert_eq!(ChainSpec::parse(" Hasher | MailDir")?.names, ["Hasher", "MailDir"]);
    /// assert_eq!(ChainSpec::parse("Hasher||MailDir").unwrap_err().position, 2);
    /// # Ok::<(), guerrilla::config::EmptyElement>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, EmptyElement> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let names: Vec<_> = text.split('|').map(|name| name.trim().to_owned()).collect();
        match names.iter().position(String::is_empty) {
            Some(index) => Err(EmptyElement { position: index + 1 }),
            None => Ok(Self { text: text.to_owned(), names }),
        }
    }

    /// Whether the chain has no stages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// A chain with nothing between two bars, or before or behind one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("element {position} is empty; put one \"|\" between two names")]
pub struct EmptyElement {
    /// Which element, from 1.
    pub position: usize,
}

/// What go-guerrilla saves with when nobody says how.
const DEFAULT_SAVE_PROCESS: &str = "HeadersParser|Header|Debugger";

/// More threads than this is a slip of the pen.
const MOST_WORKERS: u32 = 10_000;

/// No client waits that long (RFC 5321 section 4.5.3.2.6: ten minutes), and clocks cannot overflow.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

const SECTION: &str = "backend_config";

fn path(key: &str) -> String {
    key_path(SECTION, key)
}

fn save_process(text: Option<String>, findings: &mut Findings) -> Option<ChainSpec> {
    let at = path("save_process");
    let Some(text) = text else {
        if !findings.has_error_at(&at) {
            findings.warn(
                at,
                format!(
                    "left out, so mail is only logged, by {DEFAULT_SAVE_PROCESS}, and kept nowhere"
                ),
            );
        }
        return None;
    };
    if text.trim().is_empty() {
        findings.error(
            at,
            format!(
                "empty, so mail would be acknowledged and thrown away; \
                 name at least one processor, such as \"{DEFAULT_SAVE_PROCESS}\""
            ),
        );
        return None;
    }
    Some(chain("save_process", Some(text), findings))
}

fn chain(key: &str, text: Option<String>, findings: &mut Findings) -> ChainSpec {
    let text = text.unwrap_or_default();
    ChainSpec::parse(&text).unwrap_or_else(|error| {
        findings.error(path(key), format!("in {text:?} {error}"));
        ChainSpec::default()
    })
}

fn workers(size: Option<i64>, findings: &mut Findings) -> Option<NonZeroU32> {
    let size = size.filter(|size| *size > 0)?;
    let workers = u32::try_from(size).ok().filter(|size| *size <= MOST_WORKERS);
    if workers.is_none() {
        findings.error(
            path("save_workers_size"),
            format!(
                "expected at most {MOST_WORKERS}, found {size}; leave it out for the best number"
            ),
        );
    }
    workers.and_then(NonZeroU32::new)
}

fn timeout(key: &str, text: Option<String>, findings: &mut Findings) -> Option<Duration> {
    let text = text.filter(|text| !text.is_empty())?;
    match duration::parse(&text) {
        Ok(Duration::ZERO) => {
            findings.error(path(key), "must be longer than nothing; leave it out for the default");
            None
        }
        Ok(timeout) if timeout > LONGEST_TIMEOUT => {
            findings.error(path(key), format!("{text:?} is too long: at most 24h"));
            None
        }
        Ok(timeout) => Some(timeout),
        Err(error) => {
            findings.error(path(key), duration::explain(&text, &error));
            None
        }
    }
}

#[cfg(test)]
mod tests;

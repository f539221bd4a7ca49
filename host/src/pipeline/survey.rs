//! What is wrong with configured chains, as far as it can be told without running code of any processor.
//!
//! `serve` and `config check` both ask here, so that they agree.

use std::collections::HashSet;

use guerrilla_plugin_abi::Phase;

use super::settings::{misfits, section_path, unknown_keys};
use crate::config::{ChainSpec, Gateway, Problem, ProcessorSection, closest};
use crate::plugins::Processor;
use crate::plugins::catalogue::{Offer, Offers};

/// What was found.
#[derive(Default)]
pub(crate) struct Survey {
    /// What keeps the chains from being built.
    pub(crate) problems: Vec<Problem>,
    /// What the operator should know.
    pub(crate) warnings: Vec<Problem>,
    /// Chains that name a processor that is not loaded for now.
    pub(super) deferred: Vec<Deferred>,
    /// Sections and processors that have been held against their schema, and whether their settings fit.
    judged: Vec<(String, bool)>,
}

/// A chain that nobody is asked of: all that it is asked is answered 4xx.
pub(super) struct Deferred {
    pub(super) phase: Phase,
    /// Who is not there, in one line.
    pub(super) why: String,
}

/// Looks at all chains and sections.
pub(crate) fn survey(gateway: &Gateway, offers: &Offers<'_>) -> Survey {
    let mut survey = Survey::default();
    // The safe mode does not know which keys the plugins read.
    if !offers.safe_mode {
        survey.warnings.extend(gateway.unclaimed(&config_keys(offers)));
    }
    for section in &gateway.processors {
        survey.section(section, offers);
    }
    for (key, phase, chain) in chains(gateway) {
        survey.chain(gateway, offers, key, phase, chain);
    }
    survey
}

impl Survey {
    /// Whether a stage of this name has settings that fit.
    pub(crate) fn fits(&self, name: &str) -> bool {
        self.judged.iter().all(|(judged, fits)| judged != name || *fits)
    }

    /// A section for a processor that does not exist is a slip of the pen.
    fn section(&mut self, section: &ProcessorSection, offers: &Offers<'_>) {
        let wanted = section.uses.as_deref().unwrap_or(&section.name);
        match offers.find(wanted) {
            None if offers.absent(wanted).is_some() => {}
            Some(offer) => self.warnings.extend(unknown_keys(section, offer.processor)),
            None => self.problems.push(unknown(section_path(section), wanted, offers)),
        }
    }

    fn chain(
        &mut self,
        gateway: &Gateway,
        offers: &Offers<'_>,
        key: &str,
        phase: Phase,
        chain: &ChainSpec,
    ) {
        let at = format!("backend_config.{key}");
        if let Some((name, why)) = absent(gateway, offers, chain) {
            let message = format!(
                "processor {name} is {why}: whatever this chain is asked is deferred (451)"
            );
            self.deferred.push(Deferred { phase, why: format!("{key}: {message}") });
            self.warnings.push(Problem::new(at, message));
            return;
        }
        for name in &chain.names {
            let section = gateway.section(name);
            let wanted = section.and_then(|section| section.uses.as_deref()).unwrap_or(name);
            let Some(Offer { processor, origin }) = offers.find(wanted) else {
                // A section's mistake has been told already.
                if section.is_none() {
                    self.problems.push(unknown(at.clone(), name, offers));
                }
                continue;
            };
            if !processor.phases.contains(&phase) {
                let message = format!(
                    "processor {} ({origin}) takes no part in this phase; take it out of this chain",
                    processor.name
                );
                self.problems.push(Problem::new(at.clone(), message));
                continue;
            }
            let own = section.map_or(&processor.name, |section| &section.name);
            if self.judged.iter().any(|(judged, _)| judged == own) {
                continue;
            }
            let unfit = misfits(gateway, section, processor, origin);
            self.judged.push((own.clone(), unfit.is_empty()));
            // Several processors may miss the same file.
            let new: Vec<_> = unfit.into_iter().filter(|p| !self.problems.contains(p)).collect();
            self.problems.extend(new);
        }
    }
}

/// All chains with their keys and phases, in the order of a session.
pub(crate) fn chains(gateway: &Gateway) -> [(&'static str, Phase, &ChainSpec); 5] {
    [
        ("connect_process", Phase::CONNECT, &gateway.connect),
        ("helo_process", Phase::HELO, &gateway.helo),
        ("mail_process", Phase::MAIL, &gateway.mail),
        ("validate_process", Phase::RCPT, &gateway.validate),
        ("save_process", Phase::SAVE, &gateway.save),
    ]
}

/// The first name of a chain that stands for a processor that is not loaded for now, and why.
fn absent<'a>(
    gateway: &Gateway,
    offers: &Offers<'_>,
    chain: &'a ChainSpec,
) -> Option<(&'a str, &'static str)> {
    chain.names.iter().find_map(|name| {
        let section = gateway.section(name);
        let wanted = section.and_then(|section| section.uses.as_deref()).unwrap_or(name);
        Some((name.as_str(), offers.absent(wanted)?))
    })
}

fn unknown(at: String, name: &str, offers: &Offers<'_>) -> Problem {
    let known = offers.present.iter().flat_map(|offer| offer.processor.names());
    let hint = match closest(name, known) {
        Some(near) => format!("did you mean {near}?"),
        None => "is its .so in the plugins directory (--plugins-dir, plugins_dir)?".to_owned(),
    };
    Problem::new(at, format!("there is no processor {name:?}; {hint}"))
}

/// Every configuration key that a processor's schema names.
fn config_keys<'a>(offers: &Offers<'a>) -> Vec<&'a str> {
    let present = offers.present.iter().map(|offer| offer.processor);
    let properties = present.chain(offers.absent).filter_map(Processor::properties);
    let keys: HashSet<&str> =
        properties.flat_map(|properties| properties.keys().map(String::as_str)).collect();
    let mut keys: Vec<&str> = keys.into_iter().collect();
    // Of equally close keys the first one is proposed: always the same.
    keys.sort_unstable();
    keys
}

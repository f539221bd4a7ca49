//! From the configured names to chains of started instances.
//!
//! Everything is checked and created before anything is started, and all problems are told at once: a
//! configuration either works as a whole or changes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::available_parallelism;

use guerrilla_plugin_abi::Phase;

use super::breaker::Policy;
use super::chain::Pipeline;
use super::retire::{Retiring, Running};
use super::settings::{files, settings};
use super::stage::{Blueprint, Stage};
use super::survey::{Survey, chains, survey};
use crate::config::{ChainSpec, Gateway, ProcessorSection};
use crate::plugins::catalogue::{Catalogue, Entry};
use crate::plugins::ffi::Instance;

/// One line for each thing that is wrong with the configured chains.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct AssembleError(pub(crate) Vec<String>);

/// Makes and starts all chains. Stages of the previous pipeline that would be made again just as they are go on as
/// they are, with all they keep and have open.
pub(crate) fn assemble(
    gateway: &Gateway,
    catalogue: &Catalogue,
    previous: Option<&Pipeline>,
) -> Result<Pipeline, AssembleError> {
    let survey = survey(gateway, &catalogue.offers());
    for warning in &survey.warnings {
        tracing::warn!("{warning}");
    }
    let threads = gateway.save_workers.map_or_else(default_threads, |n| n.get() as usize);
    let mut maker = Maker {
        catalogue,
        gateway,
        threads,
        previous: previous.map(|previous| &previous.stages[..]).unwrap_or_default(),
        retiring: previous.map(|previous| Arc::clone(&previous.retiring)).unwrap_or_default(),
        made: HashMap::new(),
        order: Vec::new(),
        problems: survey.problems.iter().map(ToString::to_string).collect(),
        survey,
    };
    let [connect, helo, mail, rcpt, save] =
        chains(gateway).map(|(key, phase, spec)| maker.chain(key, phase, spec));
    if !maker.problems.is_empty() {
        return Err(AssembleError(maker.problems));
    }
    start(&maker.order)?;
    let retiring = maker.retiring;
    let running = |made| match made {
        Made::Before(running) => running,
        Made::New(stage) => Running::new(stage, &retiring),
    };
    Ok(Pipeline {
        connect,
        helo,
        mail,
        rcpt,
        save,
        stages: maker.order.into_iter().map(running).collect(),
        retiring,
        deferred: maker.survey.deferred,
        save_timeout: gateway.save_timeout,
        rcpt_timeout: gateway.rcpt_timeout,
    })
}

/// Starts new stages; when one fails, all of them are stopped again.
fn start(order: &[Made]) -> Result<(), AssembleError> {
    let new = |made| match made {
        &Made::Before(_) => None,
        Made::New(stage) => Some(stage),
    };
    for (at, stage) in order.iter().enumerate().filter_map(|(at, made)| Some((at, new(made)?))) {
        if let Err(why) = stage.start() {
            order[..at].iter().filter_map(new).for_each(|earlier| earlier.stop(0));
            let problem = format!("processor {}: cannot start: {why}", stage.name());
            return Err(AssembleError(vec![problem]));
        }
    }
    Ok(())
}

/// Threads of a blocking stage when nobody has said: waiting for a disk or a service gains by more threads than cores,
/// up to about this many (Maildir: 10 threads reach nine tenths of what 64 do).
fn default_threads() -> usize {
    available_parallelism().map_or(4, usize::from).saturating_mul(8).clamp(16, 64)
}

struct Maker<'a> {
    catalogue: &'a Catalogue,
    gateway: &'a Gateway,
    threads: usize,
    /// The stages there are already.
    previous: &'a [Arc<Running>],
    retiring: Arc<Retiring>,
    /// Stages by processor and by which time it stands in the same chain: chains share instances, but a
    /// processor named twice in one chain is two.
    made: HashMap<(String, usize), Arc<Stage>>,
    order: Vec<Made>,
    /// What is known to be wrong; the rest is made all the same, to find what is wrong with that.
    survey: Survey,
    problems: Vec<String>,
}

/// A stage of the new pipeline.
enum Made {
    /// The previous one has it, too.
    Before(Arc<Running>),
    /// It is to be started.
    New(Arc<Stage>),
}

impl<'a> Maker<'a> {
    fn chain(&mut self, key: &str, phase: Phase, spec: &ChainSpec) -> Vec<Arc<Stage>> {
        let mut stages = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        // Not shortened by what is not loaded: that may be what keeps the mail.
        if self.survey.deferred.iter().any(|deferred| deferred.phase == phase) {
            return stages;
        }
        for name in &spec.names {
            let section = self.gateway.section(name);
            let wanted = section.and_then(|s| s.uses.as_deref()).unwrap_or(name);
            let entry = self.catalogue.find(wanted);
            let Some(entry) = entry.filter(|entry| entry.processor.phases.contains(&phase)) else {
                continue;
            };
            let processor = &entry.processor;
            let own_name = section.map_or(&processor.name, |section| &section.name);
            let time = seen.entry(own_name.clone()).or_default();
            *time += 1;
            let place = (own_name.clone(), *time);
            match self.made.get(&place) {
                Some(stage) => stages.push(Arc::clone(stage)),
                None => stages.extend(self.make(key, entry, section, place)),
            }
        }
        stages
    }

    fn make(
        &mut self,
        key: &str,
        entry: &Entry,
        section: Option<&ProcessorSection>,
        place: (String, usize),
    ) -> Option<Arc<Stage>> {
        if !self.survey.fits(&place.0) {
            return None;
        }
        let settings = settings(self.gateway, section, &entry.processor);
        let blueprint = Blueprint {
            name: place.0.clone(),
            time: place.1,
            processor: entry.processor.name.clone(),
            origin: entry.constructor.origin(),
            files: files(&settings, &entry.processor),
            settings: settings.to_string(),
            threads: section.and_then(|s| s.workers).map_or(self.threads, |n| n.get() as usize),
            policy: section.map(Policy::in_section).unwrap_or_default(),
        };
        if let Some(running) = self.previous.iter().find(|r| r.stage.blueprint == blueprint) {
            self.made.insert(place, Arc::clone(&running.stage));
            self.order.push(Made::Before(Arc::clone(running)));
            return Some(Arc::clone(&running.stage));
        }
        let settings = &blueprint.settings;
        match Instance::create(&entry.constructor, &entry.processor.name, settings) {
            Ok(instance) => {
                let stage = Arc::new(Stage::new(blueprint, &entry.processor, instance));
                self.made.insert(place, Arc::clone(&stage));
                self.order.push(Made::New(Arc::clone(&stage)));
                Some(stage)
            }
            Err(why) => {
                self.problems.push(format!(
                    "backend_config: processor {} ({}), named in {key}: {why}",
                    place.0, entry.origin
                ));
                None
            }
        }
    }
}

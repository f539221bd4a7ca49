//! `order`: who is asked in which phase. Read from the config and the manifests; no code of a plugin runs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use guerrilla_plugin_abi::{Blocking, Phase};

use super::settings::processor_behind;
use crate::cli::{CONFIG, complain, say};
use crate::config::{Config, Gateway, default_path};
use crate::daemon::builtins;
use crate::pipeline::{chains, misfits};
use crate::plugins::{Manifest, Processor, manifests};
use crate::processors;

/// Prints the chains. Fails when one of them could not be built.
pub(super) fn run(config: Option<PathBuf>, plugins_dir: Option<PathBuf>) -> ExitCode {
    let offers = read(config, plugins_dir);
    let (gateway, offers) = match offers {
        Ok(found) => found,
        Err(problems) => {
            problems.iter().for_each(complain);
            return ExitCode::from(CONFIG);
        }
    };
    let mut code = ExitCode::SUCCESS;
    let mut unfit = Vec::new();
    for (key, phase, chain) in chains(&gateway) {
        say(key);
        if chain.names.is_empty() {
            say("     nobody is asked");
        }
        for (place, name) in chain.names.iter().enumerate() {
            let section = gateway.section(name);
            let meant = processor_behind(section, name);
            match offers.iter().find(|offer| offer.processor.answers_to(meant)) {
                Some(offer) if offer.processor.phases.contains(&phase) => {
                    say(format_args!("  {:>2} {}", place + 1, offer.line(name, phase)));
                    let found = misfits(&gateway, section, &offer.processor, &offer.origin);
                    unfit.extend(found.iter().map(ToString::to_string));
                }
                Some(offer) => {
                    say(format_args!("  {:>2} {name}: takes no part in this phase", place + 1));
                    complain(format_args!("{key}: {name} ({}) takes no part here", offer.origin));
                    code = ExitCode::FAILURE;
                }
                None => {
                    say(format_args!("  {:>2} {name}: there is no such processor", place + 1));
                    complain(format_args!("{key}: there is no processor \"{name}\""));
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    // A processor that stands in two chains has the same settings there.
    let mut told = HashSet::new();
    for problem in unfit.iter().filter(|problem| told.insert(*problem)) {
        complain(problem);
        code = ExitCode::FAILURE;
    }
    code
}

/// A processor and where it comes from.
struct Offer {
    processor: Processor,
    origin: String,
}

impl Offer {
    fn line(&self, name: &str, phase: Phase) -> String {
        let inline = self.processor.blocking == Blocking::NEVER
            || self.processor.never_blocks_in.contains(&phase);
        let place = if inline { "inline" } else { "in its pool" };
        let own = &self.processor.name;
        let who = if own.eq_ignore_ascii_case(name) { own } else { &format!("{name} ({own})") };
        format!("{who:<24} {place:<12} {}", self.origin)
    }
}

/// The config's chains and everything that is on offer, or what is wrong, line by line.
fn read(
    config: Option<PathBuf>,
    plugins_dir: Option<PathBuf>,
) -> Result<(Gateway, Vec<Offer>), Vec<String>> {
    let path = config.or_else(|| default_path().map(|found| found.path));
    let config = match path {
        Some(path) => Config::load(&path).map_err(|error| vec![error.to_string()])?.config,
        None => Config::defaults(),
    };
    let mut offers = Vec::new();
    if let Ok((manifest, _)) = Manifest::parse(&processors::manifest()) {
        offers.extend(of(manifest, "built-in"));
    }
    if let Some(dir) = plugins_dir.or(config.plugins_dir) {
        for (path, manifest) in from(&dir)? {
            let origin = format!("{} {} ({})", manifest.name, manifest.version, path.display());
            offers.extend(of(manifest, &origin));
        }
    }
    Ok((config.gateway, offers))
}

fn from(dir: &Path) -> Result<Vec<(PathBuf, Manifest)>, Vec<String>> {
    let builtins = builtins();
    let taken: Vec<&str> = builtins.names().collect();
    manifests(dir, &taken).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn of(manifest: Manifest, origin: &str) -> impl Iterator<Item = Offer> {
    manifest.processors.into_iter().map(|processor| Offer { processor, origin: origin.to_owned() })
}

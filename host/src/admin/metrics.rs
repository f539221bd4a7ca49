//! Figures in the text form that Prometheus and OpenMetrics read. Nothing is kept here: each scrape asks those who
//! count.
//!
//! - [`servers`]: what the daemon and its servers count.
//! - [`stages`]: the stages of the chains.
//! - [`plugins`]: what plugins keep with the host.
//! - [`process`]: memory, time and files of the process, under the names that Prometheus has for them.
//! - [`family`]: writing one metric with all its labels.

mod family;
mod plugins;
mod process;
mod servers;
mod stages;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

use super::state::Daemon;
use crate::pipeline::figures;

/// Of the text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures.
pub(super) fn text(daemon: &Daemon) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("guerrillad");
    registry.register_collector(Box::new(Scrape(daemon.clone())));
    let mut common = Registry::default();
    common.register_collector(Box::new(process::Usage(daemon.clone())));
    let mut text = String::new();
    encode_registry(&mut text, &registry)?;
    encode_registry(&mut text, &common)?;
    encode_eof(&mut text)?;
    Ok(text)
}

struct Scrape(Daemon);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        servers::daemon(&self.0, &mut out)?;
        servers::servers(&self.0, &mut out)?;
        stages::stages(&figures(), &mut out)?;
        plugins::plugins(&mut out)
    }
}

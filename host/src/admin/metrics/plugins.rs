//! Figures that plugins keep with the host.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::plugins::ffi::host::figures;
use crate::plugins::figures::Figure;

/// What plugins keep with the host, under names of their own.
pub(super) fn plugins(out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    for (name, family) in figures().families() {
        let Some(first) = family.values().next() else { continue };
        let name = format!("plugin_{name}");
        let mut family_out = out.encode_descriptor(&name, "Kept by a plugin", None, kind(first))?;
        for (processor, figure) in family {
            let labels = [("processor", Cow::Borrowed(&processor[..]))];
            encode_figure(family_out.encode_family(&labels)?, figure)?;
        }
    }
    Ok(())
}

fn kind(figure: &Figure) -> MetricType {
    match figure {
        Figure::Counter(_) => MetricType::Counter,
        Figure::Gauge(_) => MetricType::Gauge,
        Figure::Histogram { .. } => MetricType::Histogram,
    }
}

fn encode_figure(mut out: MetricEncoder<'_>, figure: &Figure) -> fmt::Result {
    match figure {
        Figure::Counter(count) => out.encode_counter::<NoLabelSet, _, u64>(count, None),
        Figure::Gauge(value) => out.encode_gauge(value),
        // Sum and number give the mean, which is what they are kept for.
        Figure::Histogram { count, sum } => {
            out.encode_histogram::<NoLabelSet>(*sum, *count, &[(f64::INFINITY, *count)], None)
        }
    }
}

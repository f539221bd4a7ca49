//! Figures that plugins keep with the host.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::mem::discriminant;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::plugins::ffi::host::{self, Figure};

/// What plugins keep with the host, under names of their own. Instances of one processor are counted together.
pub(super) fn plugins(out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut families: BTreeMap<String, BTreeMap<String, Figure>> = BTreeMap::new();
    for (processor, name, figure) in host::figures() {
        let family = families.entry(name).or_default();
        // A name is of one kind: what another plugin keeps under it, of another kind, is left out.
        let is_of_kind = |known: &Figure| discriminant(known) == discriminant(&figure);
        if !family.values().next().is_none_or(is_of_kind) {
            continue;
        }
        match family.get_mut(&processor) {
            Some(known) => add(known, &figure),
            None => drop(family.insert(processor, figure)),
        }
    }
    for (name, family) in families {
        let Some(first) = family.values().next() else { continue };
        let name = format!("plugin_{name}");
        let mut family_out = out.encode_descriptor(&name, "Kept by a plugin", None, kind(first))?;
        for (processor, figure) in &family {
            let labels = [("processor", Cow::Borrowed(&processor[..]))];
            encode_figure(family_out.encode_family(&labels)?, figure)?;
        }
    }
    Ok(())
}

fn add(sum: &mut Figure, more: &Figure) {
    match (sum, more) {
        (Figure::Counter(sum), Figure::Counter(more)) => *sum = sum.wrapping_add(*more),
        (Figure::Gauge(value), Figure::Gauge(newer)) => *value = *newer,
        (Figure::Histogram { count, sum }, Figure::Histogram { count: more, sum: more_sum }) => {
            *count += more;
            *sum += more_sum;
        }
        // A family is of one kind.
        _ => {}
    }
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

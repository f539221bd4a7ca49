//! One metric with a row for each set of labels.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::pipeline::Times;

/// Name and value. Values may be anybody's words: the encoder escapes them.
pub(super) type Label<'a> = (&'static str, Cow<'a, str>);

/// One that only grows: a row for each set of labels.
pub(super) fn counter<'a>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = (&'a [Label<'a>], u64)>,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, count) in rows {
        family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    Ok(())
}

/// One that goes up and down.
pub(super) fn gauge<V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: &[(&[Label<'_>], V)],
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        match labels {
            [] => family.encode_gauge(value)?,
            labels => family.encode_family(labels)?.encode_gauge(value)?,
        }
    }
    Ok(())
}

/// How long something took.
pub(super) fn times<'a>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = (&'a [Label<'a>], &'a Times)>,
) -> fmt::Result {
    let mut family =
        out.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (labels, times) in rows {
        let bound =
            |bound: Option<std::time::Duration>| bound.map_or(f64::INFINITY, |b| b.as_secs_f64());
        let buckets: Vec<(f64, u64)> =
            times.buckets.iter().map(|(b, count)| (bound(*b), *count)).collect();
        let (sum, count) = (times.sum.as_secs_f64(), times.count());
        let mut one = family.encode_family(&labels)?;
        one.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}

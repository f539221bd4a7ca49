//! Figures in the text form that Prometheus and OpenMetrics read. Nothing is kept here: each scrape asks those who
//! count.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::mem::discriminant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::state::Daemon;
use crate::pipeline::{Snapshot, figures};
use crate::plugins::ffi::host::{self, Figure};

/// Of the text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures.
pub(super) fn text(daemon: &Daemon) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("guerrillad");
    registry.register_collector(Box::new(Scrape(daemon.clone())));
    let mut text = String::new();
    encode(&mut text, &registry)?;
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
        let version = [("version", Cow::Borrowed(env!("CARGO_PKG_VERSION")))];
        gauge(&mut out, "build", "The running program", &[(&version, 1)])?;
        let ready = i64::from(self.0.unready().is_none());
        gauge(&mut out, "ready", "Whether mail is taken and kept", &[(&[], ready)])?;
        let (done, refused) = self.0.reloads.read();
        let outcome = |name| [("outcome", Cow::Borrowed(name))];
        let reloads = [(outcome("done"), done), (outcome("refused"), refused)];
        counter(
            &mut out,
            "reloads",
            "Reloads by outcome",
            reloads.iter().map(|(l, n)| (&l[..], *n)),
        )?;
        servers(&self.0, &mut out)?;
        stages(&figures(), &mut out)?;
        plugins(&mut out)
    }
}

type Label<'a> = (&'static str, Cow<'a, str>);

fn servers(daemon: &Daemon, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let servers = daemon.servers.load();
    let listener = |i: usize| ("listener", Cow::Borrowed(&*servers[i].listener));
    let all = || servers.iter().enumerate();
    let labels: Vec<[Label<'_>; 1]> = all().map(|(i, _)| [listener(i)]).collect();
    let active: Vec<(&[Label<'_>], i64)> =
        all().map(|(i, server)| (&labels[i][..], server.active().into())).collect();
    gauge(out, "connections", "Connections that are open", &active)?;
    let figure = |read: fn(&crate::net::Server) -> u64| {
        all().map(move |(i, server)| (i, read(server))).collect::<Vec<_>>()
    };
    let named = |figures: Vec<(usize, u64)>| {
        let labels = &labels;
        figures.into_iter().map(move |(i, n)| (&labels[i][..], n)).collect::<Vec<_>>()
    };
    let opened = named(figure(crate::net::Server::served));
    counter(out, "connections_opened", "Connections that have come", opened)?;
    let away = named(figure(|server| server.tally().turned_away()));
    counter(out, "connections_turned_away", "Connections for which there was no place", away)?;
    let bytes = named(figure(|server| server.tally().bytes()));
    counter(out, "message_bytes", "Bytes of messages that were accepted", bytes)?;
    let mut messages = Vec::new();
    for (i, server) in all() {
        for (verdict, count) in server.tally().messages() {
            messages.push(([listener(i), ("verdict", Cow::Owned(verdict))], count));
        }
    }
    let messages = messages.iter().map(|(labels, count)| (&labels[..], *count));
    counter(out, "messages", "Messages by what became of them", messages)
}

fn stages(stages: &[Snapshot], out: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let labels: Vec<Vec<Label<'_>>> = stages.iter().map(labels_of).collect();
    let each = || stages.iter().zip(&labels);
    let mut calls = Vec::new();
    let mut faults = Vec::new();
    for (stage, labels) in each() {
        for call in &stage.calls {
            let more = [("phase", call.phase.into()), ("status", call.status.into())];
            calls.push(([labels.clone(), more.into()].concat(), call.count));
        }
        for (kind, count) in &stage.faults {
            faults.push(([labels.clone(), vec![("kind", (*kind).into())]].concat(), *count));
        }
    }
    let slices = |rows: &[(Vec<Label<'_>>, u64)]| -> Vec<(Vec<Label<'static>>, u64)> {
        rows.iter().map(|(labels, n)| (owned(labels), *n)).collect()
    };
    let (calls, faults) = (slices(&calls), slices(&faults));
    let rows = calls.iter().map(|(labels, n)| (&labels[..], *n));
    counter(out, "stage_calls", "Calls of processors by phase and answer", rows)?;
    let rows = faults.iter().map(|(labels, n)| (&labels[..], *n));
    counter(out, "stage_faults", "Questions without an answer by kind", rows)?;
    let flights: Vec<_> = each().map(|(s, l)| (&l[..], s.in_flight as i64)).collect();
    gauge(out, "stage_in_flight", "Calls in pools and messages that are held", &flights)?;
    let lost: Vec<_> = each().map(|(s, l)| (&l[..], s.lost_workers as i64)).collect();
    gauge(out, "stage_lost_workers", "Threads that have not come back by their deadline", &lost)?;
    let moved: Vec<_> = each().map(|(s, l)| (&l[..], i64::from(s.moved_to_pool))).collect();
    gauge(
        out,
        "stage_moved_to_pool",
        "Processors that block although they say they never do",
        &moved,
    )?;
    times(stages, &labels, out)
}

/// Of calls on a connection's own thread a sample: their number is in `stage_calls`.
fn times(
    stages: &[Snapshot],
    labels: &[Vec<Label<'_>>],
    out: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let help = "How long calls have taken (of those inline a sample)";
    let kind = MetricType::Histogram;
    let mut family = out.encode_descriptor("stage_call", help, Some(&Unit::Seconds), kind)?;
    for (stage, labels) in stages.iter().zip(labels) {
        let bound =
            |bound: Option<std::time::Duration>| bound.map_or(f64::INFINITY, |b| b.as_secs_f64());
        let buckets: Vec<(f64, u64)> =
            stage.times.buckets.iter().map(|(b, count)| (bound(*b), *count)).collect();
        let (sum, count) = (stage.times.sum.as_secs_f64(), stage.times.count());
        let labels = &labels[..];
        let mut one = family.encode_family(&labels)?;
        one.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}

fn labels_of(stage: &Snapshot) -> Vec<Label<'_>> {
    let about = &stage.about;
    let version = about.file.map_or("", |file| file.version.as_str());
    vec![
        ("stage", Cow::Borrowed(&about.stage[..])),
        ("processor", Cow::Borrowed(&about.processor[..])),
        ("plugin", Cow::Borrowed(about.plugin)),
        ("version", Cow::Borrowed(version)),
        ("generation", about.generation.to_string().into()),
    ]
}

/// What plugins keep with the host, under names of their own. Instances of one processor are counted together.
fn plugins(out: &mut DescriptorEncoder<'_>) -> fmt::Result {
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

fn owned(labels: &[Label<'_>]) -> Vec<Label<'static>> {
    labels.iter().map(|(name, value)| (*name, Cow::Owned(value.to_string()))).collect()
}

fn counter<'a>(
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

fn gauge<V: EncodeGaugeValue>(
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

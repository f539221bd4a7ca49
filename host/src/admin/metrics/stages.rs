//! Figures of the stages.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::family::{Label, counter, gauge, times};
use crate::pipeline::Snapshot;

/// What each stage has done.
pub(super) fn stages(stages: &[Snapshot], out: &mut DescriptorEncoder<'_>) -> fmt::Result {
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
    let waiting: Vec<_> = each().map(|(s, l)| (&l[..], s.waiting as i64)).collect();
    gauge(out, "stage_waiting", "Calls that wait for a thread of the stage", &waiting)?;
    // Of those inline a sample: their number is in `stage_calls`.
    let help = "How long calls have taken (of those inline a sample)";
    times(out, "stage_call", help, each().map(|(stage, labels)| (&labels[..], &stage.times)))
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

fn owned(labels: &[Label<'_>]) -> Vec<Label<'static>> {
    labels.iter().map(|(name, value)| (*name, Cow::Owned(value.to_string()))).collect()
}

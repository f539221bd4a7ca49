//! Figures that plugins keep with the host.

use std::collections::BTreeMap;
use std::fmt;
use std::mem::discriminant;

/// A figure that a plugin keeps with the host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Figure {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
    /// Number and sum of the values recorded.
    Histogram { count: u64, sum: f64 },
}

/// All of them, by name and processor. Instances of one processor are counted together, also those that a reload has replaced.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, BTreeMap<String, Figure>>);

impl Figures {
    /// Adds what another instance has kept. A name is of one kind: what another plugin keeps under it, of another kind, is
    /// left out.
    pub(super) fn add(&mut self, processor: &str, name: &str, figure: &Figure) {
        let family = self.0.entry(name.to_owned()).or_default();
        let is_of_kind = |known: &Figure| discriminant(known) == discriminant(figure);
        if !family.values().next().is_none_or(is_of_kind) {
            return;
        }
        match family.get_mut(processor) {
            Some(known) => known.add(figure),
            None => drop(family.insert(processor.to_owned(), figure.clone())),
        }
    }

    /// Each name, with what the processors have kept under it: one at the least.
    pub(crate) fn families(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, Figure>)> {
        self.0.iter().map(|(name, family)| (name.as_str(), family))
    }
}

impl Figure {
    fn add(&mut self, more: &Self) {
        match (self, more) {
            (Self::Counter(sum), Self::Counter(more)) => *sum = sum.wrapping_add(*more),
            (Self::Gauge(value), Self::Gauge(newer)) => *value = *newer,
            (Self::Histogram { count, sum }, Self::Histogram { count: more, sum: more_sum }) => {
                *count += more;
                *sum += more_sum;
            }
            // A family is of one kind.
            _ => {}
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(count) => write!(f, "{count}"),
            Self::Gauge(value) => write!(f, "{value}"),
            Self::Histogram { count, sum } => write!(f, "count={count} sum={sum}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_a_processor_are_one() {
        let mut all = Figures::default();
        all.add("A", "stored", &Figure::Counter(2));
        all.add("B", "stored", &Figure::Counter(7));
        all.add("A", "stored", &Figure::Counter(3));
        all.add("A", "open", &Figure::Gauge(4.0));
        all.add("A", "open", &Figure::Gauge(1.0));
        all.add("A", "seconds", &Figure::Histogram { count: 1, sum: 0.5 });
        all.add("A", "seconds", &Figure::Histogram { count: 2, sum: 0.25 });
        all.add("B", "seconds", &Figure::Counter(9));
        let lines: Vec<String> = all
            .families()
            .flat_map(|(name, family)| family.iter().map(move |(p, f)| format!("{p}: {name} {f}")))
            .collect();
        assert_eq!(
            lines,
            ["A: open 1", "A: seconds count=3 sum=0.75", "A: stored 5", "B: stored 7"]
        );
    }
}

//! Numbers as people read them, in few characters.

/// `950`, `12.3k`, `4.56M`.
pub(super) fn number(value: f64) -> String {
    scaled(value, 1000.0, &["", "k", "M", "G", "T"])
}

/// `512 B`, `1.50 MiB`.
pub(super) fn bytes(value: f64) -> String {
    scaled(value, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB"])
}

/// `850 ns`, `1.02 µs`, `12.5 ms`, `3.00 s`.
pub(super) fn seconds(value: f64) -> String {
    let (factor, unit) = match value {
        v if v >= 1.0 => (1.0, "s"),
        v if v >= 1e-3 => (1e3, "ms"),
        v if v >= 1e-6 => (1e6, "µs"),
        _ => (1e9, "ns"),
    };
    format!("{} {unit}", three_digits(value * factor))
}

/// `3 d 4 h`, `2 h 10 min`, `50 s`.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{minutes} min {} s", s % 60),
        s if s < 86400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let text =
        if unit == 0 && value.fract() == 0.0 { format!("{value:.0}") } else { three_digits(value) };
    format!("{text}{}", units[unit])
}

fn three_digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_say_enough() {
        assert_eq!([number(0.0), number(950.0), number(12_345.0)], ["0", "950", "12.3k"]);
        assert_eq!([bytes(512.0), bytes(1_572_864.0)], ["512 B", "1.50 MiB"]);
        assert_eq!(
            [seconds(8.5e-7), seconds(0.0125), seconds(3.0)],
            ["850 ns", "12.5 ms", "3.00 s"]
        );
        assert_eq!([span(50), span(7800), span(273_600)], ["50 s", "2 h 10 min", "3 d 4 h"]);
    }
}

//! Go's duration syntax, in which go-guerrilla's timeouts are written: `30s`, `300ms`, `1.5h`,
//! `2h45m`.

use std::time::Duration;

/// Reads a duration: one or more numbers with a unit each (`ns us µs ms s m h`), fractions allowed,
/// or a bare `0`.
///
/// # Errors
/// When the text has another form, is negative, or is longer than Go's limit of about 292 years.
///
/// ```
/// # use guerrilla::config::duration;
/// # use std::time::Duration;
/// assert_eq!(duration::parse("2h45m"), Ok(Duration::from_secs(9_900)));
/// assert_eq!(duration::parse("1.5s"), Ok(Duration::from_millis(1_500)));
/// assert!(duration::parse("30").is_err(), "the unit is missing");
/// ```
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if unsigned.is_empty() {
        return Err(DurationError::NotADuration);
    }
    let mut nanoseconds: u128 = 0;
    let mut rest = if unsigned == "0" { "" } else { unsigned };
    while !rest.is_empty() {
        let (number, after_number) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, after_unit) = split_where(after_number, |c| c.is_ascii_digit() || c == '.');
        nanoseconds += amount(number, unit)?;
        if nanoseconds > LONGEST {
            return Err(DurationError::TooLong);
        }
        rest = after_unit;
    }
    if negative && nanoseconds > 0 {
        return Err(DurationError::Negative);
    }
    u64::try_from(nanoseconds).map(Duration::from_nanos).map_err(|_| DurationError::TooLong)
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A number without a unit, as in `30`.
    #[error("needs a unit")]
    MissingUnit,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// Anything else that is not numbers with units.
    #[error("is not a duration")]
    NotADuration,
    /// More than Go can express: 2^63 - 1 nanoseconds.
    #[error("is too long")]
    TooLong,
    /// A unit that Go does not know, as in `2d`.
    #[error("has the unknown unit {0:?}")]
    UnknownUnit(String),
}

/// A duration as it would be written in the file: as a number of the largest unit that makes it whole.
pub(super) fn written(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let (unit, scale) = match nanoseconds {
        0 => ("s", 1),
        _ => UNITS
            .into_iter()
            .find(|(_, scale)| nanoseconds.is_multiple_of(*scale))
            .unwrap_or(("ns", 1)),
    };
    format!("{}{unit}", nanoseconds / scale)
}

/// Those that nobody has to do sums for, the largest first.
const UNITS: [(&str, u128); 3] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];

/// One line for the operator who wrote `text`.
pub(super) fn explain(text: &str, error: &DurationError) -> String {
    format!("{text:?} {error}; write a duration such as \"30s\", \"1.5h\" or \"2h45m\"")
}

/// Go counts a duration in nanoseconds in 63 bits.
const LONGEST: u128 = i64::MAX as u128;

/// More digits than this cannot matter: they are beyond [`LONGEST`] or below a nanosecond.
const DIGITS: usize = 19;

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// One number with its unit, in nanoseconds, cut below one nanosecond.
fn amount(number: &str, unit: &str) -> Result<u128, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::NotADuration);
    }
    let scale: u128 = match unit {
        "" => return Err(DurationError::MissingUnit),
        "ns" => 1,
        // The micro sign and the Greek letter look the same and both are typed.
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        other => return Err(DurationError::UnknownUnit(other.to_owned())),
    };
    let whole = whole.trim_start_matches('0');
    if whole.len() > DIGITS {
        return Err(DurationError::TooLong);
    }
    let fraction = &fraction[..fraction.len().min(DIGITS)];
    let below_one = digits(fraction) * scale / 10_u128.pow(fraction.len() as u32);
    Ok(digits(whole) * scale + below_one)
}

/// At most [`DIGITS`] decimal digits as a number, which fits with room for any unit.
fn digits(text: &str) -> u128 {
    text.bytes().fold(0, |sum, digit| sum * 10 + u128::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        let table = [
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("0s", 0),
            ("-0s", 0),
            ("30s", 30_000_000_000),
            ("+5s", 5_000_000_000),
            ("300ms", 300_000_000),
            ("1.5h", 5_400_000_000_000),
            ("2h45m", 9_900_000_000_000),
            ("1h15m30.918273645s", 4_530_918_273_645),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("7ns", 7),
            ("7us", 7_000),
            ("7\u{b5}s", 7_000),
            ("7\u{3bc}s", 7_000),
            ("0.9ns", 0),
            ("0.333333333333333333333333333333h", 1_199_999_999_999),
            ("000000000000000000000000000001s", 1_000_000_000),
            ("9223372036854775807ns", 9_223_372_036_854_775_807),
            ("52763797000ns", 52_763_797_000),
        ];
        for (text, nanoseconds) in table {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for text in ["0s", "30s", "3600s", "300ms", "1500ms", "7us", "1234567ns"] {
            assert_eq!(written(parse(text).unwrap()), text);
        }
        assert_eq!(written(Duration::from_secs(90)), "90s");
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        use DurationError::{MissingUnit, Negative, NotADuration, TooLong};
        let unknown = |unit: &str| DurationError::UnknownUnit(unit.to_owned());
        let table = [
            ("", NotADuration),
            ("-", NotADuration),
            (".", NotADuration),
            (".s", NotADuration),
            ("s", NotADuration),
            ("1.2.3s", NotADuration),
            ("1s-2s", unknown("s-")),
            ("30", MissingUnit),
            ("1h30", MissingUnit),
            ("00", MissingUnit),
            ("2d", unknown("d")),
            ("3 s", unknown(" s")),
            ("3s ", unknown("s ")),
            ("3S", unknown("S")),
            ("-1s", Negative),
            ("9223372036854775808ns", TooLong),
            ("9999999999999999999999h", TooLong),
            ("2562048h", TooLong),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Err(expected), "{text:?}");
        }
    }
}

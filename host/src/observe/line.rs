//! The form of a line: time, level, whose it is, what happened. In JSON each is a member of an object.
//!
//! The field `session` of an event is the id of a connection or message. It comes first, so that one grep shows all that
//! happened to it.
//!
//! *Trust*: what clients say is in it. No control character of theirs reaches a file or a terminal: a line cannot be
//! broken, forged or coloured. Nor has a line a field that we have not put there: in text, a value with blanks stands in quotes,
//! where an equals sign stands as its escape, so that ` to=` is a field wherever it is found.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;

/// What lines look like; may change at any time.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(Arc<AtomicBool>);

impl Form {
    pub(super) fn set(&self, format: LogFormat) {
        self.0.store(format == LogFormat::Json, Ordering::Relaxed);
    }

    fn is_json(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A line of the log's own.
    pub(super) fn warning(&self, text: &str) -> String {
        let mut line = String::new();
        let fields = Fields { message: text.to_owned(), ..Fields::default() };
        // Writing into a string does not fail.
        let _ = self.write(&mut Writer::new(&mut line), Level::WARN, &fields);
        line
    }

    fn write(&self, out: &mut Writer<'_>, level: Level, fields: &Fields) -> fmt::Result {
        if self.is_json() { fields.json(out, level) } else { fields.text(out, level) }
    }
}

impl<S, N> FormatEvent<S, N> for Form
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.write(&mut writer, *event.metadata().level(), &fields)
    }
}

/// What an event says.
#[derive(Default)]
struct Fields {
    session: String,
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn text(&self, out: &mut Writer<'_>, level: Level) -> fmt::Result {
        SystemTime.format_time(out)?;
        write!(out, " {level:5} ")?;
        let mut out = Escaped(out);
        if !self.session.is_empty() {
            write!(out, "{} ", self.session)?;
        }
        out.write_str(&self.message)?;
        for (name, value) in &self.others {
            match value {
                Value::String(text) if is_plain(text) => write!(out, " {name}={text}")?,
                Value::String(text) => write!(out, " {name}={}", Quoted(text))?,
                value => write!(out, " {name}={value}")?,
            }
        }
        out.0.write_char('\n')
    }

    fn json(&self, out: &mut Writer<'_>, level: Level) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
        put("time", time.into());
        put("level", level.as_str().to_ascii_lowercase().into());
        if !self.session.is_empty() {
            put("session", self.session.as_str().into());
        }
        put("message", self.message.as_str().into());
        for (name, value) in &self.others {
            put(name, value.clone());
        }
        writeln!(out, "{}", Value::Object(line))
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.others.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = match field.name() {
            "session" => &mut self.session,
            "message" => &mut self.message,
            _ => return self.put(field, format!("{value:?}")),
        };
        // Writing into a string does not fail.
        let _ = write!(text, "{value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

/// Whether a value can stand without quotes: nobody can take it for two, nor for one in quotes.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| matches!(c, '"' | '\\') || c.is_whitespace())
}

/// A value in quotes. Control characters are left to [`Escaped`].
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '=' => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Writes control characters as escapes.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Most lines are harmless as a whole.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_str(text);
        }
        for c in text.chars() {
            // U+2028 and U+2029 are line ends to some readers; the marks of direction can turn a line round.
            if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                write!(self.0, "{}", c.escape_unicode())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_client_breaks_a_line() {
        let mut out = String::new();
        write!(Escaped(&mut out), "a\r\nb\x1b[31m\u{202e}ü").unwrap();
        assert_eq!(out, "a\\u{d}\\u{a}b\\u{1b}[31m\\u{202e}ü");
    }

    #[test]
    fn both_forms_say_the_same() {
        let fields = Fields {
            session: "ab12-1".to_owned(),
            message: "message accepted".to_owned(),
            others: vec![("from", Value::from("\"a\r\nb\"@x")), ("size", Value::from(7))],
        };
        let (mut text, mut json) = (String::new(), String::new());
        fields.text(&mut Writer::new(&mut text), Level::INFO).unwrap();
        fields.json(&mut Writer::new(&mut json), Level::INFO).unwrap();
        let (_time, rest) = text.split_once(' ').unwrap();
        let from = r#""\"a\u{d}\u{a}b\"@x""#;
        assert_eq!(rest, format!("INFO  ab12-1 message accepted from={from} size=7\n"));
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["session"], "ab12-1");
        assert_eq!((&json["from"], &json["size"]), (&"\"a\r\nb\"@x".into(), &7.into()));
        assert_eq!(
            (&json["level"], &json["message"]),
            (&"info".into(), &"message accepted".into())
        );
    }

    #[test]
    fn nothing_of_a_client_is_a_field_of_its_own() {
        let text = |value: &str| {
            let others = vec![("from", Value::from(value)), ("size", Value::from(7))];
            let mut text = String::new();
            let fields = Fields { others, ..Fields::default() };
            fields.text(&mut Writer::new(&mut text), Level::INFO).unwrap();
            text.trim_end().split_once(" from=").unwrap().1.to_owned()
        };
        assert_eq!(text("<b+you=x.example@a.b>"), "<b+you=x.example@a.b> size=7");
        let forged = text(r#"<"x> to=<ceo@bank.example> size=1 <y"@a.b>"#);
        let written = r#""<\"x> to\u{3d}<ceo@bank.example> size\u{3d}1 <y\"@a.b>" size=7"#;
        assert_eq!(forged, written);
        for blank in
            ["x\u{a0}to=y", "x\u{3000}to=y", "x\u{2028}to=y", "x\tto=y", "\" to=y", "\\\" to=y"]
        {
            let line = text(blank);
            assert!(
                line.starts_with('"') && !line.contains("to=") && line.ends_with("\" size=7"),
                "{line}"
            );
        }
        assert_eq!(
            text(r"a\u{d}"),
            r#""a\\u{d}" size=7"#,
            "as it was said, and not what it looks like"
        );
    }
}

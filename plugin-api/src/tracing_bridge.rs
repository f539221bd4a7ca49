//! Takes what a plugin and its libraries write with `tracing` to the daemon's log.
//!
//! Each shared library has its own copy of `tracing`, which knows nothing of the daemon's subscriber. With the feature
//! `tracing` this crate installs a subscriber in the plugin's copy: authors and their libraries just use the
//! macros. The daemon decides what is written, and may change its mind while it runs.

use std::fmt::{self, Write as _};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::current;
use crate::host::Level;
use crate::panics::one_line;

/// Sends events to the log of the host, under the name of the instance that the thread works for.
///
/// It is installed by itself; authors who bring a subscriber of their own put it beside theirs. An event looks like
/// `text key=value`, followed by the spans it stands in.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostLayer;

/// Makes it the subscriber of this copy of `tracing`, unless there is one.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The author has been first: theirs stays.
        let _ = tracing::subscriber::set_global_default(Registry::default().with(HostLayer));
    });
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for HostLayer {
    /// Never "always" and never "never": those would be remembered, and the daemon's level may change.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        current::host().is_some_and(|host| host.log_enabled(level(*metadata.level())))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut text = Text::default();
        attributes.record(&mut text);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(text);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(text) = span.extensions_mut().get_mut::<Text>() {
            values.record(text);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(host) = current::host() else { return };
        let mut line = Text::default();
        event.record(&mut line);
        let mut line = line.finish();
        for span in context.event_scope(event).into_iter().flatten() {
            line.push_str(" in ");
            line.push_str(span.name());
            if let Some(text) = span.extensions().get::<Text>() {
                // Writing to a string does not fail.
                let _ = write!(line, "{{{}}}", text.fields.trim_start());
            }
        }
        let metadata = event.metadata();
        host.write(level(*metadata.level()), metadata.target(), &one_line(&line));
    }
}

/// The fields of an event or span: `message key=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            _ => self.record_debug(field, &value),
        }
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

#[cfg(test)]
mod tests;

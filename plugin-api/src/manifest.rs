//! The manifest: what a file offers, as JSON, made by the compiler so that it can stand in an ELF note and be
//! read without running any code of the file.

use guerrilla_plugin_abi::{API_MAJOR, API_MINOR};

use crate::plugin::Plugin;
use crate::vocabulary::{Blocking, Event, Extension, Phase};

/// What a manifest says about one processor.
pub struct ProcessorInfo {
    name: &'static str,
    aliases: &'static [&'static str],
    description: &'static str,
    phases: &'static [Phase],
    events: &'static [Event],
    awaits_settled: bool,
    blocking: Blocking,
    never_blocks_in: &'static [Phase],
    honours: &'static [Extension],
    config_schema: &'static str,
}

impl ProcessorInfo {
    /// As its trait says.
    ///
    /// # Panics
    /// At compile time, when the client's reply would wait for a `settled` that nobody calls.
    pub const fn of<P: Plugin>() -> Self {
        assert!(
            !P::AWAITS_SETTLED || (hears_the_end(P::EVENTS) && is_asked_to_save(P::PHASES)),
            "AWAITS_SETTLED needs Event::Settled in EVENTS and Phase::Save in PHASES"
        );
        Self {
            name: P::NAME,
            aliases: P::ALIASES,
            description: P::DESCRIPTION,
            phases: P::PHASES,
            events: P::EVENTS,
            awaits_settled: P::AWAITS_SETTLED,
            blocking: P::BLOCKING,
            never_blocks_in: P::NEVER_BLOCKS_IN,
            honours: P::HONOURS,
            config_schema: P::CONFIG_SCHEMA,
        }
    }
}

/// What a manifest says about its file; the export macro fills it from the author's package.
pub struct FileInfo {
    /// Name of the package.
    pub name: &'static str,
    /// Version of the package.
    pub version: &'static str,
    /// Authors of the package, separated by colons.
    pub authors: &'static str,
    /// Licence of the package.
    pub license: &'static str,
    /// Description of the package.
    pub description: &'static str,
    /// Whether a panic ends the process.
    pub panic_abort: bool,
    /// The processors.
    pub processors: &'static [ProcessorInfo],
}

impl FileInfo {
    /// Length of the manifest in bytes.
    pub const fn json_len(&self) -> usize {
        let mut none: [u8; 0] = [];
        let mut out = Out { bytes: &mut none, len: 0 };
        self.render(&mut out);
        out.len
    }

    /// The manifest; `N` is [`FileInfo::json_len`].
    pub const fn json<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut out = Out { bytes: &mut bytes, len: 0 };
        self.render(&mut out);
        bytes
    }

    /// The manifest, for processors that stand in no file.
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.json_len()];
        self.render(&mut Out { bytes: &mut bytes, len: 0 });
        bytes
    }

    const fn render(&self, out: &mut Out<'_>) {
        out.raw("{\"schema\":1,\"api\":\"");
        out.number(API_MAJOR);
        out.raw(".");
        out.number(API_MINOR);
        out.raw("\"");
        out.field("name", self.name);
        out.field("version", self.version);
        out.field("authors", self.authors);
        out.field("license", self.license);
        out.field("description", self.description);
        out.field("panic", if self.panic_abort { "abort" } else { "unwind" });
        out.field("rustc", env!("GUERRILLA_RUSTC"));
        out.field("target", env!("GUERRILLA_TARGET"));
        out.raw(",\"processors\":[");
        let mut i = 0;
        while i < self.processors.len() {
            if i > 0 {
                out.raw(",");
            }
            self.processors[i].render(out);
            i += 1;
        }
        out.raw("]}");
    }
}

impl ProcessorInfo {
    const fn render(&self, out: &mut Out<'_>) {
        out.raw("{\"name\":");
        out.string(self.name);
        out.field("description", self.description);
        out.raw(",\"aliases\":[");
        let mut i = 0;
        while i < self.aliases.len() {
            if i > 0 {
                out.raw(",");
            }
            out.string(self.aliases[i]);
            i += 1;
        }
        out.raw("],\"phases\":[");
        out.phases(self.phases);
        out.raw("],\"events\":[");
        let mut i = 0;
        while i < self.events.len() {
            if i > 0 {
                out.raw(",");
            }
            out.string(self.events[i].name());
            i += 1;
        }
        out.raw("],\"awaits_settled\":");
        out.raw(if self.awaits_settled { "true" } else { "false" });
        out.field("blocking", self.blocking.name());
        out.raw(",\"never_blocks_in\":[");
        out.phases(self.never_blocks_in);
        out.raw("],\"honours\":[");
        let mut i = 0;
        while i < self.honours.len() {
            if i > 0 {
                out.raw(",");
            }
            out.string(self.honours[i].name());
            i += 1;
        }
        out.raw("],\"config_schema\":");
        out.raw(self.config_schema);
        out.raw("}");
    }
}

const fn hears_the_end(events: &[Event]) -> bool {
    let mut i = 0;
    while i < events.len() {
        if matches!(events[i], Event::Settled) {
            return true;
        }
        i += 1;
    }
    false
}

pub(crate) const fn is_asked_to_save(phases: &[Phase]) -> bool {
    let mut i = 0;
    while i < phases.len() {
        if matches!(phases[i], Phase::Save) {
            return true;
        }
        i += 1;
    }
    false
}

/// Writes into a slice as far as it reaches and counts on: an empty slice measures.
struct Out<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Out<'_> {
    const fn byte(&mut self, byte: u8) {
        if self.len < self.bytes.len() {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
    }

    const fn raw(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            self.byte(bytes[i]);
            i += 1;
        }
    }

    /// A JSON string (RFC 8259 section 7).
    const fn string(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.byte(b'"');
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            match bytes[i] {
                b @ (b'"' | b'\\') => {
                    self.byte(b'\\');
                    self.byte(b);
                }
                b @ 0..=0x1f => {
                    self.raw("\\u00");
                    self.byte(HEX[(b >> 4) as usize]);
                    self.byte(HEX[(b & 15) as usize]);
                }
                b => self.byte(b),
            }
            i += 1;
        }
        self.byte(b'"');
    }

    const fn phases(&mut self, phases: &[Phase]) {
        let mut i = 0;
        while i < phases.len() {
            if i > 0 {
                self.raw(",");
            }
            self.string(phases[i].name());
            i += 1;
        }
    }

    const fn number(&mut self, number: u32) {
        if number >= 10 {
            self.number(number / 10);
        }
        self.byte(b'0' + (number % 10) as u8);
    }

    const fn field(&mut self, name: &str, value: &str) {
        self.byte(b',');
        self.string(name);
        self.byte(b':');
        self.string(value);
    }
}

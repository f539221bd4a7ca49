//! From a line to a command: the verb and what stands behind it.
//!
//! Verbs are matched whole: `NOOPX` is no NOOP. Blanks at the end of a line are dropped because RFC
//! 5321 4.1.1 asks receivers to tolerate them; nowhere else is more than one blank accepted.

use crate::settings::Settings;

/// A command line, split.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    /// `None`: no verb that this server has heard of.
    pub(crate) verb: Option<Verb>,
    /// What stands behind the blank, or `None` where nothing does.
    pub(crate) argument: Option<&'a [u8]>,
}

impl<'a> Command<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Self {
        let line = trim_end(line);
        let (verb, argument) = match memchr::memchr(b' ', line) {
            Some(blank) => (&line[..blank], Some(&line[blank + 1..])),
            None => (line, None),
        };
        Self { verb: Verb::parse(verb), argument }
    }
}

/// The commands that have a name here. Those without a handler are answered 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Auth,
    Bdat,
    Data,
    Ehlo,
    Etrn,
    Expn,
    Helo,
    Help,
    Lhlo,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Turn,
    Vrfy,
    Xclient,
    Xforward,
}

impl Verb {
    fn parse(word: &[u8]) -> Option<Self> {
        VERBS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|&(_, verb)| verb)
    }

    /// The longest line of this command, CRLF included: 512 (RFC 5321 4.5.3.1.4) and what each
    /// extension that is switched on adds to it.
    pub(crate) fn line_limit(self, settings: &Settings) -> usize {
        let grown = match self {
            Self::Mail => {
                let size = if settings.size { 26 } else { 0 }; // RFC 1870 3
                let body = if settings.eight_bit_mime { 17 } else { 0 }; // RFC 6152 2
                let utf8 = if settings.offers_smtputf8() { 10 } else { 0 }; // RFC 6531 3.1
                let dsn = if settings.dsn { 100 } else { 0 }; // RFC 3461 4
                let requiretls = if settings.requiretls { 12 } else { 0 }; // RFC 8689 2
                size + body + utf8 + dsn + requiretls
            }
            Self::Rcpt if settings.dsn => 500, // RFC 3461 4
            _ => 0,
        };
        LINE_LIMIT + grown
    }
}

/// How many command lines have come, by verb, in the order of [`COMMANDS`]. A count stops at 65,535.
pub type CommandCounts = [u16; COMMANDS.len()];

/// The names that commands are counted by; the last is for lines whose verb this server has not heard of.
pub const COMMANDS: [&str; 20] = [
    "rcpt", "mail", "data", "ehlo", "quit", "bdat", "helo", "rset", "noop", "starttls", "lhlo",
    "vrfy", "help", "expn", "auth", "etrn", "turn", "xclient", "xforward", "unknown",
];

/// Counts a line by its verb.
pub(crate) fn count(line: &[u8], commands: &mut CommandCounts) {
    let end = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
    let known = VERBS.iter().position(|(name, _)| name.eq_ignore_ascii_case(&line[..end]));
    let count = &mut commands[known.unwrap_or(COMMANDS.len() - 1)];
    *count = count.saturating_add(1);
}

/// RFC 5321 4.5.3.1.4: a command line, CRLF included.
pub(crate) const LINE_LIMIT: usize = 512;

/// No command line of any verb is longer, whatever is switched on.
pub const LONGEST_LINE: usize = LINE_LIMIT + 500;

const VERBS: &[(&[u8], Verb)] = &[
    // The everyday ones first: the list is searched in order.
    (b"RCPT", Verb::Rcpt),
    (b"MAIL", Verb::Mail),
    (b"DATA", Verb::Data),
    (b"EHLO", Verb::Ehlo),
    (b"QUIT", Verb::Quit),
    (b"BDAT", Verb::Bdat),
    (b"HELO", Verb::Helo),
    (b"RSET", Verb::Rset),
    (b"NOOP", Verb::Noop),
    (b"STARTTLS", Verb::StartTls),
    (b"LHLO", Verb::Lhlo),
    (b"VRFY", Verb::Vrfy),
    (b"HELP", Verb::Help),
    (b"EXPN", Verb::Expn),
    (b"AUTH", Verb::Auth),
    (b"ETRN", Verb::Etrn),
    (b"TURN", Verb::Turn),
    (b"XCLIENT", Verb::Xclient),
    (b"XFORWARD", Verb::Xforward),
];

fn trim_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_match_whole_and_in_any_case() {
        assert_eq!(Command::parse(b"nOoP").verb, Some(Verb::Noop));
        for no_verb in [&b"NOOPX"[..], b"NOO", b"", b" NOOP", b"NOOP\tx", b"DATABASE", b"\xff"] {
            assert_eq!(Command::parse(no_verb).verb, None);
        }
    }

    #[test]
    fn every_verb_is_counted_by_its_name() {
        let counted = |line: &[u8]| {
            let mut commands = CommandCounts::default();
            count(line, &mut commands);
            COMMANDS[commands.iter().position(|count| *count == 1).unwrap()]
        };
        for (name, _) in VERBS {
            let line = [name, &b" argument"[..]].concat();
            assert_eq!(counted(&line).as_bytes(), name.to_ascii_lowercase());
        }
        for no_verb in [&b"NOOPX"[..], b"", b" NOOP"] {
            assert_eq!(counted(no_verb), "unknown");
        }
        assert_eq!((counted(b"noop"), COMMANDS.len()), ("noop", VERBS.len() + 1));
    }

    #[test]
    fn one_blank_parts_verb_and_argument() {
        assert_eq!(Command::parse(b"EHLO a b").argument, Some(&b"a b"[..]));
        assert_eq!(Command::parse(b"EHLO  a").argument, Some(&b" a"[..]));
        assert_eq!(Command::parse(b"RSET \t ").argument, None);
    }

    #[test]
    fn no_limit_is_above_the_longest_line() {
        let settings = Settings { dsn: true, requiretls: true, ..Settings::default() };
        for (_, verb) in VERBS {
            assert!(verb.line_limit(&settings) <= LONGEST_LINE);
        }
        assert_eq!(Verb::Mail.line_limit(&settings), 677);
        assert_eq!(Verb::Rcpt.line_limit(&settings), 1012);
    }
}

//! What a script has said.
//!
//! A script says yes by a word at the start of its output. It can only be believed when the output is that of a script that came to
//! its end: a yes with `Status: 500`, or a no with a complaint on STDERR, is trouble, and trouble defers.
//!
//! Standards: RFC 3875 section 6 (header and body of a script's output, Status).

use crate::record::{End, KEPT};

/// All that came back for a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) end: End,
    /// Whether the server has taken the whole request before its answer was complete.
    pub(crate) sent_all: bool,
}

/// What it means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The recipient exists, the message is stored.
    Yes,
    /// The script does not want it.
    No,
    /// The script has not done its work, and why we think so.
    Trouble(String),
}

impl Answer {
    /// The word of a script that checks a recipient: PASS or PASSED, or anything in one line that is no complaint.
    pub(crate) fn of_validate(&self) -> Word {
        self.word(|body| {
            let word = body.split(|octet| !octet.is_ascii_alphanumeric()).next();
            if body.starts_with(b"PASSED") || word == Some(b"PASS") {
                return Word::Yes;
            }
            if !self.stderr.is_empty() {
                return Word::Trouble(format!("complains, and prints {}", start(body)));
            }
            if is_refusal(body) {
                return Word::No;
            }
            Word::Trouble(format!("prints {}", start(body)))
        })
    }

    /// The word of a script that stores a message: SAVED. All else leaves the message with the client.
    pub(crate) fn of_save(&self) -> Word {
        self.word(|body| {
            if body.starts_with(b"SAVED") && self.sent_all {
                return Word::Yes;
            }
            if body.starts_with(b"SAVED") {
                return Word::Trouble(
                    "prints SAVED before it can have read the message".to_owned(),
                );
            }
            Word::Trouble(format!("prints {} instead of SAVED", start(body)))
        })
    }

    fn word(&self, of_body: impl FnOnce(&[u8]) -> Word) -> Word {
        if self.end.protocol != 0 {
            return Word::Trouble(format!("was not run: {}", protocol_status(self.end.protocol)));
        }
        if self.end.application != 0 {
            return Word::Trouble(format!("ends with exit status {}", self.end.application));
        }
        let Some((header, body)) = head(&self.stdout) else {
            return Word::Trouble(format!("prints no header but {}", start(&self.stdout)));
        };
        match status(header) {
            Some(200..=299) => of_body(body),
            Some(REFUSED | GONE) => Word::No,
            Some(status) => Word::Trouble(format!("ends with status {status}")),
            None => Word::Trouble("has a Status that is no number".to_owned()),
        }
    }
}

/// Header and body; `None` when there is no empty line.
fn head(stdout: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    for line in stdout.split_inclusive(|octet| *octet == b'\n') {
        let end = from + line.len();
        if matches!(line, b"\n" | b"\r\n") {
            return Some((&stdout[..from], &stdout[end..]));
        }
        from = end;
    }
    None
}

/// 200 where the script does not say.
fn status(header: &[u8]) -> Option<u16> {
    for line in header.split(|octet| *octet == b'\n') {
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { continue };
        if line[..colon].eq_ignore_ascii_case(b"Status") {
            let value = str::from_utf8(&line[colon + 1..]).ok()?;
            return value.split_ascii_whitespace().next()?.parse().ok();
        }
    }
    Some(200)
}

/// Whether this is a word of refusal (nothing at all is one) and not the ruins of a script: PHP's own messages begin with
/// a line end, or are HTML.
fn is_refusal(body: &[u8]) -> bool {
    let line = body.trim_ascii_end();
    line.len() <= LONGEST_REFUSAL
        && !line.iter().any(|octet| octet.is_ascii_control() || *octet == b'<')
}

/// The start of it for the log.
fn start(body: &[u8]) -> String {
    if body.is_empty() {
        return "nothing".to_owned();
    }
    let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    let more = if body.len() > SHOWN { "..." } else { "" };
    format!("{shown:?}{more}")
}

fn protocol_status(status: u8) -> String {
    match status {
        1 => "the server takes one request on a connection and had one (CANT_MPX_CONN)".to_owned(),
        2 => "the server is overloaded (OVERLOADED)".to_owned(),
        3 => "the server does not run scripts that answer (UNKNOWN_ROLE)".to_owned(),
        other => format!("the server says {other}"),
    }
}

/// Complaints, line by line and without what would disturb a log.
pub(crate) fn complaints(stderr: &[u8]) -> impl Iterator<Item = String> {
    let shown = &stderr[..stderr.len().min(MOST_COMPLAINTS)];
    let lines = shown.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| !line.is_empty());
    let text = |line| String::from_utf8_lossy(line).replace(|c: char| c.is_control(), " ");
    let cut = (stderr.len() > MOST_COMPLAINTS).then(|| {
        let more = if stderr.len() < KEPT { "" } else { " or more" };
        format!("(and {} octets{more})", stderr.len() - MOST_COMPLAINTS)
    });
    lines.map(text).chain(cut)
}

/// Statuses that refuse for good. Others of the 400s are a FastCGI server's own: 404 and 403 for a script that it does not find
/// or must not run.
const REFUSED: u16 = 422;
const GONE: u16 = 410;

const LONGEST_REFUSAL: usize = 100;
const SHOWN: usize = 60;
const MOST_COMPLAINTS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stdout: &str, stderr: &str) -> Answer {
        let end = End { application: 0, protocol: 0 };
        Answer { stdout: stdout.into(), stderr: stderr.into(), end, sent_all: true }
    }

    fn trouble(word: Word) -> String {
        match word {
            Word::Trouble(why) => why,
            word => panic!("{word:?}"),
        }
    }

    #[test]
    fn pass_and_passed_pass() {
        for body in ["PASS", "PASSED", "PASS\n", "PASSED: a", "PASSEDbyme"] {
            let out = format!("Content-type: text/html\r\n\r\n{body}");
            assert_eq!(answer(&out, "").of_validate(), Word::Yes, "{body}");
            assert_eq!(answer(&out, "PHP message: a notice").of_validate(), Word::Yes, "{body}");
        }
        for body in ["", "NO", "passed", "PASSWORD", " PASSED", "FAILED\n", "FAIL: no such user"] {
            let out = format!("A: b\n\n{body}");
            assert_eq!(answer(&out, "").of_validate(), Word::No, "{body}");
            trouble(answer(&out, "PHP message: PHP Warning").of_validate());
        }
    }

    #[test]
    fn the_ruins_of_a_script_are_no_refusal() {
        let long = "x".repeat(101);
        for body in ["<br />\n<b>Fatal error</b>", "\nFatal error: x", "NO\nwhy", &long, "a\0b"] {
            let out = format!("A: b\r\n\r\n{body}");
            trouble(answer(&out, "").of_validate());
            trouble(answer(&out, "").of_save());
        }
        for out in ["", "PASSED", "SAVED", "A: b\r\nSAVED"] {
            trouble(answer(out, "").of_validate());
            assert!(trouble(answer(out, "").of_save()).starts_with("prints no header but "));
        }
    }

    #[test]
    fn only_saved_is_saved() {
        assert_eq!(answer("A: b\r\n\r\nSAVED", "").of_save(), Word::Yes);
        assert_eq!(answer("\nSAVED 17", "PHP message: a notice").of_save(), Word::Yes);
        for body in ["", "saved", "NOT SAVED", " SAVED", "SAVE"] {
            trouble(answer(&format!("A: b\r\n\r\n{body}"), "").of_save());
        }
    }

    #[test]
    fn the_status_comes_first() {
        for (status, word) in [
            ("200", None),
            ("201 Created", None),
            ("422 x", Some(Word::No)),
            ("410", Some(Word::No)),
        ] {
            let out = format!("X: y\r\nstatus: {status}\r\n\r\nSAVED");
            assert_eq!(answer(&out, "").of_save(), word.unwrap_or(Word::Yes), "{status}");
        }
        for status in
            ["500 Internal Server Error", "404 Not Found", "403", "302", "100", "", "x", "99999"]
        {
            let out = format!("Status: {status}\r\n\r\nPASSED");
            trouble(answer(&out, "").of_validate());
        }
    }

    #[test]
    fn an_end_that_is_none_is_trouble() {
        for (protocol, application) in [(1, 0), (2, 0), (3, 0), (9, 0), (0, 255)] {
            let mut answer = answer("A: b\r\n\r\nSAVED", "");
            answer.end = End { application, protocol };
            trouble(answer.of_save());
        }
    }

    #[test]
    fn complaints_are_lines_for_a_log() {
        let lines: Vec<String> = complaints(b"PHP message: a\r\n\n\tb\x1b[31m\xff\n").collect();
        assert_eq!(lines, ["PHP message: a", "b [31m\u{fffd}"]);
        let long = vec![b'x'; MOST_COMPLAINTS + 5];
        assert_eq!(complaints(&long).last().unwrap(), "(and 5 octets)");
    }
}

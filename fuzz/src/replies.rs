//! The grammar of replies, read back from the wire.
//!
//! **Standards:** RFC 5321 4.2 (`Reply-line`), 4.5.3.1.5 (512 octets a line), RFC 2034 3 and 4 (enhanced codes).

use guerrilla_smtp::Enhanced;

/// The codes of the replies in `written`, in order.
///
/// # Panics
/// When it is not a whole number of well-formed replies.
pub fn codes(written: &[u8]) -> Vec<u16> {
    let mut codes = Vec::new();
    let mut unfinished: Option<u16> = None;
    for line in written.split_inclusive(|byte| *byte == b'\n') {
        let shown = line.escape_ascii();
        assert!(line.len() <= 512, "a reply line of {} octets: {shown}", line.len());
        let text = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no CRLF: {shown}"));
        assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte)), "not printable: {shown}");
        let (code, last) = match text {
            [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', mark @ (b' ' | b'-'), ..] => {
                let digits = [a, b, c].map(|digit| u16::from(digit - b'0'));
                (digits[0] * 100 + digits[1] * 10 + digits[2], *mark == b' ')
            }
            _ => panic!("no reply code: {shown}"),
        };
        assert!(unfinished.is_none_or(|first| first == code), "the code changes: {shown}");
        unfinished = (!last).then_some(code);
        if last {
            codes.push(code);
        }
    }
    assert_eq!(unfinished, None, "the last reply is unfinished");
    codes
}

/// Wants an enhanced status code on every line of `written` that may have one (not 3xx), or on none.
///
/// # Panics
/// When a line has one too few or one too many.
pub fn check_enhanced(written: &[u8], wanted: bool) {
    for line in String::from_utf8_lossy(written).lines().filter(|line| !line.starts_with('3')) {
        let word = line.get(4..).and_then(|text| text.split(' ').next()).unwrap_or_default();
        assert_eq!(word.parse::<Enhanced>().is_ok(), wanted, "{line:?}");
    }
}

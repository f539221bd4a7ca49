//! Where the header fields of a message lie.
//!
//! *Trust*: strangers' bytes; linear in time, bounded in number, no recursion.
//! *Standards*: RFC 5322 section 2.2. Values stay folded and encoded: decoding is a processor's work.
//! *Limits*: fields beyond [`MAX_FIELDS`] count as body.

use std::ops::Range;

use memchr::memchr_iter;

/// The header fields of one body, in order.
#[derive(Clone, Debug, Default)]
pub struct HeaderIndex {
    fields: Vec<HeaderField>,
}

/// One field, as ranges of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    /// The name.
    pub name: Range<usize>,
    /// The value: folded, without leading blanks and without the last line end.
    pub value: Range<usize>,
    /// The whole field with its line end.
    pub whole: Range<usize>,
}

impl HeaderIndex {
    /// Finds the fields. The header ends at an empty line or at the first line that is no field.
    pub fn scan(body: &[u8]) -> Self {
        let mut fields: Vec<HeaderField> = Vec::with_capacity(ORDINARY);
        let mut start = 0;
        let ends = memchr_iter(b'\n', body).map(|i| i + 1).chain([body.len()]);
        for end in ends {
            let line = &body[start..end];
            match line.first() {
                None | Some(b'\r' | b'\n') => break,
                Some(b' ' | b'\t') => match fields.last_mut() {
                    Some(field) => {
                        field.whole.end = end;
                        field.value.end = end - line_end(line);
                    }
                    None => break,
                },
                Some(_) => match (field(line, start), fields.len() < MAX_FIELDS) {
                    (Some(field), true) => fields.push(field),
                    _ => break,
                },
            }
            start = end;
        }
        Self { fields }
    }

    /// The fields.
    pub fn fields(&self) -> &[HeaderField] {
        &self.fields
    }
}

/// Reads `name: value` from a line that begins at `start`.
fn field(line: &[u8], start: usize) -> Option<HeaderField> {
    let colon = memchr::memchr(b':', line)?;
    // RFC 5322 section 4.5 lets old mail have blanks before the colon.
    let name = line[..colon].trim_ascii_end();
    if name.is_empty() || !name.iter().all(|b| matches!(b, 33..=126)) {
        return None;
    }
    let end = line.len() - line_end(line);
    let blanks = line[colon + 1..end].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    Some(HeaderField {
        name: start..start + name.len(),
        value: start + colon + 1 + blanks..start + end,
        whole: start..start + line.len(),
    })
}

/// Length of the line end.
fn line_end(line: &[u8]) -> usize {
    if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) }
}

/// Room made at once: nearly all mail that is handed in has fewer.
const ORDINARY: usize = 16;

/// Most fields to index: ordinary mail has a hundred, hostile mail would have a million.
const MAX_FIELDS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Vec<(String, String)> {
        let text = |r: &Range<usize>| String::from_utf8_lossy(&body[r.clone()]).into_owned();
        HeaderIndex::scan(body).fields.iter().map(|f| (text(&f.name), text(&f.value))).collect()
    }

    #[test]
    fn folded_empty_and_odd_fields() {
        let body = b"A: 1\r\nB:\r\nC : \t x\r\n y\r\n\tz\r\n\r\nD: body\r\n";
        assert_eq!(
            read(body),
            [("A", "1"), ("B", ""), ("C", "x\r\n y\r\n\tz")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        let whole = HeaderIndex::scan(body).fields[2].whole.clone();
        assert_eq!(&body[whole], b"C : \t x\r\n y\r\n\tz\r\n");
    }

    #[test]
    fn ends_at_what_is_no_field() {
        for body in
            [&b""[..], b"\r\n", b" a: b\r\n", b"no colon\r\nA: 1\r\n", b": x\r\n", b"a b: x\r\n"]
        {
            assert_eq!(read(body), [], "{}", body.escape_ascii());
        }
        assert_eq!(read(b"A: 1").len(), 1);
        assert_eq!(read(b"A: 1\r\nFrom here on\r\nB: 2\r\n").len(), 1);
    }

    #[test]
    fn bounded() {
        let body = b"a:\r\n".repeat(MAX_FIELDS * 2);
        assert_eq!(HeaderIndex::scan(&body).fields.len(), MAX_FIELDS);
    }
}

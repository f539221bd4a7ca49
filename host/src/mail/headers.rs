//! Where the header fields of a message lie.
//!
//! *Trust*: strangers' bytes; linear in time, bounded in number, no recursion.
//! *Standards*: RFC 5322 section 2.2. Values stay folded and encoded: decoding is a processor's work.
//! *Limits*: fields beyond [`MAX_FIELDS`], or 4 GiB, count as body. The room of a large index belongs to the daemon's budget.

use std::ops::Range;

use memchr::{memchr_iter, memmem};

/// The header fields of one body, in order.
#[derive(Clone, Debug, Default)]
pub struct HeaderIndex {
    fields: Vec<HeaderField>,
}

/// One field, as places in the body. Half as large as three ranges: a hostile header has thousands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    start: u32,
    name_end: u32,
    value_start: u32,
    value_end: u32,
    end: u32,
}

impl HeaderField {
    /// The name.
    pub fn name(&self) -> Range<usize> {
        self.start as usize..self.name_end as usize
    }

    /// The value: folded, without leading blanks and without the last line end.
    pub fn value(&self) -> Range<usize> {
        self.value_start as usize..self.value_end as usize
    }

    /// The whole field with its line end.
    pub fn whole(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl HeaderIndex {
    /// Finds the fields. The header ends at an empty line or at the first line that is no field.
    pub fn scan(body: &[u8]) -> Self {
        let mut fields: Vec<HeaderField> = Vec::with_capacity(ORDINARY);
        let mut start = 0;
        let ends = memchr_iter(b'\n', body).map(|i| i + 1).chain([body.len()]);
        for end in ends {
            let Ok(line_end_at) = u32::try_from(end) else { break };
            let line = &body[start..end];
            match line.first() {
                None | Some(b'\r' | b'\n') => break,
                Some(b' ' | b'\t') => match fields.last_mut() {
                    Some(field) => {
                        field.end = line_end_at;
                        field.value_end = line_end_at - line_end(line);
                    }
                    None => break,
                },
                Some(_) => match (field(line, line_end_at), fields.len() < MAX_FIELDS) {
                    (Some(field), true) => fields.push(field),
                    _ => break,
                },
            }
            start = end;
        }
        Self { fields }
    }

    /// Bytes that the index of this body takes at the most; 0 where they are so few that nobody need count them, as nearly
    /// always.
    pub(super) fn most_room(body: &[u8]) -> usize {
        let beginning = &body[..body.len().min(ORDINARY_HEADER)];
        let lines = match memmem::find(beginning, b"\n\r\n") {
            Some(end) => memchr_iter(b'\n', &beginning[..=end]).count(),
            None => lines_of_fields(body),
        };
        if lines <= FEW { 0 } else { lines.next_power_of_two() * size_of::<HeaderField>() }
    }

    /// The fields.
    pub fn fields(&self) -> &[HeaderField] {
        &self.fields
    }
}

/// Lines that may begin a field, up to the end of the header.
fn lines_of_fields(body: &[u8]) -> usize {
    let mut lines = 0;
    let mut start = 0;
    for end in memchr_iter(b'\n', body).map(|at| at + 1).chain([body.len()]) {
        match body.get(start) {
            None | Some(b'\r' | b'\n') => break,
            Some(b' ' | b'\t') => {}
            Some(_) if lines == MAX_FIELDS => break,
            Some(_) => lines += 1,
        }
        start = end;
    }
    lines
}

/// Reads `name: value` from a line that ends there.
fn field(line: &[u8], end: u32) -> Option<HeaderField> {
    let colon = memchr::memchr(b':', line)?;
    // RFC 5322 section 4.5 lets old mail have blanks before the colon.
    let name = line[..colon].trim_ascii_end();
    if name.is_empty() || !name.iter().all(|b| matches!(b, 33..=126)) {
        return None;
    }
    let text = &line[colon + 1..line.len() - line_end(line) as usize];
    let blanks = text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    // The line is no longer than the place where it ends, which is a number of this kind.
    let [length, name_length, before_value] =
        [line.len(), name.len(), colon + 1 + blanks].map(|bytes| bytes as u32);
    let start = end - length;
    Some(HeaderField {
        start,
        name_end: start + name_length,
        value_start: start + before_value,
        value_end: end - line_end(line),
        end,
    })
}

/// Length of the line end.
fn line_end(line: &[u8]) -> u32 {
    if line.ends_with(b"\r\n") { 2 } else { line.ends_with(b"\n").into() }
}

/// Room made at once: nearly all mail that is handed in has fewer.
const ORDINARY: usize = 16;

/// Bytes of a header that is looked at as a whole: an ordinary one is far shorter.
const ORDINARY_HEADER: usize = 16 * 1024;

/// Lines of a header whose index is not worth counting: it is smaller than the least that a body takes.
const FEW: usize = 256;

/// Most fields to index: ordinary mail has a hundred, hostile mail would have a million.
const MAX_FIELDS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Vec<(String, String)> {
        let text = |r: &Range<usize>| String::from_utf8_lossy(&body[r.clone()]).into_owned();
        HeaderIndex::scan(body).fields.iter().map(|f| (text(&f.name()), text(&f.value()))).collect()
    }

    #[test]
    fn folded_empty_and_odd_fields() {
        let body = b"A: 1\r\nB:\r\nC : \t x\r\n y\r\n\tz\r\n\r\nD: body\r\n";
        assert_eq!(
            read(body),
            [("A", "1"), ("B", ""), ("C", "x\r\n y\r\n\tz")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        let whole = HeaderIndex::scan(body).fields[2].whole();
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

    #[test]
    fn the_room_of_an_index_is_known_before_it_is_made() {
        let ordinary =
            [b"A: 1\r\n".repeat(200), b"\r\n".to_vec(), b"b: c\r\n".repeat(9999)].concat();
        assert_eq!(HeaderIndex::most_room(&ordinary), 0);
        assert_eq!(HeaderIndex::most_room(b""), 0);
        let many = |number: usize| b"a:\r\n".repeat(number);
        for body in [
            many(FEW + 1),
            [many(1000), b"\r\nbody\r\n".repeat(999)].concat(),
            [many(10_000), b"\r\nbody\r\n".repeat(999)].concat(),
            many(MAX_FIELDS * 2),
            b"a:\r\n b\r\n c\r\n".repeat(5000),
            b"a:\n".repeat(5000),
            [b"\r\n".to_vec(), many(5000)].concat(),
        ] {
            let index = HeaderIndex::scan(&body);
            let (taken, most) =
                (index.fields.capacity() * size_of::<HeaderField>(), HeaderIndex::most_room(&body));
            assert!(index.fields.len() <= FEW || taken <= most, "{taken} of {most}");
        }
        assert_eq!(HeaderIndex::most_room(&many(MAX_FIELDS * 2)), MAX_FIELDS * 20);
    }
}

//! The index of header fields, against a reader that goes line by line.
#![no_main]

use guerrilla::mail::HeaderIndex;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let index = HeaderIndex::scan(body);
    let mut end = 0;
    for field in index.fields() {
        let (name, value, whole) = (field.name(), field.value(), field.whole());
        assert_eq!(whole.start, end, "fields follow each other");
        assert_eq!(name.start, whole.start);
        assert!(name.end < value.start && value.start <= value.end && value.end <= whole.end);
        assert!(!name.is_empty() && body[name.clone()].iter().all(|b| matches!(b, 33..=126)));
        assert!(!body[name.clone()].contains(&b':'));
        let between = &body[name.end..value.start];
        assert_eq!(between.iter().filter(|b| **b == b':').count(), 1);
        let line_end = &body[value.end..whole.end];
        assert!(matches!(line_end, b"" | b"\n" | b"\r\n"), "{}", line_end.escape_ascii());
        assert!(!line_end.is_empty() || whole.end == body.len());
        end = whole.end;
    }
    assert_eq!(index.fields().len(), count(body), "{}", body.escape_ascii());
});

/// How many fields there are, told by their first lines alone.
fn count(body: &[u8]) -> usize {
    let lines = body.split_inclusive(|b| *b == b'\n');
    let mut fields = 0;
    for line in lines {
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        if folded && fields > 0 {
            continue;
        }
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        let named = name.len() < line.len()
            && !folded
            && !name.trim_ascii_end().is_empty()
            && name.trim_ascii_end().iter().all(u8::is_ascii_graphic);
        if !named {
            break;
        }
        fields += 1;
    }
    fields.min(16_384)
}

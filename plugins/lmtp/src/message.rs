//! The message as it goes behind DATA: in pieces, every dot at the start of a line doubled, and an end that stands on a line of its
//! own.
//!
//! The store writes Return-Path and Delivered-To itself (RFC 5321 section 4.4: whoever makes the final delivery does), so those
//! that `Header` has made are left out.
//!
//! Standards: RFC 5321 sections 4.1.1.4 and 4.5.2.

/// Pieces of a message, and of what is put between them.
pub(crate) struct Message<'t> {
    pub(crate) pieces: Vec<&'t [u8]>,
    /// Octets without doubled dots.
    pub(crate) size: usize,
}

impl<'t> Message<'t> {
    /// Of a delivery header and the pieces of the whole message, which begin with it.
    pub(crate) fn new(delivery_header: &'t str, whole: Vec<&'t [u8]>) -> Self {
        let mut pieces = kept_fields(delivery_header);
        let mut skip = delivery_header.len();
        for piece in whole {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            pieces.push(&piece[skipped..]);
        }
        pieces.retain(|piece| !piece.is_empty());
        let size = pieces.iter().map(|piece| piece.len()).sum();
        Self { pieces, size }
    }

    /// Whether no line end stands alone: only such a message can be sent behind DATA. What came by BINARYMIME may be another.
    pub(crate) fn is_text(&self) -> bool {
        let mut before = b'\n';
        for piece in &self.pieces {
            for octet in memchr::memchr2_iter(b'\r', b'\n', piece) {
                let previous = octet.checked_sub(1).map_or(before, |index| piece[index]);
                let is_end = piece[octet] == b'\n';
                let follows = piece.get(octet + 1);
                if is_end && previous != b'\r'
                    || !is_end && follows.is_some_and(|next| *next != b'\n')
                {
                    return false;
                }
            }
            if before == b'\r' && piece[0] != b'\n' {
                return false;
            }
            before = piece[piece.len() - 1];
        }
        before != b'\r'
    }

    /// Everything that is sent, slice by slice.
    pub(crate) fn on_the_wire(&self) -> Vec<&'t [u8]> {
        let mut slices: Vec<&'t [u8]> = Vec::new();
        let (mut at_start, mut last_two) = (true, [b'\r', b'\n']);
        for piece in &self.pieces {
            let mut from = 0;
            if at_start && piece[0] == b'.' {
                slices.push(b".");
            }
            for end in memchr::memchr_iter(b'\n', piece) {
                if piece.get(end + 1) == Some(&b'.') {
                    slices.push(&piece[from..=end]);
                    slices.push(b".");
                    from = end + 1;
                }
            }
            slices.push(&piece[from..]);
            at_start = piece[piece.len() - 1] == b'\n';
            if let [.., a, b] = piece {
                last_two = [*a, *b];
            } else {
                last_two = [last_two[1], piece[0]];
            }
        }
        if last_two != [b'\r', b'\n'] {
            slices.push(b"\r\n");
        }
        slices.push(b".\r\n");
        slices
    }
}

/// The fields of a delivery header but those that the store writes.
fn kept_fields(header: &str) -> Vec<&[u8]> {
    let mut kept = Vec::new();
    let mut keeps = true;
    for line in header.split_inclusive('\n') {
        if !line.starts_with([' ', '\t']) {
            let name = line.split(':').next().unwrap_or_default();
            keeps =
                !["Return-Path", "Delivered-To"].iter().any(|own| name.eq_ignore_ascii_case(own));
        }
        if keeps {
            kept.push(line.as_bytes());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(pieces: &[&[u8]]) -> Vec<u8> {
        Message::new("", pieces.to_vec()).on_the_wire().concat()
    }

    #[test]
    fn dots_are_doubled_at_every_cut() {
        let text = b".a\r\n..b\r\nc.\r\n.\r\nd\r\n";
        let expected = b"..a\r\n...b\r\nc.\r\n..\r\nd\r\n.\r\n";
        for one in 0..=text.len() {
            for two in one..=text.len() {
                let pieces = [&text[..one], &text[one..two], &text[two..]];
                assert_eq!(wire(&pieces), expected, "cut at {one} and {two}");
            }
        }
    }

    #[test]
    fn the_end_stands_on_a_line_of_its_own() {
        assert_eq!(wire(&[b"a"]), b"a\r\n.\r\n");
        assert_eq!(wire(&[b"a\r", b"\n"]), b"a\r\n.\r\n");
        assert_eq!(wire(&[b"a", b"\n"]), b"a\n\r\n.\r\n");
        assert_eq!(wire(&[]), b".\r\n");
    }

    #[test]
    fn lone_line_ends_are_found_at_every_cut() {
        for (text, fine) in [
            (&b"a\r\nb\r\n"[..], true),
            (b"a\nb\r\n", false),
            (b"a\rb\r\n", false),
            (b"\n", false),
            (b"a\r", false),
            (b"\r\r\n", false),
            (b"", true),
            (b"\r\n\r\n", true),
        ] {
            for cut in 0..=text.len() {
                let message = Message::new("", vec![&text[..cut], &text[cut..]]);
                assert_eq!(message.is_text(), fine, "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_the_store_writes_is_left_out() {
        let header =
            "Return-Path: <a@b>\r\nDelivered-To: c@d\r\n\tfolded\r\nReceived: from x\r\n\tby y\r\n";
        let whole = [header, "X: y\r\n", "Return-Path: is text\r\n"].map(str::as_bytes);
        let message = Message::new(header, whole.to_vec());
        let expected = b"Received: from x\r\n\tby y\r\nX: y\r\nReturn-Path: is text\r\n";
        assert_eq!(message.pieces.concat(), expected);
        assert_eq!(message.size, expected.len());
        let glued = whole.concat();
        assert_eq!(Message::new(header, vec![glued.as_slice()]).pieces.concat(), expected);
    }
}

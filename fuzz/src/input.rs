//! How the bytes of an input are dealt out: a head that chooses, then what the client sends.
//!
//! A head of zeros is the default of everything, so that a dialogue with zeros in front is a seed.

use std::time::Duration;

use guerrilla_smtp::{BareNewline, PeerTraits, Protocol, Settings};

/// The unread part of an input. At its end every byte is zero.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What is left.
    pub rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// All of an input.
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((byte, rest)) => {
                self.rest = rest;
                *byte
            }
            None => 0,
        }
    }

    /// Lengths of pieces: a count up to 15, then so many bytes.
    pub fn cuts(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte() % 16).min(self.rest.len());
        let (cuts, rest) = self.rest.split_at(count);
        self.rest = rest;
        cuts
    }

    /// Settings and peer: four bytes.
    pub fn settings(&mut self) -> (Settings, PeerTraits) {
        let [first, second, third, limits] = [(); 4].map(|()| self.byte());
        let on = |byte: u8, bit: u8| byte & 1 << bit != 0;
        let settings = Settings {
            host_name: "mail.test".to_owned(),
            protocol: if on(first, 0) { Protocol::Lmtp } else { Protocol::Smtp },
            bare_newline: if on(first, 1) { BareNewline::Normalize } else { BareNewline::Reject },
            require_helo: !on(first, 2),
            start_tls: on(first, 3),
            tls_required: on(first, 4),
            dsn: on(first, 5),
            requiretls: on(first, 6),
            prdr: on(first, 7),
            xclient: on(second, 0),
            xforward: on(second, 1),
            smtputf8: !on(second, 3),
            chunking: !on(second, 4),
            binarymime: !on(second, 5),
            limits: !on(second, 7),
            pipelining: !on(third, 0),
            eight_bit_mime: !on(third, 1),
            size: !on(third, 2),
            enhanced_status_codes: !on(third, 3),
            help: !on(third, 4),
            max_size: [10 << 20, 0, 40, 1000][usize::from(limits & 3)],
            max_rcpt: [100, 3, 1, 0][usize::from(limits >> 2 & 3)],
            max_messages: u32::from(limits >> 4 & 3),
            max_unrecognised: [5, 0, 1, 3][usize::from(limits >> 6)],
            max_errors: [20, 0, 2, 4][usize::from(limits >> 6)],
            errors_before_delay: [10, 1, 0, 0][usize::from(limits >> 6)],
            error_delay: Duration::from_secs(1),
        };
        (settings, PeerTraits { trusted_proxy: on(second, 2), tls: on(second, 6) })
    }
}

/// `stream` in pieces whose lengths are those of `cuts`, over and over; whole without any.
pub fn pieces<'a>(cuts: &[u8], stream: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = stream;
    let mut lengths = cuts.iter().cycle();
    std::iter::from_fn(move || {
        let length = lengths.next().map_or(rest.len(), |cut| usize::from(*cut) + 1);
        let piece = rest.split_off(..length.min(rest.len()))?;
        (!piece.is_empty()).then_some(piece)
    })
}

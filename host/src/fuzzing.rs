//! Entry points for fuzzers: bytes in, a panic where a rule is broken.
//!
//! They run in the ordinary tests as well, on random input. Not part of the interface.

/// The PROXY header, versions 1 and 2.
pub fn proxy_header(data: &[u8]) {
    crate::net::fuzz_proxy_header(data);
}

/// A plugin file, as it is looked at before any of it runs.
pub fn plugin_elf(data: &[u8]) {
    crate::plugins::fuzzing::elf(data);
}

/// The text of a plugin's manifest.
pub fn plugin_manifest(data: &[u8]) {
    crate::plugins::fuzzing::manifest(data);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// What headers are made of.
    fn phrase() -> impl Strategy<Value = Vec<u8>> {
        let words: [&[u8]; 12] = [
            b"PROXY ",
            b"TCP4 ",
            b"TCP6 ",
            b"UNKNOWN",
            b"192.0.2.1 ",
            b"2001:db8::1 ",
            b"25 ",
            b"65535",
            b"\r\n",
            b"\r\n\r\n\0\r\nQUIT\n",
            b"\x21\x11\x00\x0c",
            b"\x21\x21\x00\x24",
        ];
        let word = prop::sample::select(words.to_vec()).prop_map(<[u8]>::to_vec);
        prop_oneof![3 => word, 1 => prop::collection::vec(any::<u8>(), 0..20)]
    }

    proptest! {
        #[test]
        fn plugin_files(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            super::plugin_elf(&[b"\x7fELF\x02\x01\x01", &*bytes].concat());
            super::plugin_manifest(&bytes);
        }

        #[test]
        fn proxy_headers(cut: u8, phrases in prop::collection::vec(phrase(), 0..10)) {
            super::proxy_header(&[vec![cut], phrases.concat()].concat());
        }
    }
}

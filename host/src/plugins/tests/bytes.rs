//! Any bytes at all: reading them answers, and never panics. Nothing here is mapped.

use proptest::prelude::*;

use super::fixtures::{hello, note_at};
use crate::plugins::dynamic::Needs;
use crate::plugins::elf::Image;
use crate::plugins::manifest::Manifest;

/// Where a real file has what decides: a place to change a byte, more often there than elsewhere.
fn telling_place() -> impl Strategy<Value = usize> {
    let len = hello().len();
    let note = note_at(hello());
    let section_headers = u64::from_ne_bytes(hello()[40..48].try_into().expect("8 bytes")) as usize;
    prop_oneof![
        3 => 0..64_usize,
        3 => 64..1024_usize,
        2 => note..note + 64,
        2 => section_headers..len,
        1 => 0..len,
    ]
}

/// A byte, more often one that makes lengths and offsets extreme.
fn telling_byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(0xff), Just(0x7f), Just(0x80), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_real_file_with_bytes_changed(
        changes in prop::collection::vec((telling_place(), telling_byte()), 1..12),
        len in prop_oneof![3 => Just(usize::MAX), 1 => telling_place()],
    ) {
        let mut file = hello().to_vec();
        for (at, byte) in changes {
            file[at] = byte;
        }
        file.truncate(len);
        read_all(&file);
    }

    #[test]
    fn a_header_with_anything_behind_it(
        rest in prop::collection::vec(any::<u8>(), 0..1024),
        real in 0..hello_prefix(),
    ) {
        let mut file = hello()[..real].to_vec();
        file.extend(rest);
        read_all(&file);
    }

    #[test]
    fn a_manifest_with_bytes_changed(
        changes in prop::collection::vec((any::<prop::sample::Index>(), telling_byte()), 1..6),
    ) {
        let image = Image::parse(hello()).expect("whole");
        let mut text = image.manifest().expect("there").to_vec();
        for (at, byte) in changes {
            let at = at.index(text.len());
            text[at] = byte;
        }
        let _ = Manifest::name_in(&text);
        if let Ok((manifest, warnings)) = Manifest::parse(&text) {
            let lines = [&manifest.description, &manifest.authors, &manifest.rustc];
            prop_assert!(lines.iter().all(|line| !line.chars().any(char::is_control)));
            prop_assert!(warnings.iter().all(|line| !line.chars().any(char::is_control)));
        }
    }
}

/// All that is ever read from a file before it is mapped.
fn read_all(file: &[u8]) {
    if let Ok(image) = Image::parse(file) {
        let _ = Needs::of(&image);
        if let Ok(text) = image.manifest() {
            let _ = Manifest::parse(text);
        }
    }
}

/// Up to the end of the program headers.
fn hello_prefix() -> usize {
    64 + 56 * 12
}

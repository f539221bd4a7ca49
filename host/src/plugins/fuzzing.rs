//! Entry points for fuzzers: bytes in, a panic where a rule is broken.

use super::dynamic::Needs;
use super::elf::{ElfError, Image};
use super::manifest::{Manifest, Processor};

/// A plugin file, read without running it: what is found lies inside it, and what is wrong with it is told in one line.
pub(crate) fn elf(file: &[u8]) {
    let image = match Image::parse(file) {
        Ok(image) => image,
        Err(error) => return told(&error),
    };
    if let Err(error) = Needs::of(&image) {
        told(&error);
    }
    match image.manifest() {
        Ok(text) => {
            let inside = file.as_ptr_range();
            assert!(text.is_empty() || inside.contains(&text.as_ptr()));
            manifest(text);
        }
        Err(error) => told(&error),
    }
}

/// The text of a manifest. Names go into chains, logs and onto terminals.
pub(crate) fn manifest(text: &[u8]) {
    match (Manifest::parse(text), Manifest::parse(text)) {
        (Ok((manifest, warnings)), Ok((again, _))) => {
            assert_eq!(format!("{manifest:?}"), format!("{again:?}"));
            assert!(!manifest.processors.is_empty());
            for name in manifest.processors.iter().flat_map(Processor::names) {
                assert!(!name.is_empty() && name.len() <= 64 && !name.contains(['|', ' ']));
                one_line(name);
            }
            let facts = [&manifest.name, &manifest.version, &manifest.authors, &manifest.license];
            facts.into_iter().chain(&warnings).for_each(|text| one_line(text));
        }
        (Err(error), Err(again)) => {
            assert_eq!(error, again);
            one_line(&error.to_string());
        }
        _ => panic!("right once and wrong once"),
    }
}

fn told(error: &ElfError) {
    assert!(!error.code().is_empty());
    one_line(&error.to_string());
}

fn one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

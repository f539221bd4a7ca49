//! `new`: a crate to begin with, that builds, passes its test and loads.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{USAGE, complain};

/// Writes a crate into a new directory of that name.
pub(super) fn run(name: &str) -> ExitCode {
    if !is_crate_name(name) {
        complain(format_args!(
            "\"{name}\" is no name for a plugin: expected lower-case letters, digits and single dashes, a letter first"
        ));
        return ExitCode::from(USAGE);
    }
    match write(Path::new(name), name) {
        Ok(()) => {
            println!("{name}/ is ready: cd {name} && cargo test && cargo build --release");
            ExitCode::SUCCESS
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            complain(format_args!("{name}: is there already; choose another name or remove it"));
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(format_args!("{name}: cannot be written: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn write(dir: &Path, name: &str) -> io::Result<()> {
    // Fails when it is there: nothing is ever overwritten.
    fs::create_dir(dir)?;
    fs::create_dir(dir.join("src"))?;
    for (path, template) in FILES {
        fs::write(dir.join(path), filled_in(template, name))?;
    }
    Ok(())
}

/// What Cargo takes for a package and the compiler, with underscores, for a crate.
fn is_crate_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.len() <= 48
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('-').all(word)
        && name != "test"
}

fn filled_in(template: &str, name: &str) -> String {
    let processor: String = name.split('-').map(capitalised).collect();
    template
        .replace("{{name}}", name)
        .replace("{{key}}", &name.replace('-', "_"))
        .replace("{{Processor}}", &processor)
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_ascii_uppercase() + rest
}

const FILES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("new/Cargo.toml.template")),
    ("src/lib.rs", include_str!("new/lib.rs.template")),
    ("README.md", include_str!("new/README.md.template")),
    (".gitignore", "/target\n"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["spf", "size-cap", "a1-b2"] {
            assert!(is_crate_name(good), "{good}");
        }
        for bad in ["", "Spf", "1st", "-a", "a-", "a--b", "a_b", "../a", "a b", "ä", "test"] {
            assert!(!is_crate_name(bad), "{bad}");
        }
        assert_eq!(
            filled_in("{{name}} {{key}} {{Processor}}", "size-cap"),
            "size-cap size_cap SizeCap"
        );
    }
}

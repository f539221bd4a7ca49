//! `new`: a crate to begin with, that builds, passes its test and loads.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{USAGE, complain, say};

/// Writes a crate into a new directory of that name.
pub(super) fn run(name: &str, api: Option<&Path>) -> ExitCode {
    if !is_crate_name(name) {
        complain(format_args!(
            "\"{name}\" is no name for a plugin: expected lower-case letters, digits and single dashes, a letter first"
        ));
        return ExitCode::from(USAGE);
    }
    let api = match api.map(checkout).transpose() {
        Ok(api) => api.unwrap_or_else(|| PUBLISHED.to_owned()),
        Err(why) => {
            complain(why);
            return ExitCode::from(USAGE);
        }
    };
    match write(Path::new(name), name, &api) {
        Ok(()) => {
            say(format_args!("{name}/ is ready: cd {name} && cargo test && cargo build --release"));
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

/// The dependency on the crate in a directory.
fn checkout(dir: &Path) -> Result<String, String> {
    let wrong = |why: &str| {
        format!("--api {}: {why}; name the directory plugin-api of a checkout", dir.display())
    };
    let found = dir.canonicalize().map_err(|error| wrong(&error.to_string()))?;
    let manifest = fs::read_to_string(found.join("Cargo.toml"));
    if !manifest.is_ok_and(|text| text.contains("name = \"guerrilla-plugin-api\"")) {
        return Err(wrong("not the crate guerrilla-plugin-api"));
    }
    let path = found.to_str().ok_or_else(|| wrong("not UTF-8"))?;
    Ok(format!("{{ path = {} }}", serde_json::Value::from(path)))
}

fn write(dir: &Path, name: &str, api: &str) -> io::Result<()> {
    // Fails when it is there: nothing is ever overwritten.
    fs::create_dir(dir)?;
    fs::create_dir(dir.join("src"))?;
    for (path, template) in FILES {
        fs::write(dir.join(path), filled_in(template, name, api))?;
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

fn filled_in(template: &str, name: &str, api: &str) -> String {
    let processor: String = name.split('-').map(capitalised).collect();
    template
        .replace("{{name}}", name)
        .replace("{{api}}", api)
        .replace("{{key}}", &name.replace('-', "_"))
        .replace("{{Processor}}", &processor)
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_ascii_uppercase() + rest
}

/// The dependency on the crate of the registry.
const PUBLISHED: &str = "\"1\"";

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
            filled_in("{{name}} {{key}} {{Processor}} {{api}}", "size-cap", PUBLISHED),
            "size-cap size_cap SizeCap \"1\""
        );
    }
}

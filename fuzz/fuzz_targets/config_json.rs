//! The config file: no panic, errors and warnings of one line each, and the same twice.
#![no_main]

use guerrilla::config::{Config, ConfigError, Problem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let first = Config::from_json(text, "f.json");
    let second = Config::from_json(text, "f.json");
    match (first, second) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first, second);
            assert!(!first.config.servers.is_empty());
            let _ = first.config.clients_total();
            first.warnings.iter().for_each(one_line);
            first.config.unclaimed_backend_keys(&["mail_path"]).iter().for_each(one_line);
        }
        (Err(first), Err(second)) => {
            let shown = first.to_string();
            assert_eq!(shown, second.to_string());
            let ConfigError::Invalid { problems, warnings, .. } = first else {
                panic!("nothing was read from a file: {shown}");
            };
            assert!(!problems.is_empty());
            assert_eq!(shown.lines().count(), problems.len());
            problems.iter().chain(&warnings).for_each(one_line);
        }
        _ => panic!("right once and wrong once"),
    }
});

/// What goes to a terminal or a log: one line, no escape sequences, of a length that can be read.
fn one_line(problem: &Problem) {
    let shown = problem.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(!problem.message.is_empty());
}

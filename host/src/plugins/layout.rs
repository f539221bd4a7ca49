//! Whether two builds of the border can meet.
//!
//! The stock check asks only whether the plugin has everything that the host expects, and so refuses every plugin
//! older than its host. A prefix type may be longer on either side: it is enough that one of the two is
//! a prefix of the other. The globals of the check are made fresh each time: the stock ones remember other plugins,
//! and refuse by the order of loading. Fresh ones are sound because no value travels from plugin to plugin.

use abi_stable::abi_stability::abi_checking::{
    AbiInstability, AbiInstabilityError, AbiInstabilityErrors, CheckingGlobals, ExpectedFound,
    check_layout_compatibility_with_globals,
};
use abi_stable::type_layout::{TLFieldOrFunction, TypeLayout};

use super::one_line::one_line;

/// Checks both ways.
///
/// # Errors
/// The first difference, in a few words.
pub(super) fn compatible(
    mine: &'static TypeLayout,
    theirs: &'static TypeLayout,
) -> Result<(), String> {
    let check = |a, b| check_layout_compatibility_with_globals(a, b, &CheckingGlobals::new());
    let Err(as_newer) = check(mine, theirs) else { return Ok(()) };
    let Err(as_older) = check(theirs, mine) else { return Ok(()) };
    // The direction that finds less is the one the plugin nearly fits; the other also counts its age.
    if count(&as_older) < count(&as_newer) {
        Err(summary(&as_older, Direction::Swapped))
    } else {
        Err(summary(&as_newer, Direction::AsIs))
    }
}

fn count(errors: &AbiInstabilityErrors) -> usize {
    errors.errors.iter().map(|error| error.errs.len()).sum()
}

/// Whether the checker's "expected" is the host's side.
#[derive(Clone, Copy)]
enum Direction {
    AsIs,
    Swapped,
}

/// abi_stable prints the layouts of all types on the way: pages. Where and what is enough to act on.
fn summary(errors: &AbiInstabilityErrors, direction: Direction) -> String {
    let mut all = errors.errors.iter().flat_map(|at| at.errs.iter().map(move |what| (at, what)));
    let Some((at, what)) = all.next() else { return "unknown difference".to_owned() };
    let more = match all.count() {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    format!("{}{}{more}", place(at), difference(what, direction))
}

/// The way from the root to the type, by fields and arguments.
fn place(at: &AbiInstabilityError) -> String {
    let mut way: Vec<&str> = Vec::new();
    for step in &at.stack_trace {
        let name = match step.found {
            TLFieldOrFunction::Field(field) => field.name(),
            TLFieldOrFunction::Function(function) => function.name.as_str(),
        };
        // A number is a wrapper's only field; a function appears as the field and as itself.
        let says_nothing = name.bytes().all(|b| b.is_ascii_digit()) || way.last() == Some(&name);
        match name {
            _ if says_nothing => {}
            "__returns" => way.push("return value"),
            name => way.push(name),
        }
    }
    let far = way.len() > LAST_STEPS;
    let way = way[way.len().saturating_sub(LAST_STEPS)..].join(" > ");
    match way.as_str() {
        "" => String::new(),
        way => format!("{}{}: ", if far { "… > " } else { "" }, one_line(way, LIMIT)),
    }
}

fn difference(what: &AbiInstability, direction: Direction) -> String {
    use AbiInstability as A;
    let (name, pair) = match what {
        A::Name(pair) => ("type", text(pair)),
        A::Package(pair) => ("package", text(pair)),
        A::PackageVersion(pair) => ("package version", text(pair)),
        A::Size(pair) => ("size", text(pair)),
        A::Alignment(pair) => ("alignment", text(pair)),
        A::FieldCountMismatch(pair) => ("number of fields", text(pair)),
        A::MismatchedPrefixSize(pair) => ("number of fields in 1.0", text(pair)),
        A::UnexpectedField(pair) => ("field", names(pair)),
        A::FieldLifetimeMismatch(pair) => ("lifetimes of field", names(pair)),
        A::NonZeroness(pair) => ("non-zeroness", text(pair)),
        other => {
            // Only the variant's name: what follows it is a whole layout.
            let debug = format!("{other:?}");
            let name = debug.split(['(', '{', ' ']).next().unwrap_or_default();
            return format!("differs ({name})");
        }
    };
    let (found, expected) = match direction {
        Direction::AsIs => (pair.found, pair.expected),
        Direction::Swapped => (pair.expected, pair.found),
    };
    let short = |text: &str| one_line(text, LIMIT);
    format!("{name} {}, expected {}", short(&found), short(&expected))
}

fn text<T: std::fmt::Display>(pair: &ExpectedFound<T>) -> ExpectedFound<String> {
    pair.as_ref().map(ToString::to_string)
}

fn names(pair: &ExpectedFound<abi_stable::type_layout::TLField>) -> ExpectedFound<String> {
    pair.as_ref().map(|field| field.name().to_owned())
}

/// What to do about a difference.
pub(super) const REBUILD: &str = "rebuild it with guerrilla-plugin-api 1.x";

/// How much of the way to a type is told: where it ends says more than where it begins.
const LAST_STEPS: usize = 4;

/// Longest part of a message, in characters.
const LIMIT: usize = 80;

#[cfg(test)]
mod tests;

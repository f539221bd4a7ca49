//! The border is frozen: every type that crosses it, with its size, alignment and fields, and every number that has
//! a meaning, are as they were when 1.0 was released.
//!
//! `layout-1.0.txt` holds what was released. The layouts are those that `abi_stable` records and the loader compares;
//! the numbers are read from the source, for no layout knows them. Pointers have 64 bits on every machine that a
//! plugin can be for.
#![cfg(all(target_pointer_width = "64", not(feature = "fake-1-1")))]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use abi_stable::StableAbi;
use abi_stable::type_layout::{TLData, TLField, TLFunction, TypeLayout};
use guerrilla_plugin_abi::{HeldTxn, Root_Ref, Txn};

#[test]
fn the_border_is_as_it_was_released() {
    let released = include_str!("layout-1.0.txt");
    let now = format!("{}\n{}", layouts(), numbers());
    if now == released {
        return;
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layout-1.0.txt");
    fs::write(&file, &now).expect("a writable target directory");
    panic!(
        "The border is frozen, and it has changed:\n\n{}\n\
         A plugin built against 1.0 would not load any more, or would misunderstand the host. Append instead: a \
         function behind last_prefix_field, a new number. What appends only adds lines here (and the field counts \
         of its table); take those over into plugin-api/abi/tests/layout-1.0.txt. All of it as it is now: {}",
        difference(released, &now),
        file.display()
    );
}

/// All types that can be reached from what a plugin file exports and from what its functions are given.
fn layouts() -> String {
    let mut walk = Walk::default();
    let roots: [&TypeLayout; 3] = [Root_Ref::LAYOUT, Txn::LAYOUT, HeldTxn::LAYOUT];
    roots.into_iter().for_each(|root| walk.add(root));
    assert!(walk.types.len() > 40, "too few types: the walk does not reach the border");
    walk.types.into_iter().collect::<Vec<_>>().join("\n")
}

#[derive(Default)]
struct Walk {
    /// Addresses of the layouts that were met; instances of one generic type have the same name.
    met: BTreeSet<*const TypeLayout>,
    types: BTreeSet<String>,
}

impl Walk {
    /// Adds a type, and those of its fields and of their functions, unless it was met.
    fn add(&mut self, layout: &'static TypeLayout) {
        if !self.met.insert(layout) {
            return;
        }
        let (kind, fields) = fields(layout);
        let (name, size, alignment) = (name(layout), layout.size(), layout.alignment());
        let package = layout.package();
        let mut text = format!("{package}::{name}: {kind}, {size} bytes, aligned to {alignment}\n");
        for field in &fields {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "    {}: {}", field.name(), type_of(field));
        }
        self.types.insert(text);
        for field in fields {
            self.add(field.layout());
            for function in field.function_range().iter() {
                function.param_type_layouts.iter().for_each(|parameter| self.add(parameter()));
                function.return_type_layout().into_iter().for_each(|result| self.add(result()));
            }
        }
    }
}

fn fields(layout: &'static TypeLayout) -> (String, Vec<TLField>) {
    let (kind, mut fields) = match layout.data() {
        TLData::Primitive(_) => ("primitive".to_owned(), Vec::new()),
        TLData::Opaque => ("opaque".to_owned(), Vec::new()),
        TLData::Struct { fields } => ("struct".to_owned(), fields.to_vec()),
        TLData::Union { fields } => ("union".to_owned(), fields.to_vec()),
        TLData::Enum(enumeration) => {
            let variants = enumeration.variant_names.as_str().trim_end_matches(';');
            (format!("enum {variants}"), enumeration.fields.to_vec())
        }
        TLData::PrefixType(prefix) => {
            let first = prefix.first_suffix_field;
            (format!("table, {first} functions or fields in 1.0"), prefix.fields.to_vec())
        }
    };
    fields.extend(layout.phantom_fields().iter());
    (kind, fields)
}

/// The type as `abi_stable` names it, and what it is generic over where that says nothing of it.
fn name(layout: &'static TypeLayout) -> String {
    let name = layout.full_type().to_string();
    let name =
        name.split_whitespace().collect::<Vec<_>>().join(" ").replace(" >", ">").replace(" ,", ",");
    let silent = ["ROption", "RRef", "RMut", "RBox", "RSlice", "RVec"];
    if !silent.contains(&layout.name()) {
        return name;
    }
    match fields(layout).1.first() {
        Some(first) => format!("{name} of {}", self::name(first.layout())),
        None => name,
    }
}

/// A field's type: a function by its arguments and result, anything else by name.
fn type_of(field: &TLField) -> String {
    if !field.is_function() {
        return name(field.layout());
    }
    field.function_range().iter().map(|function| signature(&function)).collect()
}

fn signature(function: &TLFunction) -> String {
    let arguments: Vec<String> =
        function.param_type_layouts.iter().map(|argument| name(argument())).collect();
    let result = function.return_type_layout().map_or_else(|| "()".to_owned(), |of| name(of()));
    // Which arguments share a lifetime is part of what the loader compares: two to a pair, in their order.
    let lifetimes = format!("{:?}", function.paramret_lifetime_indices);
    let is_pair = |part: &&str| part.split(", ").filter(|word| is_lifetime(word)).count() == 2;
    let pairs = lifetimes.split(['[', ']']).filter(is_pair).filter(|pair| *pair != "NONE, NONE");
    let lifetimes: Vec<String> = pairs.map(|pair| format!("[{pair}]")).collect();
    format!("fn({}) -> {result} {}", arguments.join(", "), lifetimes.concat()).trim_end().to_owned()
}

fn is_lifetime(word: &str) -> bool {
    matches!(word, "ANONYMOUS" | "NONE" | "STATIC") || word.starts_with("Param(")
}

/// The named numbers of the open sets, in the order of their source.
fn numbers() -> String {
    let mut text = String::new();
    let mut set = None;
    for line in include_str!("../src/numbers.rs")
        .lines()
        .skip_while(|line| !line.starts_with("open_set! {"))
    {
        let line = line.trim();
        if let Some(name) = line.strip_suffix('{').filter(|name| !name.contains(['!', '('])) {
            set = Some(name.trim());
        } else if line == "}" {
            set = None;
        } else if let (Some(set), Some((name, number))) = (set, line.split_once(" = ")) {
            let _ = writeln!(text, "{set}::{name} = {}", number.trim_end_matches(','));
        }
    }
    assert!(text.lines().count() > 60, "too few numbers: the source has another form now");
    text
}

/// Lines that are only in one of both.
fn difference(released: &str, now: &str) -> String {
    let only = |sign: char, of: &str, other: &str| -> String {
        let other: Vec<&str> = other.lines().collect();
        let lines = of.lines().filter(|line| !other.contains(line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    only('-', released, now) + &only('+', now, released)
}

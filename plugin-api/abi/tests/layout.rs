//! The border is frozen: every type that crosses it, its size, alignment and fields, and every number that has a
//! meaning, are as they were when 1.0 was released.
//!
//! `layout-1.0.txt` holds what was released. The layouts are those that `abi_stable` records and the loader compares;
//! the numbers are read from the source, for no layout knows them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use abi_stable::StableAbi;
use abi_stable::type_layout::{TLData, TLField, TypeLayout};
use guerrilla_plugin_abi::{HeldTxn, Root_Ref};

#[test]
fn the_border_is_as_it_was_released() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layout-1.0.txt");
    let released = fs::read_to_string(&path).expect("the snapshot is there");
    let now = snapshot();
    assert!(
        now == released,
        "The border is frozen, and it has changed:\n\n{}\n\
         A plugin built against 1.0 would not load any more, or would misunderstand the host. Append instead: a field \
         behind last_prefix_field, a new number; then the snapshot gets the new lines and no line of it changes. \
         Before 1.0 is released, write what is there now with: BLESS_LAYOUT=1 cargo test -p guerrilla-plugin-abi\n",
        difference(&released, &now)
    );
}

/// Only with `BLESS_LAYOUT` in the environment; otherwise looks whether the snapshot could be written at all.
#[test]
fn the_snapshot_is_written_when_asked_for() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layout-1.0.txt");
    if std::env::var_os("BLESS_LAYOUT").is_some() {
        fs::write(&path, snapshot()).expect("writable");
    }
    assert!(path.is_file());
}

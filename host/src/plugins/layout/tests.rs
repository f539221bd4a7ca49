//! Borders that have grown, and borders that have changed.

use abi_stable::StableAbi;
use abi_stable::std_types::RStr;

use super::compatible;

/// A root and a table behind it, as one version has them.
macro_rules! version {
    ($name:ident: $flag:ty, $($appended:ident),*) => {
        // Only the layouts of these types are looked at; what the derive writes holds `unsafe` of its own.
        #[allow(dead_code, unsafe_code)]
        mod $name {
            use super::*;

            #[repr(C)]
            #[derive(StableAbi)]
            #[sabi(kind(Prefix(prefix_ref = TableRef, prefix_fields = TablePrefix)))]
            #[sabi(missing_field(option))]
            pub(super) struct Table {
                pub(super) len: extern "C" fn(u64) -> usize,
                #[sabi(last_prefix_field)]
                pub(super) text: for<'a> extern "C" fn(RStr<'a>) -> $flag,
                $(pub(super) $appended: u32,)*
            }

            #[repr(C)]
            #[derive(StableAbi)]
            #[sabi(kind(Prefix(prefix_ref = RootRef, prefix_fields = RootPrefix)))]
            #[sabi(missing_field(option))]
            pub(super) struct Root {
                #[sabi(last_prefix_field)]
                pub(super) table: TableRef,
                $(pub(super) $appended: u32,)*
            }
        }
    };
}

version!(v1_0: u32,);
version!(v1_1: u32, later);
version!(changed: u64,);
version!(changed_and_grown: u64, later);

#[test]
fn the_same_fits() {
    assert_eq!(compatible(v1_0::RootRef::LAYOUT, v1_0::RootRef::LAYOUT), Ok(()));
}

#[test]
fn a_newer_plugin_and_an_older_one_fit_in_any_order_and_repeatedly() {
    for _ in 0..2 {
        assert_eq!(compatible(v1_0::RootRef::LAYOUT, v1_1::RootRef::LAYOUT), Ok(()));
        assert_eq!(compatible(v1_1::RootRef::LAYOUT, v1_0::RootRef::LAYOUT), Ok(()));
    }
}

#[test]
fn a_change_is_told_in_one_line_from_the_hosts_side() {
    let line = "table > text > return value: type u64, expected u32";
    for theirs in [changed::RootRef::LAYOUT, changed_and_grown::RootRef::LAYOUT] {
        for mine in [v1_0::RootRef::LAYOUT, v1_1::RootRef::LAYOUT] {
            assert_eq!(compatible(mine, theirs), Err(line.to_owned()));
        }
    }
}

//! Nothing but `benches/stores.rs`.

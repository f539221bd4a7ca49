//! The loader on real files. Plugins are built with cargo as their authors build them; broken ones are made from
//! them byte by byte, or stand in `tests/broken-plugins`.

mod bytes;
mod choosing;
mod fixtures;
mod inspecting;
mod loading;
mod refusals;

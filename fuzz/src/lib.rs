//! What the fuzz targets share: a driver that checks every step of a session, the grammar of replies
//! and of paths, and how input bytes choose settings.
//!
//! A rule that is broken is a panic; the engine keeps the input that led there.
#![forbid(unsafe_code)]

pub mod driver;
pub mod input;
pub mod path;
pub mod question;
pub mod replies;

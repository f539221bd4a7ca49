//! The processors that every guerrillad has: go-guerrilla's five that need no server of their own.
//!
//! They are written against the trait that plugins are written against, and the host knows them by their
//! manifest and their constructors, as if they stood in a file.

mod compressor;
mod debugger;
mod hasher;
mod header;
mod headers_parser;
mod settings;

use guerrilla_plugin_api::__border::{Create, FileInfo, ProcessorInfo, create};
use guerrilla_plugin_api::Plugin;

use compressor::Compressor;
use debugger::Debugger;
use hasher::Hasher;
use header::Header;
use headers_parser::HeadersParser;

/// What they offer, as a plugin file's manifest says it.
pub(crate) fn manifest() -> Vec<u8> {
    const FILE: FileInfo = FileInfo {
        name: "built-in",
        version: env!("CARGO_PKG_VERSION"),
        authors: env!("CARGO_PKG_AUTHORS"),
        license: env!("CARGO_PKG_LICENSE"),
        description: "The processors inside guerrillad",
        panic_abort: cfg!(panic = "abort"),
        processors: &[
            ProcessorInfo::of::<HeadersParser>(),
            ProcessorInfo::of::<Header>(),
            ProcessorInfo::of::<Hasher>(),
            ProcessorInfo::of::<Compressor>(),
            ProcessorInfo::of::<Debugger>(),
        ],
    };
    FILE.to_json()
}

/// Their constructors by name, in the manifest's order.
pub(crate) const CONSTRUCTORS: &[(&str, Create)] = &[
    (HeadersParser::NAME, create::<HeadersParser>),
    (Header::NAME, create::<Header>),
    (Hasher::NAME, create::<Hasher>),
    (Compressor::NAME, create::<Compressor>),
    (Debugger::NAME, create::<Debugger>),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn manifest_and_constructors_name_the_same() {
        let manifest: Value = serde_json::from_slice(&manifest()).unwrap();
        assert_eq!(manifest["name"], "built-in");
        let processors = manifest["processors"].as_array().unwrap();
        let named: Vec<&str> = processors.iter().map(|p| p["name"].as_str().unwrap()).collect();
        let made: Vec<&str> = CONSTRUCTORS.iter().map(|(name, _)| *name).collect();
        assert_eq!(named, made);
        assert_eq!(named, ["HeadersParser", "Header", "Hasher", "Compressor", "Debugger"]);
        assert!(processors.iter().all(|p| p["phases"] == serde_json::json!(["save"])));
    }

    #[test]
    fn every_key_is_described() {
        let manifest: Value = serde_json::from_slice(&manifest()).unwrap();
        for processor in manifest["processors"].as_array().unwrap() {
            for (key, about) in processor["config_schema"]["properties"].as_object().unwrap() {
                assert!(about["description"].is_string(), "{key}");
                assert!(about["type"].is_string(), "{key}");
            }
        }
    }
}

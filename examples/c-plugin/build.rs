//! Compiles the part in C.

fn main() {
    cc::Build::new()
        .file("src/forbidden.c")
        .include("include")
        .std("c11")
        .warnings_into_errors(true)
        .compile("forbidden");
    println!("cargo::rerun-if-changed=src/forbidden.c");
    println!("cargo::rerun-if-changed=include/guerrilla_plugin.h");
}

//! How a release of the program is linked.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=WEFT_ENTERED");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    // The compiler's own linker on this target knows how; elsewhere the system's may not.
    let target = is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    // Not by the profile's name, which is that of the one it is made from.
    if !target || is("OPT_LEVEL", "0") {
        return;
    }
    // The table of addresses to be adjusted at start takes a bit for each in place of 24 bytes, which every process
    // of a mesh would read once and keep resident.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // Functions that are to lie together: `dist/build` names a list of them.
    if let Ok(list) = env::var("WEFT_ENTERED") {
        println!("cargo:rustc-link-arg-bins=-Wl,--symbol-ordering-file={list},--no-warn-symbol-ordering");
    }
}

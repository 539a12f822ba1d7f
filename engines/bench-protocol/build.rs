//! Hands the compiler's version and the build's flags to the crate, for `hello.build`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(compiler)
        .arg("--version")
        .output()
        .map_or_else(
            |error| format!("unknown: {error}"),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        );
    println!("cargo:rustc-env=BENCH_RUSTC={version}");
    for (name, variable) in [
        ("BENCH_TARGET", "TARGET"),
        ("BENCH_TARGET_FEATURES", "CARGO_CFG_TARGET_FEATURE"),
        ("BENCH_PROFILE", "PROFILE"),
        ("BENCH_OPT_LEVEL", "OPT_LEVEL"),
    ] {
        println!(
            "cargo:rustc-env={name}={}",
            env::var(variable).unwrap_or_default()
        );
    }
}

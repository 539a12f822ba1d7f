//! Hands the locked version of burn to the adapter, for `hello`, and the CUDA toolkit that it is built with.

use std::env;
use std::error::Error;
use std::fs;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock")?;
    let mut lines = lock.lines();
    lines
        .find(|line| *line == "name = \"burn-tensor\"")
        .ok_or("Cargo.lock has no burn-tensor")?;
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = \""))
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or("burn-tensor has no version in Cargo.lock")?;
    println!("cargo:rustc-env=BURN_VERSION={version}");
    println!("cargo:rerun-if-env-changed=CUDA_PATH");
    if env::var_os("CARGO_FEATURE_CUDA").is_some()
        && let Ok(toolkit) = env::var("CUDA_PATH")
    {
        println!("cargo:rustc-env=BUILT_WITH_CUDA_PATH={toolkit}");
    }
    Ok(())
}

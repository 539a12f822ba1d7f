//! Hands the locked version of burn to the adapter, for `hello`, and the CUDA toolkit that it is built with.

#[path = "../bench-protocol/build/locked_version.rs"]
mod locked_version;

use std::env;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=CUDA_PATH");
    if env::var_os("CARGO_FEATURE_CUDA").is_some()
        && let Ok(toolkit) = env::var("CUDA_PATH")
    {
        println!("cargo:rustc-env=BUILT_WITH_CUDA_PATH={toolkit}");
    }
    locked_version::hand_over("burn-tensor", "BURN_VERSION")
}

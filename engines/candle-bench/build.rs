//! Hands the locked version of candle to the adapter, for `hello`.

use std::error::Error;
use std::fs;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock")?;
    let mut lines = lock.lines();
    lines
        .find(|line| *line == "name = \"candle-core\"")
        .ok_or("Cargo.lock has no candle-core")?;
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = \""))
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or("candle-core has no version in Cargo.lock")?;
    println!("cargo:rustc-env=CANDLE_VERSION={version}");
    Ok(())
}

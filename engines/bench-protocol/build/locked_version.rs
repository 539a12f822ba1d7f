//! For the build scripts of the adapters, which take it in by its path: as a build dependency the whole crate would be
//! compiled a second time.

use std::error::Error;
use std::fs;

/// Hand the version that Cargo.lock has of `package` to the adapter, as the environment variable `variable` at its
/// compilation.
pub fn hand_over(package: &str, variable: &str) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock")?;
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    lines
        .find(|line| *line == name)
        .ok_or_else(|| format!("Cargo.lock has no {package}"))?;
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = \""))
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(|| format!("{package} has no version in Cargo.lock"))?;
    println!("cargo:rustc-env={variable}={version}");
    Ok(())
}

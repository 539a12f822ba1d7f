//! Hands the locked version of mistral.rs to the adapter, for `hello`.

#[path = "../bench-protocol/build/locked_version.rs"]
mod locked_version;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    locked_version::hand_over("mistralrs", "MISTRALRS_VERSION")
}

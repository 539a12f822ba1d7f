//! A folder for one test.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder that is gone after the test.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Make a folder; `test` keeps apart those of tests that run at once.
    #[must_use]
    pub fn new(test: &str) -> Self {
        let name = format!("{}-{test}-{}", env!("CARGO_PKG_NAME"), std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

//! The file behind `logits_path`: raw 32-bit little-endian numbers, a vocabulary a token.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The open file.
pub struct LogitsFile {
    file: File,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl LogitsFile {
    /// Open the file for appending.
    ///
    /// # Errors
    /// [`Failure::bad_spec`] where that is not possible.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| {
                Failure::bad_spec(format!("logits_path {}: {error}", path.display()))
            })?;
        Ok(Self {
            file,
            path: path.to_owned(),
            bytes: Vec::new(),
        })
    }

    /// Append the logits of one iteration.
    ///
    /// # Errors
    /// [`Failure::internal`] where the file cannot be written.
    pub fn append(&mut self, logits: &[f32]) -> Result<(), Failure> {
        self.bytes.clear();
        self.bytes
            .extend(logits.iter().flat_map(|logit| logit.to_le_bytes()));
        self.file.write_all(&self.bytes).map_err(|error| {
            Failure::internal(format!("{} not writable: {error}", self.path.display()))
        })
    }
}

//! The events file: one JSON object a line, each written whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::engine::{Capabilities, Loaded};
use crate::failure::{Failure, Kind};
use crate::request::Status;
use crate::schedule::Phase;

/// One line of the file; workflow/schemas/event.schema.yaml describes each field.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// Who speaks.
    Hello {
        engine: &'a str,
        version: &'a str,
        protocol: u64,
        build: &'a Map<String, Value>,
        capabilities: &'a Capabilities,
    },
    /// Before the model's files are opened.
    LoadStart { time_ns: u64 },
    /// When the first prompt could be taken.
    LoadEnd {
        time_ns: u64,
        #[serde(flatten)]
        loaded: &'a Loaded,
        #[serde(skip_serializing_if = "Option::is_none")]
        batching: Option<&'a str>,
    },
    /// One request, after it ended.
    Iteration {
        index: u64,
        warmup: bool,
        case: usize,
        start_ns: u64,
        token_ids: &'a [u32],
        token_ns: &'a [u64],
        end_ns: u64,
        finish: Finish,
        #[serde(skip_serializing_if = "Option::is_none")]
        margins: Option<&'a [f32]>,
    },
    /// One request under load, after its level ended.
    Request {
        case: usize,
        number: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt: Option<usize>,
        phase: Phase,
        scheduled_ns: u64,
        start_ns: u64,
        written_ns: Option<u64>,
        chunk_ns: &'a [u64],
        chunk_tokens: &'a [u32],
        token_ids: &'a [u32],
        stamp: &'a str,
        shared_chunks: u64,
        prompt_tokens: usize,
        completion_tokens: usize,
        cached_tokens: u64,
        end_ns: u64,
        finish: Option<Finish>,
        status: Status,
        error: Option<&'a str>,
    },
    /// The end of a level of load.
    Stage {
        case: usize,
        start_ns: u64,
        end_ns: u64,
        window_start_ns: u64,
        window_end_ns: u64,
        ended: &'a str,
        client_cpu_seconds: f64,
        send_lag_p50_ns: u64,
        send_lag_p99_ns: u64,
        sockets_max: usize,
    },
    /// The end without `done`.
    Error { kind: Kind, message: &'a str },
    /// The end.
    Done,
}

/// Why a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// `max_new_tokens` was reached.
    Length,
    /// An end-of-sequence id came.
    Eos,
}

/// The open events file.
pub struct EventLog {
    file: File,
    line: Vec<u8>,
}

impl EventLog {
    /// Open the file behind `--events` for appending.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            file,
            line: Vec::new(),
        })
    }

    /// Append one event with a single write, so that a reader never sees a part of a line.
    ///
    /// # Errors
    /// [`Failure::internal`] where the file cannot be written.
    pub fn write(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, event)
            .map_err(|error| Failure::internal(format!("event not writable: {error}")))?;
        self.line.push(b'\n');
        self.file
            .write_all(&self.line)
            .map_err(|error| Failure::internal(format!("events file not writable: {error}")))
    }
}

//! A request under load.

use serde::Serialize;

use crate::events::{Event, Finish};
use crate::schedule::Phase;

/// One request: what became of it.
pub struct Request {
    /// Which of the case's prompts it has.
    pub prompt: usize,
    pub phase: Phase,
    pub scheduled_ns: u64,
    /// When the engine took it up; none before.
    pub written_ns: Option<u64>,
    pub end_ns: u64,
    pub token_ids: Vec<u32>,
    pub token_ns: Vec<u64>,
    /// Tokens to generate.
    pub limit: usize,
    /// Where its stream of random numbers stands.
    pub stream: u64,
    pub finish: Option<Finish>,
    pub status: Status,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// With its answer.
    Ok,
    /// It was given up after `timeout_seconds`.
    Timeout,
    /// It kept the load up, and the level was over.
    Cancelled,
}

impl Request {
    /// As the protocol writes it; `turn` is its prompt where the level has conversations, `ones` is as long as the longest answer at least.
    pub fn event<'a>(
        &'a self,
        case: usize,
        number: usize,
        turn: Option<usize>,
        prompt_tokens: usize,
        ones: &'a [u32],
    ) -> Event<'a> {
        let count = self.token_ids.len();
        Event::Request {
            case,
            number,
            prompt: turn,
            phase: self.phase,
            scheduled_ns: self.scheduled_ns,
            start_ns: self.scheduled_ns,
            written_ns: self.written_ns,
            chunk_ns: &self.token_ns,
            chunk_tokens: &ones[..count],
            token_ids: &self.token_ids,
            stamp: "engine",
            shared_chunks: 0,
            prompt_tokens,
            completion_tokens: count,
            cached_tokens: 0,
            end_ns: self.end_ns,
            finish: self.finish,
            status: self.status,
            error: None,
        }
    }
}

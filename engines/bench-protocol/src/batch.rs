//! What an engine implements that decodes several sequences in one step.

use crate::failure::Failure;

/// Most requests in flight of a closed loop: a bound of this crate, not of an engine.
pub const MOST_SEQUENCES: usize = 256;

/// An engine with places for sequences, numbered from 0.
pub trait Batch {
    /// Whether a batch has to end before the next one begins, of prompts that are equally long. An
    /// engine that is not so takes a prompt whenever a place is free.
    fn is_static(&self) -> bool {
        false
    }

    /// Put a prompt into each of these empty places; the logits that follow them, a row of the
    /// vocabulary's size each.
    ///
    /// # Errors
    /// Whatever keeps the engine from reading the prompts.
    fn prefill(&mut self, places: &[usize], prompts: &[&[u32]]) -> Result<Vec<f32>, Failure>;

    /// Put an id behind each of these sequences; the logits that follow them. In a static batch some
    /// that were begun together may have been released.
    ///
    /// # Errors
    /// Whatever keeps the engine from computing the step.
    fn step(&mut self, places: &[usize], ids: &[u32]) -> Result<Vec<f32>, Failure>;

    /// Empty a place.
    fn release(&mut self, place: usize);
}

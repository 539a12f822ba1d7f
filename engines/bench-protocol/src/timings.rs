//! Buffers that take ids and times while tokens are timed.

use crate::clock::now_ns;

/// Ids, times and, where asked for, margins of one iteration. Allocated once for the longest
/// case of the spec.
#[derive(Debug)]
pub struct Timings {
    token_ids: Vec<u32>,
    token_ns: Vec<u64>,
    margins: Option<Vec<f32>>,
    logits: Option<Vec<f32>>,
}

impl Timings {
    /// Buffers for `capacity` tokens, with margins where `options.margins` asks for them.
    #[must_use]
    pub fn new(capacity: usize, with_margins: bool) -> Self {
        Self {
            token_ids: Vec::with_capacity(capacity),
            token_ns: Vec::with_capacity(capacity),
            margins: with_margins.then(|| Vec::with_capacity(capacity)),
            logits: None,
        }
    }

    /// Keep the logits too, as `logits_path` in the spec asks.
    #[must_use]
    pub fn with_logits(mut self) -> Self {
        self.logits = Some(Vec::new());
        self
    }

    /// Forget the last iteration, keep the memory.
    pub(crate) fn clear(&mut self) {
        self.token_ids.clear();
        self.token_ns.clear();
        if let Some(margins) = &mut self.margins {
            margins.clear();
        }
        if let Some(logits) = &mut self.logits {
            logits.clear();
        }
    }

    /// Note that the host knows `id` now.
    pub fn push(&mut self, id: u32) {
        self.token_ns.push(now_ns());
        self.token_ids.push(id);
    }

    /// Whether the launch asks for margins, which costs time.
    #[must_use]
    pub fn wants_margins(&self) -> bool {
        self.margins.is_some()
    }

    /// Note the margin of a token where margins are asked for.
    pub fn push_margin(&mut self, margin: f32) {
        if let Some(margins) = &mut self.margins {
            margins.push(margin);
        }
    }

    /// Whether the launch asks for logits, whose times mean nothing.
    #[must_use]
    pub fn wants_logits(&self) -> bool {
        self.logits.is_some()
    }

    /// Keep the logits from which a token was chosen, where they are asked for.
    pub fn push_logits(&mut self, logits: &[f32]) {
        if let Some(kept) = &mut self.logits {
            kept.extend_from_slice(logits);
        }
    }

    /// Generated ids so far.
    #[must_use]
    pub fn token_ids(&self) -> &[u32] {
        &self.token_ids
    }

    pub(crate) fn token_ns(&self) -> &[u64] {
        &self.token_ns
    }

    pub(crate) fn margins(&self) -> Option<&[f32]> {
        self.margins.as_deref()
    }

    pub(crate) fn logits(&self) -> Option<&[f32]> {
        self.logits.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_round_serves_the_next() {
        let mut timings = Timings::new(2, true);
        let before = timings.token_ids.as_ptr();
        for _ in 0..3 {
            timings.clear();
            timings.push(7);
            timings.push(8);
            timings.push_margin(0.5);
            assert_eq!(timings.token_ids(), [7, 8]);
            assert_eq!(timings.margins(), Some([0.5].as_slice()));
        }
        assert_eq!(timings.token_ids.as_ptr(), before);
    }

    #[test]
    fn logits_are_kept_for_one_round_where_they_are_asked_for() {
        let mut timings = Timings::new(2, false).with_logits();
        for _ in 0..2 {
            timings.clear();
            timings.push_logits(&[1.0, 2.0]);
            timings.push_logits(&[3.0, 4.0]);
            assert_eq!(timings.logits(), Some([1.0, 2.0, 3.0, 4.0].as_slice()));
        }
        let mut without = Timings::new(2, false);
        without.push_logits(&[1.0]);
        assert_eq!((without.wants_logits(), without.logits()), (false, None));
    }

    #[test]
    fn margins_that_nobody_asked_for_are_dropped() {
        let mut timings = Timings::new(1, false);
        timings.push_margin(0.5);
        assert_eq!(timings.margins(), None);
    }
}

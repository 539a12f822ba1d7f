//! Logits out of mistral.rs and ids into it, at the place where it lets a request choose: its logits processor.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use bench_protocol::Failure;
use mistralrs::{CustomLogitsProcessor, Result, Tensor};

/// What mistral.rs knows when it is about to choose a token.
struct Step {
    logits: Vec<f32>,
    context_tokens: usize,
    last_id: Option<u32>,
}

/// The end inside mistral.rs.
pub struct Tap {
    steps: Sender<Step>,
    ids: Mutex<Receiver<u32>>,
}

/// The adapter's end.
pub struct Line {
    steps: Receiver<Step>,
    ids: Sender<u32>,
}

/// Both ends for one request.
pub fn pair() -> (Tap, Line) {
    let (step_sender, steps) = channel();
    let (ids, id_receiver) = channel();
    let tap = Tap {
        steps: step_sender,
        ids: Mutex::new(id_receiver),
    };
    (tap, Line { steps, ids })
}

impl CustomLogitsProcessor for Tap {
    /// Hand over the logits, wait for an id, and leave mistral.rs that id alone to choose. Once the
    /// adapter has let go, mistral.rs chooses for itself.
    fn apply(&self, logits: &Tensor, context: &[u32]) -> Result<Tensor> {
        let step = Step {
            logits: logits.to_vec1()?,
            context_tokens: context.len(),
            last_id: context.last().copied(),
        };
        let width = step.logits.len();
        let is_held = self.steps.send(step).is_ok();
        let chosen = self
            .ids
            .lock()
            .ok()
            .filter(|_| is_held)
            .and_then(|ids| ids.recv().ok());
        let Some(id) = chosen else {
            return Ok(logits.clone());
        };
        let mut only = vec![0.0_f32; width];
        if let Some(place) = only.get_mut(id as usize) {
            *place = 1.0;
        }
        Tensor::from_vec(only, width, logits.device())
    }
}

impl Line {
    /// Logits of the next step, which must follow `context_tokens` tokens that end in `last_id`.
    ///
    /// Returns `None` where mistral.rs has dropped the request.
    pub fn logits(
        &self,
        context_tokens: usize,
        last_id: Option<u32>,
    ) -> Option<std::result::Result<Vec<f32>, Failure>> {
        let step = self.steps.recv().ok()?;
        if (step.context_tokens, step.last_id) == (context_tokens, last_id) {
            return Some(Ok(step.logits));
        }
        Some(Err(Failure::internal(format!(
            "mistral.rs computes {} tokens that end in {:?}, {context_tokens} that end in {last_id:?} were given",
            step.context_tokens, step.last_id
        ))))
    }

    /// The id that mistral.rs goes on with. Where it has dropped the request, the next
    /// [`Line::logits`] says so.
    pub fn give(&self, id: u32) {
        let _ = self.ids.send(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mistralrs::Device;
    use std::thread;

    fn apply(tap: &Tap, logits: &[f32], context: &[u32]) -> Vec<f32> {
        let logits = Tensor::from_slice(logits, logits.len(), &Device::Cpu).unwrap();
        tap.apply(&logits, context).unwrap().to_vec1().unwrap()
    }

    #[test]
    fn logits_go_out_and_the_given_id_alone_is_left() {
        let (tap, line) = pair();
        let engine = thread::spawn(move || apply(&tap, &[0.5, 3.0, 1.0], &[7, 9]));
        assert_eq!(line.logits(2, Some(9)), Some(Ok(vec![0.5, 3.0, 1.0])));
        line.give(2);
        assert_eq!(engine.join().unwrap(), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn another_context_than_the_one_given_is_a_failure() {
        for (context_tokens, last_id) in [(3, Some(9)), (2, Some(7))] {
            let (tap, line) = pair();
            line.give(0);
            apply(&tap, &[0.5, 3.0], &[7, 9]);
            let failure = line.logits(context_tokens, last_id).unwrap().unwrap_err();
            assert!(failure.message.contains("2 tokens that end in Some(9)"));
        }
    }

    #[test]
    fn an_engine_that_goes_on_alone_keeps_its_logits() {
        let (tap, line) = pair();
        drop(line);
        assert_eq!(apply(&tap, &[0.5, 3.0], &[7]), [0.5, 3.0]);
    }

    #[test]
    fn a_dropped_request_is_no_step() {
        let (tap, line) = pair();
        drop(tap);
        line.give(1);
        assert_eq!(line.logits(1, Some(1)), None);
    }
}

//! Which prompt the next request of a level has: the one behind the last, or in conversations the turn
//! that follows on its place.

use crate::load::CaseLoad;

/// A free place of a closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Freed {
    /// When its next request is due.
    pub at_ns: u64,
    /// Prompt of the request before; none before the first.
    pub behind: Option<usize>,
}

/// The order of a level's prompts.
pub struct Turns {
    turns: Option<usize>,
    places: usize,
    begun: usize,
}

impl Turns {
    pub fn of(load: &CaseLoad, places: usize) -> Self {
        Self {
            turns: load.turns,
            places,
            begun: 0,
        }
    }

    /// Prompt of the request with this number, which comes behind another one's; none where none of so
    /// many is left. The first conversations begin at turns that are spread over the places, so that
    /// not all are at the same turn together.
    pub fn next(&mut self, number: usize, behind: Option<usize>, prompts: usize) -> Option<usize> {
        let Some(turns) = self.turns else {
            return (number < prompts).then_some(number);
        };
        let following = behind.map(|prompt| prompt + 1);
        if let Some(prompt) = following.filter(|prompt| prompt % turns != 0) {
            return Some(prompt);
        }
        let first = self.begun * turns;
        if first + turns > prompts {
            return None;
        }
        self.begun += 1;
        Some(match behind {
            Some(_) => first,
            None => first + first / self.places,
        })
    }
}

//! Words for people, on stderr.

use std::fmt::Display;
use std::io::{self, Write};

/// Say something on stderr. Nobody may read it, or the disk that keeps it may be full: `eprintln!`
/// would panic then, and a launch that went well would fail.
pub fn tell(words: impl Display) {
    say(&mut io::stderr().lock(), words);
}

fn say(place: &mut impl Write, words: impl Display) {
    // Words that are lost cost nothing; the events tell the same.
    drop(writeln!(place, "{words}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_said_in_a_line() {
        let mut place = Vec::new();
        say(&mut place, "no GPU");
        assert_eq!(place, b"no GPU\n");
    }

    #[test]
    fn a_place_that_takes_no_words_stops_nobody() {
        let mut full: [u8; 2] = [0; 2];
        say(&mut full.as_mut_slice(), "more than two bytes");
    }
}

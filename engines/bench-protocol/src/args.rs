//! The command line: `--spec FILE --events FILE`, and nothing else.

use std::ffi::OsString;
use std::path::PathBuf;

/// Paths that the runner hands over.
#[derive(Debug, PartialEq, Eq)]
pub struct Args {
    /// Where the spec is read from.
    pub spec: PathBuf,
    /// Where the events are appended.
    pub events: PathBuf,
}

/// Read the arguments that follow the program's name.
///
/// # Errors
/// A sentence that says what is missing or unknown.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Args, String> {
    let (mut spec, mut events) = (None, None);
    let mut arguments = arguments.into_iter();
    while let Some(flag) = arguments.next() {
        let slot = match flag.to_str() {
            Some("--spec") => &mut spec,
            Some("--events") => &mut events,
            _ => return Err(format!("unknown argument {}", flag.display())),
        };
        match arguments.next() {
            None => return Err(format!("{} needs a file", flag.display())),
            Some(_) if slot.is_some() => return Err(format!("{} is given twice", flag.display())),
            Some(path) => *slot = Some(PathBuf::from(path)),
        }
    }
    match (spec, events) {
        (Some(spec), Some(events)) => Ok(Args { spec, events }),
        (None, _) => Err("--spec FILE is missing".to_owned()),
        (_, None) => Err("--events FILE is missing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Result<Args, String> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn both_paths_are_read_in_any_order() {
        let wanted = Args {
            spec: "s.json".into(),
            events: "e.jsonl".into(),
        };
        assert_eq!(
            parse_words(&["--spec", "s.json", "--events", "e.jsonl"]).as_ref(),
            Ok(&wanted)
        );
        assert_eq!(
            parse_words(&["--events", "e.jsonl", "--spec", "s.json"]),
            Ok(wanted)
        );
    }

    #[test]
    fn each_mistake_is_named() {
        for (words, wanted) in [
            (vec![], "--spec FILE is missing"),
            (vec!["--spec", "s"], "--events FILE is missing"),
            (vec!["--events"], "--events needs a file"),
            (vec!["--fast"], "unknown argument --fast"),
            (vec!["--spec", "a", "--spec", "b"], "--spec is given twice"),
        ] {
            assert_eq!(parse_words(&words), Err(wanted.to_owned()));
        }
    }
}

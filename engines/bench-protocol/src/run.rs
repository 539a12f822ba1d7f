//! One launch: from the command line to the exit status.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use crate::args;
use crate::clock::{Monotonic, now_ns};
use crate::engine::Engine;
use crate::events::{Event, EventLog, Finish};
use crate::failure::{Failure, Kind};
use crate::logits::LogitsFile;
use crate::refusals;
use crate::spec::{self, Case, PROTOCOL, Spec};
use crate::stage;
use crate::timings::Timings;
use crate::words::tell;

/// Serve one launch with the engine `E` as the command line asks; the body of an adapter's `main`.
#[must_use]
pub fn run<E: Engine>() -> ExitCode {
    let arguments = match args::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            tell(format_args!(
                "{why}\nusage: <adapter> --spec spec.json --events events.jsonl"
            ));
            return ExitCode::from(Kind::BadSpec.exit_status());
        }
    };
    match EventLog::open(&arguments.events) {
        Ok(mut events) => ExitCode::from(serve::<E>(&arguments.spec, &mut events)),
        Err(error) => {
            tell(format_args!("{}: {error}", arguments.events.display()));
            ExitCode::from(Kind::Internal.exit_status())
        }
    }
}

/// Run the launch; a failure becomes an `error` event and the exit status of its kind.
fn serve<E: Engine>(spec: &Path, events: &mut EventLog) -> u8 {
    // Engines panic on input that they never expected, a tensor that is missing for one. The
    // protocol wants an event for that too.
    let outcome = catch_unwind(AssertUnwindSafe(|| launch::<E>(spec, events)))
        .unwrap_or_else(|payload| Err(Failure::internal(panic_message(payload.as_ref()))));
    let Err(failure) = outcome else {
        return 0;
    };
    tell(&failure.message);
    let message = if failure.message.is_empty() {
        "no message"
    } else {
        &failure.message
    };
    let kind = failure.kind;
    if let Err(second) = events.write(&Event::Error { kind, message }) {
        tell(&second.message);
    }
    kind.exit_status()
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    format!("the engine panicked: {}", text.unwrap_or("no message"))
}

/// hello, load, rounds or levels, done.
fn launch<E: Engine>(spec: &Path, events: &mut EventLog) -> Result<(), Failure> {
    let asked = spec::read(spec);
    let description = E::describe();
    events.write(&Event::Hello {
        engine: description.engine,
        version: &description.version,
        protocol: asked.as_ref().map_or(PROTOCOL, |spec| spec.protocol),
        build: &description.build,
        capabilities: &description.capabilities,
    })?;
    let spec = asked?;
    refusals::check(&spec, &description)?;
    E::check(&spec)?;

    let longest = spec.cases.iter().map(|case| case.max_new_tokens).max();
    let mut timings = Timings::new(longest.unwrap_or(0), refusals::wants_margins(&spec)?);
    let logits = spec
        .logits_path
        .as_deref()
        .map(LogitsFile::open)
        .transpose()?;
    if logits.is_some() {
        timings = timings.with_logits();
    }
    events.write(&Event::LoadStart { time_ns: now_ns() })?;
    let (mut engine, loaded) = E::load(&spec)?;
    events.write(&Event::LoadEnd {
        time_ns: now_ns(),
        loaded: &loaded,
        batching: engine
            .batch()
            .filter(|_| !spec.stages.is_empty())
            .map(|batch| {
                if batch.is_static() {
                    "static"
                } else {
                    "continuous"
                }
            }),
    })?;

    for &number in &spec.stages {
        engine.reset()?;
        let batch = engine
            .batch()
            .ok_or_else(|| Failure::internal("no batches"))?;
        stage::run(batch, &Monotonic, number, &spec.cases[number], events)?;
    }
    let mut rounds = Rounds {
        engine,
        timings,
        logits,
        events,
    };
    rounds.all(&spec, true, spec.warmup_iterations)?;
    rounds.all(&spec, false, spec.iterations)?;
    rounds.events.write(&Event::Done)
}

/// A loaded engine and where its iterations go.
struct Rounds<'a, E> {
    engine: E,
    timings: Timings,
    logits: Option<LogitsFile>,
    events: &'a mut EventLog,
}

impl<E: Engine> Rounds<'_, E> {
    /// Run `count` rounds over all cases.
    fn all(&mut self, spec: &Spec, warmup: bool, count: u64) -> Result<(), Failure> {
        for index in 0..count {
            for (number, case) in spec.cases.iter().enumerate() {
                self.iteration(case, number, index, warmup)?;
            }
        }
        Ok(())
    }

    /// Run one request and write its event. The timed region lies between the two calls of the
    /// clock; nothing but the engine runs in it.
    fn iteration(
        &mut self,
        case: &Case,
        number: usize,
        index: u64,
        warmup: bool,
    ) -> Result<(), Failure> {
        let seed = case.sampling.seed.wrapping_add(index);
        self.engine.reset()?;
        self.timings.clear();
        let start_ns = now_ns();
        self.engine.generate(case, seed, &mut self.timings)?;
        let end_ns = now_ns();
        let finish = finish(case, self.timings.token_ids())?;
        if let (Some(file), Some(logits)) = (&mut self.logits, self.timings.logits()) {
            file.append(logits)?;
        }
        self.events.write(&Event::Iteration {
            index,
            warmup,
            case: number,
            start_ns,
            token_ids: self.timings.token_ids(),
            token_ns: self.timings.token_ns(),
            end_ns,
            finish,
            margins: self.timings.margins(),
        })
    }
}

/// Why the sequence ended; an engine that stops early or late has failed.
fn finish(case: &Case, token_ids: &[u32]) -> Result<Finish, Failure> {
    let ended = token_ids.iter().position(|&id| case.ends_with(id));
    if ended.is_some_and(|place| place + 1 == token_ids.len())
        && token_ids.len() <= case.max_new_tokens
    {
        return Ok(Finish::Eos);
    }
    if ended.is_none() && token_ids.len() == case.max_new_tokens {
        return Ok(Finish::Length);
    }
    Err(Failure::internal(format!(
        "the engine gave {} of {} tokens",
        token_ids.len(),
        case.max_new_tokens
    )))
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;

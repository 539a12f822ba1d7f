//! One level of load on an engine that decodes several sequences in one step (protocol 2).
//!
//! Requests come by a closed or an open loop and wait for a place. Those that begin together are read
//! together, between two steps of the others, whose tokens wait meanwhile: what users of such an
//! engine see. Nothing is formatted or written before the level has ended.

use std::collections::VecDeque;

use crate::batch::Batch;
use crate::clock::Clock;
use crate::events::{Event, EventLog, Finish};
use crate::failure::Failure;
use crate::load::{CaseLoad, Mode};
use crate::request::{Request, Status};
use crate::sampler::Sampler;
use crate::schedule::{Phase, Schedule, nanoseconds};
use crate::spec::Case;
use crate::turns::{Freed, Turns};

/// One level, from its first request to the last.
struct Stage<'a, C> {
    engine: &'a mut dyn Batch,
    clock: &'a C,
    case: &'a Case,
    load: &'a CaseLoad,
    sampler: Sampler,
    start_ns: u64,
    /// Of an open loop.
    schedule: Option<Schedule>,
    /// Of a closed loop: its free places, in the order in which their next requests are due.
    freed: VecDeque<Freed>,
    turns: Turns,
    requests: Vec<Request>,
    /// Numbers of those that have no place yet.
    waiting: VecDeque<usize>,
    /// Numbers and places of those that are decoded.
    active: Vec<(usize, usize)>,
    free: Vec<usize>,
    /// Most that were in flight.
    most: usize,
    /// Phase of the request that was due when no prompt was left for it.
    lacking: Option<Phase>,
}

/// Places of an open loop whose spec sets none: nothing bounds its requests in flight.
const OPEN_PLACES: usize = 16;

/// Places for sequences that a level needs.
pub fn places(load: &CaseLoad) -> usize {
    let places = load.concurrency.or(load.slots);
    places.unwrap_or(OPEN_PLACES)
}

/// Run one level and write its requests and then its stage.
///
/// # Errors
/// Those of the engine, and [`Failure::internal`] where nothing was measured.
pub fn run(
    engine: &mut dyn Batch,
    clock: &impl Clock,
    number: usize,
    case: &Case,
    events: &mut EventLog,
) -> Result<(), Failure> {
    let Some(load) = &case.load else {
        return Err(Failure::internal(format!("cases[{number}] has no load")));
    };
    let mut stage = Stage::new(engine, clock, case, load);
    stage.serve()?;
    stage.write(number, events)
}

impl<'a, C: Clock> Stage<'a, C> {
    fn new(engine: &'a mut dyn Batch, clock: &'a C, case: &'a Case, load: &'a CaseLoad) -> Self {
        let start_ns = clock.now_ns();
        let first = Freed {
            at_ns: start_ns,
            behind: None,
        };
        Self {
            engine,
            clock,
            case,
            load,
            freed: vec![first; places(load)].into(),
            turns: Turns::of(load, places(load)),
            sampler: Sampler::default(),
            schedule: (load.mode == Mode::Open).then(|| Schedule::of(load, case.prompts.len())),
            requests: Vec::with_capacity(case.prompts.len()),
            waiting: VecDeque::new(),
            active: Vec::new(),
            free: (0..places(load)).rev().collect(),
            most: 0,
            lacking: None,
            start_ns,
        }
    }

    /// Until all that is measured has ended; what keeps the load up is cancelled then.
    fn serve(&mut self) -> Result<(), Failure> {
        // After prompts were read, the others have their step before more are.
        let mut has_read = false;
        while !self.is_over() {
            self.arrive();
            let next = self.admissible();
            if !next.is_empty() && (!has_read || self.active.is_empty()) {
                self.admit(&next)?;
                has_read = true;
            } else if self.active.is_empty() {
                self.wait();
            } else {
                self.step()?;
                has_read = false;
            }
        }
        let now_ns = self.clock.now_ns();
        for number in self.waiting.drain(..) {
            self.requests[number].end_ns = now_ns;
        }
        for (number, place) in self.active.drain(..) {
            self.requests[number].end_ns = now_ns;
            self.engine.release(place);
        }
        Ok(())
    }

    /// Numbers of the requests in flight.
    fn in_flight(&self) -> impl Iterator<Item = usize> {
        let active = self.active.iter().map(|&(number, _)| number);
        active.chain(self.waiting.iter().copied())
    }

    /// Phase of the next request of a closed loop.
    fn phase(&self, at_ns: u64) -> Phase {
        let warmup = self.load.warmup_requests;
        let Some(sent) = self.requests.len().checked_sub(warmup) else {
            return Phase::Warmup;
        };
        let is_measured = match (self.load.duration_seconds, self.requests.get(warmup)) {
            (Some(seconds), Some(first)) => at_ns < first.scheduled_ns + nanoseconds(seconds),
            (Some(_), None) => true,
            (None, _) => self.load.requests.is_some_and(|asked| sent < asked),
        };
        if is_measured {
            Phase::Measured
        } else {
            Phase::Filler
        }
    }

    /// When the next request is due, and its phase; none where none comes any more, or no place of a
    /// closed loop is free.
    fn next(&self) -> Option<(u64, Phase)> {
        if let Some(schedule) = &self.schedule {
            let due = schedule.due.get(self.requests.len());
            return due.map(|&(offset_ns, phase)| (self.start_ns + offset_ns, phase));
        }
        let freed = self.freed.front();
        freed.map(|freed| (freed.at_ns, self.phase(freed.at_ns)))
    }

    /// When the window of an open loop ends, which waits for nothing; 0 for a closed one.
    fn window_end_ns(&self) -> u64 {
        let schedule = self.schedule.as_ref();
        schedule.map_or(0, |schedule| self.start_ns + schedule.window_end_ns)
    }

    /// Whether all that is measured has come and ended, or nothing can come any more.
    fn is_over(&self) -> bool {
        let now_ns = self.clock.now_ns();
        let is_measured = |number: usize| self.requests[number].phase == Phase::Measured;
        if now_ns < self.window_end_ns() || self.in_flight().any(is_measured) {
            return false;
        }
        let is_filler = match (self.next(), &self.schedule) {
            (Some((_, phase)), _) => phase == Phase::Filler,
            (None, Some(_)) => true,
            (None, None) => self.phase(now_ns) == Phase::Filler,
        };
        is_filler || (self.lacking.is_some() && self.in_flight().next().is_none())
    }

    /// Take in the requests that are due.
    fn arrive(&mut self) {
        let now_ns = self.clock.now_ns();
        while let Some((due_ns, phase)) = self.next().filter(|&(due_ns, _)| due_ns <= now_ns) {
            let number = self.requests.len();
            let behind = self.freed.front().and_then(|freed| freed.behind);
            let Some(prompt) = self.turns.next(number, behind, self.case.prompts.len()) else {
                self.lacking = Some(phase);
                return;
            };
            self.freed.pop_front();
            let limit = self.case.limit(prompt);
            self.requests.push(Request {
                prompt,
                phase,
                scheduled_ns: due_ns,
                written_ns: None,
                end_ns: now_ns,
                token_ids: Vec::with_capacity(limit),
                token_ns: Vec::with_capacity(limit),
                limit,
                stream: self.case.sampling.seed.wrapping_add(number as u64),
                finish: None,
                status: Status::Cancelled,
            });
            self.waiting.push_back(number);
            self.most = self.most.max(self.in_flight().count());
        }
    }

    /// Sleep until the next request is due or the window ends, where nothing is in flight.
    fn wait(&self) {
        let now_ns = self.clock.now_ns();
        let due_ns = self.next().map(|(due_ns, _)| due_ns);
        let window_end_ns = Some(self.window_end_ns()).filter(|&end_ns| end_ns > now_ns);
        let moments = due_ns.filter(|_| self.lacking.is_none()).into_iter();
        if let Some(moment_ns) = moments.chain(window_end_ns).min() {
            self.clock.wait_until(moment_ns);
        }
    }

    fn prompt(&self, number: usize) -> &[u32] {
        &self.case.prompts[self.requests[number].prompt]
    }

    /// Numbers of those that wait and can begin now. A static batch takes the first and whoever waits
    /// with a prompt as long.
    fn admissible(&self) -> Vec<usize> {
        let places = self.free.len();
        if !self.engine.is_static() {
            return self.waiting.iter().copied().take(places).collect();
        }
        let length = |number: usize| self.prompt(number).len();
        let first = self.waiting.front().filter(|_| self.active.is_empty());
        let wanted = first.map(|&number| length(number));
        let alike = |number: &usize| Some(length(*number)) == wanted;
        self.waiting
            .iter()
            .copied()
            .filter(alike)
            .take(places)
            .collect()
    }

    /// Read the prompts of these, which wait no more.
    fn admit(&mut self, numbers: &[usize]) -> Result<(), Failure> {
        let mut places = self.free.split_off(self.free.len() - numbers.len());
        places.sort_unstable();
        self.waiting.retain(|number| !numbers.contains(number));
        let begun: Vec<_> = numbers
            .iter()
            .copied()
            .zip(places.iter().copied())
            .collect();
        let now_ns = self.clock.now_ns();
        for &(number, _) in &begun {
            self.requests[number].written_ns = Some(now_ns);
        }
        let (case, requests) = (self.case, &self.requests);
        let prompt =
            |&(number, _): &(usize, usize)| case.prompts[requests[number].prompt].as_slice();
        let prompts: Vec<&[u32]> = begun.iter().map(prompt).collect();
        let logits = self.engine.prefill(&places, &prompts)?;
        self.active.extend_from_slice(&begun);
        self.take(&begun, &logits)
    }

    /// One token of each sequence.
    fn step(&mut self) -> Result<(), Failure> {
        let going = self.active.clone();
        let (numbers, places): (Vec<usize>, Vec<usize>) = going.iter().copied().unzip();
        let last = |number: usize| {
            self.requests[number]
                .token_ids
                .last()
                .copied()
                .unwrap_or_default()
        };
        let ids: Vec<u32> = numbers.into_iter().map(last).collect();
        let logits = self.engine.step(&places, &ids)?;
        self.take(&going, &logits)
    }

    /// Choose the next token of each of these, and let go those that have ended.
    fn take(&mut self, of: &[(usize, usize)], logits: &[f32]) -> Result<(), Failure> {
        let width = logits.len() / of.len();
        if width == 0 || width * of.len() != logits.len() {
            let (given, rows) = (logits.len(), of.len());
            return Err(Failure::internal(format!(
                "the engine gave {given} logits for {rows} sequences"
            )));
        }
        for (&(number, _), row) in of.iter().zip(logits.chunks_exact(width)) {
            let request = &mut self.requests[number];
            self.sampler.restart(request.stream);
            let id = self.sampler.choose(row, &self.case.sampling)?;
            request.stream = self.sampler.stream();
            request.end_ns = self.clock.now_ns();
            request.token_ids.push(id);
            request.token_ns.push(request.end_ns);
            if self.case.ends_with(id) {
                request.finish = Some(Finish::Eos);
            } else if request.token_ids.len() == request.limit {
                request.finish = Some(Finish::Length);
            }
            if request.finish.is_some() {
                request.status = Status::Ok;
            }
        }
        self.leave();
        Ok(())
    }

    /// Empty the places of those that have ended or are given up.
    fn leave(&mut self) {
        let now_ns = self.clock.now_ns();
        let timeout_ns = nanoseconds(self.load.timeout_seconds);
        let pause_ns = nanoseconds(self.load.think_seconds.unwrap_or(0.0));
        let requests = &mut self.requests;
        let mut stays = |number: usize| {
            let request = &mut requests[number];
            if request.finish.is_none() && request.scheduled_ns + timeout_ns < now_ns {
                (request.status, request.end_ns) = (Status::Timeout, now_ns);
            }
            let is_kept = request.status == Status::Cancelled;
            if !is_kept {
                self.freed.push_back(Freed {
                    at_ns: request.end_ns + pause_ns,
                    behind: Some(request.prompt),
                });
            }
            is_kept
        };
        self.active.retain(|&(number, place)| {
            let is_kept = stays(number);
            if !is_kept {
                self.engine.release(place);
                self.free.push(place);
            }
            is_kept
        });
        self.waiting.retain(|&number| stays(number));
        self.freed.make_contiguous().sort_unstable();
    }

    /// Write the requests and the end of the level.
    fn write(&self, case: usize, events: &mut EventLog) -> Result<(), Failure> {
        let end_ns = self.clock.now_ns();
        let measured = || {
            self.requests
                .iter()
                .filter(|one| one.phase == Phase::Measured)
        };
        let Some(first) = measured().next() else {
            return Err(Failure::internal(format!(
                "cases[{case}]: the prompts ran out before a request was measured"
            )));
        };
        let last_ns = measured().map(|one| one.end_ns).max().unwrap_or(end_ns);
        let longest = self.requests.iter().map(|one| one.token_ids.len()).max();
        let ones = vec![1; longest.unwrap_or(0)];
        for (number, request) in self.requests.iter().enumerate() {
            let turn = self.load.turns.map(|_| request.prompt);
            let prompt_tokens = self.prompt(number).len();
            events.write(&request.event(case, number, turn, prompt_tokens, &ones))?;
        }
        events.write(&Event::Stage {
            case,
            start_ns: self.start_ns,
            end_ns,
            window_start_ns: first.scheduled_ns,
            window_end_ns: if self.schedule.is_some() {
                self.window_end_ns()
            } else {
                last_ns
            },
            ended: match (self.lacking, self.load.requests) {
                (Some(Phase::Filler), _) => "fillers",
                (Some(_), _) => "prompts",
                (None, Some(_)) => "requests",
                (None, None) => "duration",
            },
            // No client takes part, and nothing is sent.
            client_cpu_seconds: 0.0,
            send_lag_p50_ns: 0,
            send_lag_p99_ns: 0,
            sockets_max: self.most,
        })
    }
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "turns_tests.rs"]
mod turns_tests;

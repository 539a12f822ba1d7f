//! Levels on an engine and a clock whose times are known.

use std::cell::{Cell, RefCell};

use serde_json::{Value, json};

use super::*;
use crate::schedule::Schedule;
use crate::testing::Folder;

const VOCABULARY: usize = 50;
/// What a call of the engine takes: so much, and more for each prompt token or sequence.
const CALL_NS: u64 = 100;
const PROMPT_TOKEN_NS: u64 = 10;
const SEQUENCE_NS: u64 = 1;

/// A clock that only the engine and waiting move.
#[derive(Default)]
struct Scripted(Cell<u64>);

impl Clock for Scripted {
    fn now_ns(&self) -> u64 {
        self.0.get()
    }

    fn wait_until(&self, time_ns: u64) {
        self.0.set(self.0.get().max(time_ns));
    }
}

/// Its next id is the one before it plus 1; it notes its calls.
struct Counter<'a> {
    clock: &'a Scripted,
    is_static: bool,
    calls: RefCell<Vec<String>>,
}

impl Counter<'_> {
    fn answer(&self, call: &str, places: &[usize], last: &[u32], tokens: usize) -> Vec<f32> {
        self.calls.borrow_mut().push(format!("{call} {places:?}"));
        let took_ns = CALL_NS + PROMPT_TOKEN_NS * tokens as u64 + SEQUENCE_NS * places.len() as u64;
        self.clock.0.set(self.clock.0.get() + took_ns);
        let mut logits = vec![0.0; VOCABULARY * places.len()];
        for (row, &id) in last.iter().enumerate() {
            logits[row * VOCABULARY + (id as usize + 1) % VOCABULARY] = 1.0;
        }
        logits
    }
}

impl Batch for Counter<'_> {
    fn is_static(&self) -> bool {
        self.is_static
    }

    fn prefill(&mut self, places: &[usize], prompts: &[&[u32]]) -> Result<Vec<f32>, Failure> {
        let last: Vec<u32> = prompts.iter().map(|ids| ids[ids.len() - 1]).collect();
        let tokens = prompts.iter().map(|ids| ids.len()).sum();
        Ok(self.answer("prefill", places, &last, tokens))
    }

    fn step(&mut self, places: &[usize], ids: &[u32]) -> Result<Vec<f32>, Failure> {
        Ok(self.answer("step", places, ids, 0))
    }

    fn release(&mut self, place: usize) {
        self.calls.borrow_mut().push(format!("release {place}"));
    }
}

pub(super) fn level(load: &Value) -> Case {
    let mut case = json!({
        "prompt_ids": [1, 2], "max_new_tokens": 3, "ignore_eos": true, "eos_ids": [],
        "sampling": {"temperature": 0, "top_p": 1, "seed": 0},
        "load": {"warmup_requests": 2, "timeout_seconds": 60},
        "prompts": (0..20).map(|number| [1, 10 + number]).collect::<Vec<_>>()
    });
    for (key, value) in load.as_object().unwrap() {
        case["load"][key] = value.clone();
    }
    serde_json::from_value(case).unwrap()
}

pub(super) fn closed(change: fn(&mut Case)) -> Case {
    let mut case = level(&json!({"mode": "closed", "concurrency": 2, "requests": 4}));
    change(&mut case);
    case
}

/// Constant arrivals of a rate a second that the clock's nanoseconds make look fast.
fn open(arrivals_ns: &[u64], requests: usize) -> Case {
    level(&json!({
        "mode": "open", "requests": requests, "warmup_requests": 1, "arrivals_ns": arrivals_ns,
        "arrivals": "constant", "requests_per_second": 1e6, "burstiness": 1.0, "seed": 0
    }))
}

/// Requests and stage of a level, and the engine's calls.
pub(super) fn ran(case: &Case, is_static: bool) -> (Vec<Value>, Value, Vec<String>) {
    thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });
    COUNT.set(COUNT.get() + 1);
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("main").replace(':', "-");
    let folder = Folder::new(&format!("{test}-{}", COUNT.get()));
    let path = folder.path().join("events.jsonl");
    let clock = Scripted::default();
    let calls = RefCell::default();
    let mut engine = Counter {
        clock: &clock,
        is_static,
        calls,
    };
    run(
        &mut engine,
        &clock,
        0,
        case,
        &mut EventLog::open(&path).unwrap(),
    )
    .unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let stage = events.pop().unwrap();
    assert_eq!(stage["event"], "stage");
    (events, stage, engine.calls.into_inner())
}

pub(super) fn times(request: &Value) -> (u64, u64, Vec<u64>) {
    let number = |key: &str| request[key].as_u64().unwrap();
    let chunks = request["chunk_ns"].as_array().unwrap();
    let chunks = chunks.iter().map(|time| time.as_u64().unwrap());
    (number("scheduled_ns"), number("end_ns"), chunks.collect())
}

fn column<'a>(requests: &'a [Value], key: &str) -> Vec<&'a str> {
    requests
        .iter()
        .map(|one| one[key].as_str().unwrap())
        .collect()
}

#[test]
fn requests_that_begin_together_are_read_and_decoded_together() {
    let (requests, stage, calls) = ran(&closed(|_| {}), false);
    // Two prompts of two tokens, then a step each: 100 + 40 + 2, then 100 + 2.
    assert_eq!(times(&requests[0]), (0, 346, vec![142, 244, 346]));
    assert_eq!(times(&requests[1]), times(&requests[0]));
    assert_eq!(times(&requests[2]), (346, 692, vec![488, 590, 692]));
    assert_eq!(requests[2]["token_ids"], json!([13, 14, 15]));
    assert_eq!(
        calls[..5],
        [
            "prefill [0, 1]",
            "step [0, 1]",
            "step [0, 1]",
            "release 0",
            "release 1"
        ]
    );
    assert_eq!(
        (&stage["window_start_ns"], &stage["window_end_ns"]),
        (&json!(346), &json!(1038))
    );
    assert_eq!(
        column(&requests, "phase"),
        [
            "warmup", "warmup", "measured", "measured", "measured", "measured"
        ]
    );
}

#[test]
fn a_place_goes_on_with_the_next_request_while_the_other_decodes() {
    let case = closed(|case| case.max_new_tokens_each = [1, 3].repeat(10));
    let (requests, stage, calls) = ran(&case, false);
    // The first ends at its prompt; the second takes a step alone, then the third is read.
    assert_eq!(
        calls[..4],
        ["prefill [0, 1]", "release 0", "step [1]", "prefill [0]"]
    );
    assert_eq!(times(&requests[0]), (0, 142, vec![142]));
    assert_eq!(times(&requests[2]).0, 142);
    assert_eq!(stage["ended"], "requests");
    let most = requests.iter().map(|one| times(one).0).map(|at_ns| {
        let is_under_way = |one: &&Value| times(one).0 <= at_ns && at_ns < times(one).1;
        requests.iter().filter(is_under_way).count()
    });
    assert!(most.max().unwrap() <= 2);
}

#[test]
fn what_keeps_the_load_up_is_cancelled_when_all_that_counts_has_ended() {
    let case = closed(|case| case.max_new_tokens_each = [3, 2].repeat(10));
    let (requests, stage, calls) = ran(&case, false);
    let fillers: Vec<&Value> = requests
        .iter()
        .filter(|one| one["phase"] == "filler")
        .collect();
    assert!(!fillers.is_empty());
    for filler in fillers.iter().filter(|one| one["finish"].is_null()) {
        assert_eq!(filler["status"], "cancelled");
        assert_eq!(filler["end_ns"], stage["end_ns"]);
    }
    let counted = |word: &str| calls.iter().filter(|call| call.starts_with(word)).count();
    assert_eq!(counted("release"), requests.len());
}

#[test]
fn a_level_waits_for_no_request_that_is_not_measured() {
    let case = closed(|case| {
        case.max_new_tokens = 30;
        case.load.as_mut().unwrap().warmup_requests = 1;
        case.load.as_mut().unwrap().requests = Some(1);
        case.max_new_tokens_each = [vec![30], vec![2; 19]].concat();
    });
    let (requests, stage, _) = ran(&case, false);
    assert_eq!(
        column(&requests, "status")[..2],
        ["cancelled", "ok"],
        "the warm-up and the measured one"
    );
    assert_eq!(stage["end_ns"], requests[1]["end_ns"]);
}

#[test]
fn a_duration_measures_what_begins_within_it() {
    let case = level(
        &json!({"mode": "closed", "concurrency": 1, "duration_seconds": 5e-7, "warmup_requests": 1}),
    );
    let (requests, stage, _) = ran(&case, false);
    // A request takes 121 + 101 + 101; the window begins at 323 and takes in those at 323 and 646.
    assert_eq!(
        column(&requests, "phase"),
        ["warmup", "measured", "measured"]
    );
    assert_eq!(
        (&stage["window_end_ns"], &stage["ended"]),
        (&json!(969), &json!("duration"))
    );
}

#[test]
fn without_a_prompt_left_the_level_drains_and_says_so() {
    let (requests, stage, _) = ran(&closed(|case| case.prompts.truncate(3)), false);
    assert_eq!(stage["ended"], "prompts");
    assert_eq!(column(&requests, "status"), ["ok"; 3]);
    let case = closed(|case| {
        case.prompts.truncate(6);
        case.max_new_tokens_each = vec![3, 3, 3, 3, 1, 3];
    });
    let (requests, stage, _) = ran(&case, false);
    assert_eq!(stage["ended"], "fillers", "all that is measured was sent");
    assert_eq!(column(&requests, "status"), ["ok"; 6]);
    let mut case = closed(|case| case.prompts.truncate(2));
    case.max_new_tokens = 1;
    let folder = Folder::new("nothing-measured");
    let mut events = EventLog::open(&folder.path().join("events")).unwrap();
    let clock = Scripted::default();
    let mut engine = Counter {
        clock: &clock,
        is_static: false,
        calls: RefCell::default(),
    };
    let failed = run(&mut engine, &clock, 4, &case, &mut events).unwrap_err();
    assert_eq!(
        failed.message,
        "cases[4]: the prompts ran out before a request was measured"
    );
}

#[test]
fn an_end_of_sequence_ends_a_request_and_frees_its_place() {
    let case = closed(|case| {
        case.ignore_eos = false;
        case.eos_ids = vec![12];
    });
    let (requests, _, _) = ran(&case, false);
    assert_eq!(
        (&requests[0]["token_ids"], &requests[0]["finish"]),
        (&json!([11, 12]), &json!("eos"))
    );
    assert_eq!(
        (&requests[1]["token_ids"], &requests[1]["finish"]),
        (&json!([12]), &json!("eos"))
    );
    assert_eq!(requests[2]["finish"], "length");
}

#[test]
fn a_request_is_given_up_after_its_time() {
    let case = closed(|case| case.load.as_mut().unwrap().timeout_seconds = 2e-7);
    let (requests, stage, _) = ran(&case, false);
    assert_eq!(column(&requests, "status")[..6], ["timeout"; 6]);
    assert_eq!(times(&requests[0]), (0, 244, vec![142, 244]));
    assert_eq!(stage["ended"], "requests");
}

#[test]
fn an_open_loop_counts_from_when_a_request_was_due() {
    // Every 1,000 ns; the mean gap of a million a second is 1,000 ns too.
    let arrivals: Vec<u64> = (1..=8).map(|number| 1000 * number).collect();
    let (requests, stage, calls) = ran(&open(&arrivals, 3), false);
    assert_eq!(
        column(&requests, "phase"),
        ["warmup", "measured", "measured", "measured"]
    );
    for (number, request) in requests.iter().enumerate() {
        let due_ns = 1000 * (number as u64 + 1);
        assert_eq!(
            times(request),
            (
                due_ns,
                due_ns + 323,
                vec![due_ns + 121, due_ns + 222, due_ns + 323]
            )
        );
    }
    assert_eq!(
        (&stage["window_start_ns"], &stage["window_end_ns"]),
        (&json!(2000), &json!(5000))
    );
    assert_eq!(stage["end_ns"], 5000);
    assert!(calls.iter().all(|call| !call.contains(',')));
}

#[test]
fn what_comes_while_a_step_runs_waits_for_its_end() {
    let (requests, _, _) = ran(&open(&[0, 150, 160, 170, 400, 800], 3), false);
    assert_eq!(times(&requests[0]), (0, 489, vec![121, 222, 489]));
    // Those due at 150, 160 and 170 are seen at 222: 100 + 60 + 3 later they have their first tokens.
    for (number, due_ns) in [(1, 150), (2, 160), (3, 170)] {
        let (scheduled_ns, _, chunks) = times(&requests[number]);
        assert_eq!((scheduled_ns, chunks[0]), (due_ns, 385));
        assert_eq!(requests[number]["written_ns"], 222);
    }
}

#[test]
fn a_static_batch_ends_before_the_next_begins_with_equally_long_prompts() {
    let case = closed(|case| {
        case.load.as_mut().unwrap().concurrency = Some(3);
        case.max_new_tokens_each = [1, 3].repeat(10);
        case.prompts[1] = vec![1, 2, 3];
        case.max_new_tokens_each[2] = 3;
    });
    let (requests, _, calls) = ran(&case, true);
    let expected = [
        "prefill [0, 1]",
        "release 0",
        "step [1]",
        "step [1]",
        "release 1",
        "prefill [1]",
    ];
    assert_eq!(calls[..6], expected);
    // The first and the third began; the second is longer and has waited from the start.
    assert_eq!(times(&requests[2]), (0, 344, vec![142, 243, 344]));
    let (scheduled_ns, end_ns, chunks) = times(&requests[1]);
    assert_eq!((scheduled_ns, chunks[0]), (0, 344 + 100 + 30 + 1));
    // The fourth took the first's place in the loop, and its wait for the batch counts.
    assert_eq!(requests[3]["scheduled_ns"], 142);
    assert_eq!(requests[3]["written_ns"], end_ns);
}

#[test]
fn the_measured_part_of_a_schedule_ends_by_number_or_by_time() {
    let due = |load: Value, prompts: usize| {
        let schedule = Schedule::of(level(&load).load.as_ref().unwrap(), prompts);
        let words = schedule
            .due
            .iter()
            .map(|(_, phase)| format!("{phase:?}")[..1].to_owned());
        (words.collect::<String>(), schedule.window_end_ns)
    };
    let arrivals: Vec<u64> = vec![5, 10, 30, 40, 50, 75, 90];
    let common = json!({"mode": "open", "warmup_requests": 1, "arrivals_ns": arrivals, "arrivals": "poisson",
                        "requests_per_second": 1e8});
    let with = |key: &str, value: Value| {
        let mut load = common.clone();
        load[key] = value;
        load
    };
    // Fillers come as long again as the measured ones: from 40 to 70.
    assert_eq!(
        due(with("requests", json!(3)), 20),
        ("WMMMF".to_owned(), 50)
    );
    assert_eq!(
        due(with("duration_seconds", json!(35e-9)), 20),
        ("WMMMFF".to_owned(), 50)
    );
    // The third measured request has no prompt.
    assert_eq!(due(with("requests", json!(3)), 3), ("WMMM".to_owned(), 40));
    let mut trace = with("requests", json!(9));
    trace["arrivals"] = json!("trace");
    assert_eq!(due(trace, 20), ("WMMMMMM".to_owned(), 106));
}

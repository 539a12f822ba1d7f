//! Whole launches with an engine that counts.

use std::cell::RefCell;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::*;
use crate::engine::{Capabilities, Description, Loaded};
use crate::sampler::Sampler;
use crate::spec::Dtype;

thread_local! {
    /// What the engine was asked to do, in order; each test has a thread of its own.
    static CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(call: impl Into<String>) {
    CALLS.with_borrow_mut(|calls| calls.push(call.into()));
}

/// Its next id is the one before it plus 1, modulo 10. `options.fault` names a failure.
struct Counter {
    sampler: Sampler,
    fault: String,
}

impl Engine for Counter {
    fn describe() -> Description {
        Description {
            engine: "counter",
            version: "1.0".to_owned(),
            build: crate::engine::build_facts(),
            capabilities: Capabilities::of_logits(vec!["cpu"], vec![Dtype::F32]),
            options: &["fault", "margins"],
        }
    }

    fn check(spec: &Spec) -> Result<(), Failure> {
        note("check");
        if spec.options.get("fault") == Some(&json!("unknown")) {
            return Err(Failure::unsupported("options.fault"));
        }
        Ok(())
    }

    fn load(spec: &Spec) -> Result<(Self, Loaded), Failure> {
        note("load");
        let fault = spec
            .options
            .get("fault")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if fault == "memory" {
            return Err(Failure::out_of_memory("1 GB is too much"));
        }
        let loaded = Loaded {
            weights_dtype: "f32".to_owned(),
            compute_dtype: "f32".to_owned(),
            kv_cache_dtype: "f32".to_owned(),
            device: spec.device.to_string(),
            threads: spec.threads,
            batch_size: 1,
            simd: Some("avx2").filter(|_| fault != "no_simd"),
            compiled_graph: false,
        };
        let engine = Self {
            sampler: Sampler::default(),
            fault: fault.to_owned(),
        };
        Ok((engine, loaded))
    }

    fn reset(&mut self) -> Result<(), Failure> {
        note("reset");
        Ok(())
    }

    fn generate(&mut self, case: &Case, seed: u64, timings: &mut Timings) -> Result<(), Failure> {
        note(format!("generate {} seed {seed}", case.prompt_ids[0]));
        match self.fault.as_str() {
            "panic" => panic!("tensor {} is missing", case.prompt_ids[0]),
            "short" => return Ok(()),
            _ => {}
        }
        crate::decode(case, seed, &mut self.sampler, timings, |ids, _| {
            let mut logits = vec![0.0; 10];
            logits[(ids[ids.len() - 1] as usize + 1) % 10] = 1.0;
            Ok(logits)
        })
    }
}

fn spec() -> Value {
    let case = |first: u32, ignore_eos: bool| {
        json!({"prompt_ids": [first], "max_new_tokens": 3, "ignore_eos": ignore_eos, "eos_ids": [6],
               "sampling": {"temperature": 0, "top_p": 1, "seed": 40}})
    };
    json!({"protocol": 1, "model_dir": "/m", "weights": "w", "dtype": "f32", "device": "cpu", "threads": 2,
           "max_seq_len": 8, "cases": [case(1, true), case(4, false)], "warmup_iterations": 1,
           "iterations": 2, "load": {"mode": "closed", "concurrency": 1}, "options": {}})
}

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("bench-protocol-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Exit status and events of a launch with this spec.
fn launched(test: &str, spec: &str) -> (u8, Vec<Value>) {
    let folder = Folder::new(test);
    let (spec_path, events_path) = (folder.0.join("spec.json"), folder.0.join("events.jsonl"));
    std::fs::write(&spec_path, spec).unwrap();
    let status = serve::<Counter>(&spec_path, &mut EventLog::open(&events_path).unwrap());
    let text = std::fs::read_to_string(&events_path).unwrap();
    assert!(text.ends_with('\n'));
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (status, events.collect())
}

fn with_option(name: &str, value: Value) -> String {
    let mut spec = spec();
    spec["options"] = Value::Object(Map::from_iter([(name.to_owned(), value)]));
    spec.to_string()
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

#[test]
fn a_launch_is_hello_load_rounds_done() {
    let (status, events) = launched("order", &spec().to_string());
    assert_eq!(status, 0);
    let mut wanted = vec!["hello", "load_start", "load_end"];
    wanted.extend(["iteration"; 6]);
    wanted.push("done");
    assert_eq!(names(&events), wanted);
    assert_eq!(events[0]["capabilities"]["load_modes"], json!(["closed"]));
    assert!(
        events[0]["build"]["compiler"]
            .as_str()
            .unwrap()
            .starts_with("rustc ")
    );
    assert_eq!(events[2]["threads"], 2);
    assert_eq!(events[2]["batch_size"], 1);
    assert_eq!(events[2]["simd"], "avx2");
    assert_eq!(events[2]["compiled_graph"], false);
}

#[test]
fn an_instruction_set_that_the_engine_does_not_name_is_left_out() {
    let (status, events) = launched("no-simd", &with_option("fault", json!("no_simd")));
    assert_eq!(status, 0);
    assert!(events[2].get("simd").is_none());
}

#[test]
fn warm_ups_come_first_and_every_round_goes_through_all_cases() {
    let (_, events) = launched("rounds", &spec().to_string());
    let seen: Vec<(bool, u64, u64)> = events[3..9]
        .iter()
        .map(|event| {
            let number = |key: &str| event[key].as_u64().unwrap();
            (
                event["warmup"].as_bool().unwrap(),
                number("index"),
                number("case"),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (true, 0, 0),
            (true, 0, 1),
            (false, 0, 0),
            (false, 0, 1),
            (false, 1, 0),
            (false, 1, 1)
        ]
    );
}

#[test]
fn ids_and_finish_are_those_of_the_case() {
    let (_, events) = launched("ids", &spec().to_string());
    assert_eq!(events[3]["token_ids"], json!([2, 3, 4]));
    assert_eq!(events[3]["finish"], "length");
    assert_eq!(events[4]["token_ids"], json!([5, 6]));
    assert_eq!(events[4]["finish"], "eos");
    assert!(events[3].get("margins").is_none());
}

#[test]
fn times_lie_in_order_within_an_iteration_and_between() {
    let (_, events) = launched("times", &spec().to_string());
    let mut times = vec![
        events[1]["time_ns"].as_u64().unwrap(),
        events[2]["time_ns"].as_u64().unwrap(),
    ];
    for event in &events[3..9] {
        times.push(event["start_ns"].as_u64().unwrap());
        times.extend(
            event["token_ns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|time| time.as_u64().unwrap()),
        );
        times.push(event["end_ns"].as_u64().unwrap());
    }
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn caches_are_emptied_and_seeds_counted_before_each_prompt() {
    launched("calls", &spec().to_string());
    let calls = CALLS.take();
    assert_eq!(
        calls,
        [
            "check",
            "load",
            "reset",
            "generate 1 seed 40",
            "reset",
            "generate 4 seed 40",
            "reset",
            "generate 1 seed 40",
            "reset",
            "generate 4 seed 40",
            "reset",
            "generate 1 seed 41",
            "reset",
            "generate 4 seed 41",
        ]
    );
}

#[test]
fn margins_are_written_where_they_are_asked_for() {
    let (status, events) = launched("margins", &with_option("margins", json!(true)));
    assert_eq!(status, 0);
    assert_eq!(events[3]["margins"], json!([1.0, 1.0, 1.0]));
}

#[test]
fn an_unusable_spec_ends_with_status_2_after_hello() {
    let missing = Folder::new("missing");
    let events = missing.0.join("events.jsonl");
    let status = serve::<Counter>(
        &missing.0.join("none.json"),
        &mut EventLog::open(&events).unwrap(),
    );
    assert_eq!(status, 2);
    for (test, text) in [
        ("broken", "{"),
        ("version", r#"{"protocol": 2}"#),
        ("list", "[]"),
    ] {
        let (status, events) = launched(test, text);
        assert_eq!(
            (status, names(&events)),
            (2, vec!["hello", "error"]),
            "{test}"
        );
        assert_eq!(events[1]["kind"], "bad_spec");
    }
}

#[test]
fn a_refusal_ends_with_status_3_before_the_model_is_loaded() {
    for (test, text) in [
        ("option", with_option("turbo", json!(1))),
        ("value", with_option("fault", json!("unknown"))),
        ("dtype", spec().to_string().replace("f32", "f16")),
    ] {
        let (status, events) = launched(test, &text);
        assert_eq!(
            (status, names(&events)),
            (3, vec!["hello", "error"]),
            "{test}"
        );
        assert_eq!(events[1]["kind"], "unsupported");
        assert!(!CALLS.take().contains(&"load".to_owned()));
    }
}

#[test]
fn a_failing_engine_ends_with_status_1_and_its_words() {
    for (fault, kind, words) in [
        ("memory", "out_of_memory", "1 GB is too much"),
        (
            "panic",
            "internal",
            "the engine panicked: tensor 1 is missing",
        ),
        ("short", "internal", "the engine gave 0 of 3 tokens"),
    ] {
        let (status, events) = launched(fault, &with_option("fault", json!(fault)));
        let last = events.last().unwrap();
        assert_eq!(status, 1);
        assert_eq!(
            (&last["event"], &last["kind"]),
            (&json!("error"), &json!(kind))
        );
        assert_eq!(last["message"], words);
        assert!(!names(&events).contains(&"done"));
    }
}

#[test]
fn logits_are_appended_round_by_round() {
    let folder = Folder::new("logits-file");
    let path = folder.0.join("logits");
    let mut asked = spec();
    asked["logits_path"] = json!(path);
    asked["cases"][0]["forced_ids"] = json!([7, 8, 9]);
    let (status, events) = launched("logits", &asked.to_string());
    assert_eq!(status, 0);
    let forced: Vec<&Value> = events.iter().filter(|event| event["case"] == 0).collect();
    assert_eq!(forced[0]["token_ids"], json!([2, 8, 9]));
    let bytes = std::fs::read(&path).unwrap();
    let numbers: Vec<f32> = bytes
        .chunks(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    let best: Vec<usize> = numbers
        .chunks(10)
        .map(|logits| logits.iter().position(|&logit| logit == 1.0).unwrap())
        .collect();
    assert_eq!(best, [2, 8, 9, 5, 6].repeat(3));
}

#[test]
fn a_file_for_logits_that_cannot_be_opened_is_a_bad_spec() {
    let mut asked = spec();
    asked["logits_path"] = json!("/nowhere/logits");
    let (status, events) = launched("no-logits", &asked.to_string());
    assert_eq!((status, names(&events)), (2, vec!["hello", "error"]));
    let message = events[1]["message"].as_str().unwrap();
    assert!(
        message.starts_with("logits_path /nowhere/logits"),
        "{message}"
    );
}

#[test]
fn tokens_after_the_end_of_a_sequence_are_a_failure() {
    let case = Case {
        prompt_ids: vec![1],
        max_new_tokens: 3,
        ignore_eos: false,
        eos_ids: vec![6],
        sampling: crate::spec::Sampling {
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
        },
        forced_ids: None,
        load: None,
        prompts: vec![],
        max_new_tokens_each: vec![],
    };
    assert_eq!(finish(&case, &[5, 6]), Ok(Finish::Eos));
    assert_eq!(finish(&case, &[5, 4, 6]), Ok(Finish::Eos));
    assert_eq!(finish(&case, &[5, 4, 3]), Ok(Finish::Length));
    assert!(finish(&case, &[6, 5, 4]).is_err());
    assert!(finish(&case, &[5, 4]).is_err());
    assert!(finish(&case, &[5, 4, 3, 2]).is_err());
    assert!(finish(&case, &[5, 4, 3, 6]).is_err());
}

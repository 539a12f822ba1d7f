//! Reading a spec: nothing unknown, missing or out of bounds gets through.

use super::*;
use serde_json::{Value, json};

fn valid() -> Value {
    json!({
        "protocol": 1,
        "launch": {"engine": "candle_cuda", "workload": "chat", "block": 1},
        "model_dir": "/models/tiny", "weights": "model.safetensors", "dtype": "bf16",
        "device": "cuda:1", "threads": 2, "max_seq_len": 16,
        "cases": [{"prompt_ids": [1, 2, 3], "max_new_tokens": 4, "ignore_eos": true, "eos_ids": [2],
                   "sampling": {"temperature": 0.8, "top_p": 0.95, "seed": 7}}],
        "warmup_iterations": 1, "iterations": 2,
        "load": {"mode": "closed", "concurrency": 1}, "options": {"x": 1}
    })
}

fn changed(pointer: &str, value: Value) -> Result<Spec, String> {
    let mut spec = valid();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    spec.pointer_mut(parent).unwrap()[key] = value;
    parse(&spec.to_string())
}

#[test]
fn a_valid_spec_is_read() {
    let spec = parse(&valid().to_string()).unwrap();
    assert_eq!(spec.device, Device::Cuda(1));
    assert_eq!(spec.dtype, Dtype::Bf16);
    assert_eq!(spec.cases[0].prompt_ids, [1, 2, 3]);
    assert_eq!(spec.options["x"], 1);
}

#[test]
fn a_spec_without_a_launch_is_read() {
    let mut spec = valid();
    spec.as_object_mut().unwrap().remove("launch");
    assert_eq!(parse(&spec.to_string()).unwrap().launch, None);
}

#[test]
fn forced_ids_and_a_path_for_logits_are_read() {
    let mut spec = valid();
    spec["logits_path"] = json!("/tmp/logits");
    spec["cases"][0]["forced_ids"] = json!([5, 6, 7, 8]);
    spec["cases"][0]["sampling"]["temperature"] = json!(0);
    let spec = parse(&spec.to_string()).unwrap();
    assert_eq!(spec.logits_path, Some("/tmp/logits".into()));
    assert_eq!(spec.cases[0].fed(1, 99), 6);
    let plain = parse(&valid().to_string()).unwrap();
    assert_eq!((plain.logits_path, plain.cases[0].fed(1, 99)), (None, 99));
}

#[test]
fn unknown_keys_are_refused_at_every_level() {
    for level in ["", "/launch", "/cases/0", "/cases/0/sampling", "/load"] {
        let mut spec = valid();
        let object = spec.pointer_mut(level).unwrap().as_object_mut().unwrap();
        object.insert("surprise".to_owned(), json!(1));
        let why = parse(&spec.to_string()).unwrap_err();
        assert!(why.contains("surprise"), "{level}: {why}");
    }
}

#[test]
fn another_protocol_is_named_before_its_unknown_keys() {
    let why = parse(r#"{"protocol": 3, "prompts": []}"#).unwrap_err();
    assert_eq!(why, "protocol is 3, this adapter speaks 1 and 2");
    assert_eq!(parse("{}").unwrap_err(), "protocol is missing");
}

#[test]
fn values_out_of_bounds_are_refused() {
    for (pointer, value) in [
        ("/model_dir", json!("")),
        ("/weights", json!("")),
        ("/dtype", json!("f64")),
        ("/device", json!("cuda:")),
        ("/device", json!("cuda:+1")),
        ("/device", json!("tpu")),
        ("/threads", json!(0)),
        ("/threads", json!(-1)),
        ("/max_seq_len", json!(6)),
        ("/cases", json!([])),
        ("/cases/0/prompt_ids", json!([])),
        ("/cases/0/prompt_ids", json!([-1])),
        ("/cases/0/max_new_tokens", json!(0)),
        ("/cases/0/sampling/temperature", json!(-0.1)),
        ("/cases/0/sampling/top_p", json!(0.0)),
        ("/cases/0/sampling/top_p", json!(1.1)),
        ("/cases/0/sampling/seed", json!(-1)),
        ("/load/concurrency", json!(0)),
        ("/iterations", json!(1.5)),
        ("/options", json!([])),
        ("/logits_path", json!("")),
        ("/cases/0/forced_ids", json!([1, 2, 3])),
        ("/cases/0/forced_ids", json!([1, 2, 3, 4])),
    ] {
        assert!(
            changed(pointer, value.clone()).is_err(),
            "{pointer} {value}"
        );
    }
}

#[test]
fn a_missing_key_is_named() {
    for key in ["weights", "cases", "load", "options", "iterations"] {
        let mut spec = valid();
        spec.as_object_mut().unwrap().remove(key);
        assert!(parse(&spec.to_string()).unwrap_err().contains(key));
    }
}

#[test]
fn an_id_ends_a_sequence_only_where_eos_counts() {
    let mut case = parse(&valid().to_string()).unwrap().cases.remove(0);
    assert!(!case.ends_with(2));
    case.ignore_eos = false;
    assert!(case.ends_with(2));
    assert!(!case.ends_with(3));
}

#[test]
fn devices_are_written_as_they_are_read() {
    for name in ["cpu", "cuda:0", "cuda:12"] {
        assert_eq!(Device::try_from(name.to_owned()).unwrap().to_string(), name);
    }
}

/// A spec of two levels: a closed and an open loop.
fn under_load() -> Value {
    let mut spec = valid();
    let object = spec.as_object_mut().unwrap();
    for key in ["warmup_iterations", "iterations", "load"] {
        object.remove(key);
    }
    object.insert("protocol".to_owned(), json!(2));
    object.insert("stages".to_owned(), json!([1, 0]));
    let mut closed = spec["cases"][0].clone();
    closed["prompts"] = json!([[1, 2, 3], [1, 3, 2]]);
    let mut open = closed.clone();
    closed["load"] = json!({"mode": "closed", "concurrency": 2, "requests": null, "duration_seconds": 1.5,
                            "warmup_requests": 0, "timeout_seconds": 60});
    open["load"] = json!({"mode": "open", "requests_per_second": 2.5, "arrivals": "gamma", "burstiness": 0.5,
                          "seed": 3, "requests": 1, "duration_seconds": null, "warmup_requests": 1,
                          "timeout_seconds": 60, "arrivals_ns": [0, 5, 9]});
    open["max_new_tokens_each"] = json!([1, 4]);
    spec["cases"] = json!([closed, open]);
    spec
}

#[test]
fn levels_of_load_are_read() {
    let spec = parse(&under_load().to_string()).unwrap();
    assert_eq!(
        (spec.stages.as_slice(), spec.iterations),
        ([1, 0].as_slice(), 0)
    );
    assert_eq!((spec.cases[0].limit(1), spec.cases[1].limit(0)), (4, 1));
    let load = spec.cases[1].load.as_ref().unwrap();
    assert_eq!((load.concurrency, load.requests), (None, Some(1)));
    assert_eq!(load.arrivals_ns, [0, 5, 9]);
    assert_eq!(spec.places(), 16);
    let mut fewer = under_load();
    fewer["cases"][1]["load"]["slots"] = json!(3);
    assert_eq!(parse(&fewer.to_string()).unwrap().places(), 3);
    assert_eq!(parse(&valid().to_string()).unwrap().places(), 1);
}

#[test]
fn keys_of_the_other_protocol_are_refused() {
    for (pointer, value, words) in [
        ("/stages", json!([0]), "stages"),
        ("/cases/0/prompts", json!([[1]]), "prompts"),
        (
            "/cases/0/load",
            under_load()["cases"][0]["load"].clone(),
            "load",
        ),
    ] {
        assert!(
            changed(pointer, value).unwrap_err().contains(words),
            "{pointer}"
        );
    }
    for key in ["warmup_iterations", "iterations", "load"] {
        let mut spec = under_load();
        spec[key] = valid()[key].clone();
        assert!(parse(&spec.to_string()).unwrap_err().contains(key), "{key}");
    }
}

#[test]
fn levels_out_of_bounds_are_refused() {
    for (pointer, value) in [
        ("/stages", json!([0])),
        ("/stages", json!([0, 0])),
        ("/stages", json!([0, 2])),
        ("/max_seq_len", json!(6)),
        ("/cases/0/prompts", json!([])),
        ("/cases/0/prompts", json!([[]])),
        ("/cases/0/load", Value::Null),
        ("/cases/0/load/mode", json!("bursts")),
        ("/cases/0/load/surprise", json!(1)),
        ("/cases/0/load/concurrency", json!(0)),
        ("/cases/0/load/concurrency", Value::Null),
        ("/cases/0/load/requests", json!(3)),
        ("/cases/0/load/duration_seconds", Value::Null),
        ("/cases/0/load/duration_seconds", json!(-1.0)),
        ("/cases/0/load/timeout_seconds", json!(0)),
        ("/cases/0/load/slots", json!(2)),
        ("/cases/1/load/slots", json!(0)),
        ("/cases/1/load/concurrency", json!(2)),
        ("/cases/1/load/arrivals_ns", json!([])),
        ("/cases/1/load/arrivals_ns", json!([5, 0])),
        ("/cases/1/load/arrivals_ns", json!([0])),
        ("/cases/1/load/arrivals_ns", json!([0, 1, 2, 3, 4, 5, 6, 7])),
        ("/cases/1/max_new_tokens_each", json!([1])),
        ("/cases/1/max_new_tokens_each", json!([1, 5])),
        ("/cases/1/max_new_tokens_each", json!([0, 4])),
    ] {
        let mut spec = under_load();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[key] = value.clone();
        assert!(parse(&spec.to_string()).is_err(), "{pointer} {value}");
    }
}

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
    let why = parse(r#"{"protocol": 2, "prompts": []}"#).unwrap_err();
    assert_eq!(why, "protocol is 2, this adapter speaks 1");
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

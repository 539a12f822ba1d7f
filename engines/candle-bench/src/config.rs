//! The model's config.json, and what in it candle's Llama would silently compute differently.

use std::fs;
use std::path::Path;

use bench_protocol::{Failure, Spec};
use candle_transformers::models::llama::{Config, LlamaConfig};
use serde_json::Value;

/// Read the model's configuration and hold the spec against it.
pub fn read(spec: &Spec) -> Result<Config, Failure> {
    let path = spec.model_dir.join("config.json");
    let text = fs::read_to_string(&path)
        .map_err(|error| Failure::internal(format!("{}: {error}", path.display())))?;
    let config = parse(&text, &path)?;
    check_lengths(spec, &config)?;
    Ok(config)
}

/// Configuration of candle's Llama from the text of a config.json.
fn parse(text: &str, path: &Path) -> Result<Config, Failure> {
    let refuse = |why: String| Failure::unsupported(format!("{}: {why}", path.display()));
    let mut json: Value = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    check_architecture(&json).map_err(refuse)?;
    lift_rope_parameters(&mut json);
    let config: LlamaConfig =
        serde_json::from_value(json).map_err(|error| refuse(error.to_string()))?;
    Ok(config.into_config(false))
}

/// Refuse a model that candle's Llama would load and compute differently, since it does not read
/// these keys.
fn check_architecture(json: &Value) -> Result<(), String> {
    for (key, wanted) in [
        ("model_type", Value::from("llama")),
        ("hidden_act", Value::from("silu")),
        ("attention_bias", Value::from(false)),
        ("mlp_bias", Value::from(false)),
    ] {
        match json.get(key) {
            None | Some(Value::Null) => {}
            Some(found) if *found == wanted => {}
            Some(found) => {
                return Err(format!(
                    "{key} is {found}, candle's Llama computes {wanted}"
                ));
            }
        }
    }
    let number = |key: &str| json.get(key).and_then(Value::as_u64);
    let derived = number("hidden_size")
        .zip(number("num_attention_heads").filter(|heads| *heads > 0))
        .map(|(hidden, heads)| hidden / heads);
    match (number("head_dim"), derived) {
        (Some(given), Some(derived)) if given != derived => Err(format!(
            "head_dim is {given}, candle's Llama computes hidden_size / num_attention_heads = {derived}"
        )),
        _ => Ok(()),
    }
}

/// transformers 5 writes rope_theta and the scaling under `rope_parameters`, which candle does not
/// read: it would take its default of 10,000.
fn lift_rope_parameters(json: &mut Value) {
    let Some(object) = json.as_object_mut() else {
        return;
    };
    let Some(parameters) = object.remove("rope_parameters") else {
        return;
    };
    if let Some(theta) = parameters.get("rope_theta") {
        object.entry("rope_theta").or_insert(theta.clone());
    }
    let is_scaled = parameters
        .get("rope_type")
        .is_some_and(|kind| kind != "default");
    if is_scaled && object.get("rope_scaling").is_none_or(Value::is_null) {
        object.insert("rope_scaling".to_owned(), parameters);
    }
}

/// Refuse lengths and ids beyond the model.
fn check_lengths(spec: &Spec, config: &Config) -> Result<(), Failure> {
    if spec.max_seq_len > config.max_position_embeddings {
        return Err(Failure::unsupported(format!(
            "max_seq_len is {}, the model's context is {}",
            spec.max_seq_len, config.max_position_embeddings
        )));
    }
    let highest = spec.cases.iter().flat_map(|case| &case.prompt_ids).max();
    match highest {
        Some(&id) if id as usize >= config.vocab_size => Err(Failure::bad_spec(format!(
            "a prompt has id {id}, the model's vocabulary ends at {}",
            config.vocab_size
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine_tests::tiny_config;
    use serde_json::json;

    fn parsed(change: impl Fn(&mut Value)) -> Result<Config, Failure> {
        let mut json = tiny_config();
        change(&mut json);
        parse(&json.to_string(), Path::new("config.json"))
    }

    #[test]
    fn the_keys_of_a_llama_are_read() {
        let config = parsed(|_| {}).unwrap();
        assert_eq!(config.vocab_size, 40);
        assert_eq!(config.num_key_value_heads, 1);
        assert!(config.tie_word_embeddings);
    }

    #[test]
    fn a_model_that_candle_would_compute_differently_is_refused() {
        for (key, value) in [
            ("model_type", json!("gemma")),
            ("hidden_act", json!("gelu")),
            ("attention_bias", json!(true)),
            ("mlp_bias", json!(true)),
            ("head_dim", json!(128)),
            (
                "rope_scaling",
                json!({"rope_type": "linear", "factor": 2.0}),
            ),
        ] {
            let refused = parsed(|json| json[key] = value.clone());
            assert!(refused.is_err(), "{key}");
        }
    }

    #[test]
    fn rope_parameters_of_newer_files_are_found() {
        let newer = |parameters: Value| {
            parsed(|json| {
                json.as_object_mut().unwrap().remove("rope_theta");
                json["rope_parameters"] = parameters.clone();
            })
        };
        let plain = newer(json!({"rope_type": "default", "rope_theta": 5000.0})).unwrap();
        assert_eq!(plain.rope_theta, 5000.0);
        assert!(plain.rope_scaling.is_none());
        let scaled = newer(json!({
            "rope_type": "llama3", "rope_theta": 5000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64
        }));
        assert_eq!(scaled.unwrap().rope_scaling.unwrap().factor, 8.0);
        assert!(newer(json!({"rope_type": "yarn", "rope_theta": 5000.0, "factor": 8.0})).is_err());
    }
}

//! config.json of a Llama, and what in it this Llama would silently compute differently.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::spec::Spec;

/// Shape and constants of a Llama, as transformers' `LlamaConfig` names and defaults them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LlamaConfig {
    /// Ids that the model knows.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Heads of keys and values; as many as query heads where the file names none.
    #[serde(default)]
    pub num_key_value_heads: usize,
    /// Width of a head; `hidden_size` over query heads where the file names none.
    #[serde(default)]
    pub head_dim: usize,
    /// Added to the mean square before its root.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    #[serde(default = "default_theta")]
    pub rope_theta: f32,
    /// How the rotary frequencies are stretched; none where the file has none or the kind `default`.
    #[serde(skip)]
    pub rope_scaling: Option<Llama3Scaling>,
    /// Longest context, in tokens.
    pub max_position_embeddings: usize,
    /// Whether the output layer is the embedding.
    #[serde(default)]
    pub tie_word_embeddings: bool,
}

/// The rotary scaling of kind `llama3`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Llama3Scaling {
    /// By which low frequencies are divided.
    pub factor: f32,
    /// Frequencies with fewer periods in the original context than this are low.
    pub low_freq_factor: f32,
    /// Frequencies with more periods in the original context than this stay.
    pub high_freq_factor: f32,
    /// Context of the model before it was stretched, in tokens.
    pub original_max_position_embeddings: usize,
}

/// transformers' default of `rope_theta`.
fn default_theta() -> f32 {
    10_000.0
}

impl LlamaConfig {
    /// Read config.json in the spec's `model_dir` and hold the spec against it.
    ///
    /// # Errors
    /// [`Failure::unsupported`] for a model that this Llama would compute differently and a context
    /// longer than the model's, [`Failure::bad_spec`] for an id outside the vocabulary,
    /// [`Failure::internal`] where the file cannot be read.
    pub fn read(spec: &Spec) -> Result<Self, Failure> {
        let path = spec.model_dir.join("config.json");
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::internal(format!("{}: {error}", path.display())))?;
        let config = Self::parse(&text, &path)?;
        config.check_lengths(spec)?;
        Ok(config)
    }

    /// Refuse a head width that `engine` would compute differently: it derives it.
    ///
    /// # Errors
    /// [`Failure::unsupported`].
    pub fn require_derived_head_width(&self, engine: &str) -> Result<(), Failure> {
        let derived = self.hidden_size / self.num_attention_heads;
        if self.head_dim == derived {
            return Ok(());
        }
        Err(Failure::unsupported(format!(
            "config.json: head_dim is {}, {engine} computes hidden_size / num_attention_heads = {derived}",
            self.head_dim
        )))
    }

    /// Read the text of a config.json; `path` is for messages.
    fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        let refuse = |why: String| Failure::unsupported(format!("{}: {why}", path.display()));
        let mut json: Value =
            serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        check_architecture(&json).map_err(refuse)?;
        if let Some(object) = json.as_object_mut() {
            // transformers writes null where it means the default.
            object.retain(|_, value| !value.is_null());
        }
        let scaling = lift_rope(&mut json).map_err(refuse)?;
        let mut config: Self =
            serde_json::from_value(json).map_err(|error| refuse(error.to_string()))?;
        config.rope_scaling = scaling;
        config.fill_in().map_err(refuse)?;
        Ok(config)
    }

    /// Derive what the file leaves out, and check that heads and widths fit each other.
    fn fill_in(&mut self) -> Result<(), String> {
        let heads = self.num_attention_heads;
        if heads == 0 || self.num_hidden_layers == 0 || self.vocab_size == 0 {
            return Err("num_attention_heads, num_hidden_layers or vocab_size is 0".to_owned());
        }
        if self.num_key_value_heads == 0 {
            self.num_key_value_heads = heads;
        }
        if !heads.is_multiple_of(self.num_key_value_heads) {
            return Err(format!(
                "num_attention_heads is {heads}, no multiple of num_key_value_heads {}",
                self.num_key_value_heads
            ));
        }
        if self.head_dim == 0 {
            self.head_dim = self.hidden_size / heads;
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return Err(format!(
                "head_dim is {}, rotary embedding needs an even number",
                self.head_dim
            ));
        }
        Ok(())
    }

    /// Refuse lengths and ids beyond the model.
    fn check_lengths(&self, spec: &Spec) -> Result<(), Failure> {
        if spec.max_seq_len > self.max_position_embeddings {
            return Err(Failure::unsupported(format!(
                "max_seq_len is {}, the model's context is {}",
                spec.max_seq_len, self.max_position_embeddings
            )));
        }
        let each = spec.cases.iter().flat_map(|case| case.prompts.iter());
        let first = spec.cases.iter().map(|case| &case.prompt_ids);
        let prompts = first.chain(each).flatten();
        let forced = spec
            .cases
            .iter()
            .filter_map(|case| case.forced_ids.as_ref());
        match prompts.chain(forced.flatten()).max() {
            Some(&id) if id as usize >= self.vocab_size => Err(Failure::bad_spec(format!(
                "a case has id {id}; the model knows {} tokens",
                self.vocab_size
            ))),
            _ => Ok(()),
        }
    }
}

/// Refuse what the engines' Llamas neither read nor compute.
fn check_architecture(json: &Value) -> Result<(), String> {
    for (key, wanted) in [
        ("model_type", Value::from("llama")),
        ("hidden_act", Value::from("silu")),
        ("attention_bias", Value::from(false)),
        ("mlp_bias", Value::from(false)),
        ("quantization_config", Value::Null),
    ] {
        match json.get(key) {
            None | Some(Value::Null) => {}
            Some(found) if *found == wanted => {}
            Some(found) => {
                return Err(format!(
                    "{key} is {found}, this engine's Llama computes {wanted}"
                ));
            }
        }
    }
    Ok(())
}

/// Take the scaling out of the file. transformers 5 writes it and `rope_theta` under
/// `rope_parameters`, older versions write the kind under `type`.
fn lift_rope(json: &mut Value) -> Result<Option<Llama3Scaling>, String> {
    let Some(object) = json.as_object_mut() else {
        return Ok(None);
    };
    let older = object.remove("rope_scaling");
    let newer = object.remove("rope_parameters");
    if let Some(theta) = newer.as_ref().and_then(|found| found.get("rope_theta")) {
        object.entry("rope_theta").or_insert(theta.clone());
    }
    let Some(parameters) = older.or(newer) else {
        return Ok(None);
    };
    let kind = parameters.get("rope_type").or(parameters.get("type"));
    match kind.and_then(Value::as_str) {
        None if parameters.get("factor").is_none() => Ok(None),
        Some("default") => Ok(None),
        Some("llama3") => serde_json::from_value(parameters)
            .map(Some)
            .map_err(|error| format!("rope scaling llama3: {error}")),
        other => Err(format!(
            "rope scaling is {}, this engine's Llama computes default or llama3",
            other.unwrap_or("of no kind")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;
    use crate::testing::{Folder, TinyModel};
    use serde_json::json;

    fn parsed(change: impl Fn(&mut Value)) -> Result<LlamaConfig, Failure> {
        let mut json = TinyModel::default().config();
        change(&mut json);
        LlamaConfig::parse(&json.to_string(), Path::new("config.json"))
    }

    #[test]
    fn the_keys_of_a_llama_are_read() {
        let config = parsed(|_| {}).unwrap();
        assert_eq!(config.vocab_size, 40);
        assert_eq!(config.num_key_value_heads, 2);
        assert_eq!(config.rope_scaling, None);
        assert!(config.tie_word_embeddings);
    }

    #[test]
    fn keys_that_are_absent_have_the_defaults_of_transformers() {
        let config = parsed(|json| {
            for key in ["num_key_value_heads", "head_dim", "rope_theta"] {
                json.as_object_mut().unwrap().remove(key);
            }
            json["tie_word_embeddings"] = Value::Null;
        })
        .unwrap();
        assert_eq!((config.num_key_value_heads, config.head_dim), (4, 8));
        assert_eq!(config.rope_theta, 10_000.0);
        assert!(!config.tie_word_embeddings);
    }

    #[test]
    fn a_model_that_would_be_computed_differently_is_refused() {
        for (key, value) in [
            ("model_type", json!("gemma")),
            ("hidden_act", json!("gelu")),
            ("attention_bias", json!(true)),
            ("mlp_bias", json!(true)),
            ("quantization_config", json!({"bits": 4})),
            ("num_key_value_heads", json!(3)),
            ("num_attention_heads", json!(0)),
            ("head_dim", json!(7)),
            ("rope_scaling", json!({"type": "linear", "factor": 2.0})),
            ("rope_scaling", json!({"factor": 2.0})),
            (
                "rope_scaling",
                json!({"rope_type": "llama3", "factor": 2.0}),
            ),
        ] {
            let refused = parsed(|json| json[key] = value.clone());
            assert_eq!(refused.unwrap_err().kind, Kind::Unsupported, "{key}");
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
        assert_eq!(plain.rope_scaling, None);
        let scaled = newer(json!({
            "rope_type": "llama3", "rope_theta": 5000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64
        }));
        assert_eq!(scaled.unwrap().rope_scaling.unwrap().factor, 8.0);
        assert!(newer(json!({"rope_type": "yarn", "rope_theta": 5000.0, "factor": 8.0})).is_err());
    }

    #[test]
    fn what_the_spec_asks_beyond_the_model_is_refused() {
        let folder = Folder::new("lengths");
        TinyModel::default().write(&folder);
        let read = |change: fn(&mut Spec)| {
            let mut spec = TinyModel::spec(&folder);
            change(&mut spec);
            LlamaConfig::read(&spec).map_err(|failure| failure.kind)
        };
        assert!(read(|_| {}).is_ok());
        assert_eq!(
            read(|spec| spec.max_seq_len = 65).err(),
            Some(Kind::Unsupported)
        );
        assert_eq!(
            read(|spec| spec.cases[0].prompt_ids.push(40)).err(),
            Some(Kind::BadSpec)
        );
        assert_eq!(
            read(|spec| spec.cases[0].forced_ids = Some(vec![40])).err(),
            Some(Kind::BadSpec)
        );
        assert_eq!(
            read(|spec| spec.model_dir.push("nowhere")).err(),
            Some(Kind::Internal)
        );
    }
}

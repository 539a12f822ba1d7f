//! A Llama of two layers with made-up weights, in the Hugging Face layout.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Folder;
use crate::spec::{Case, Device, Dtype, Load, Sampling, Spec};

pub(super) const VOCABULARY: usize = 40;
pub(super) const HIDDEN: usize = 32;
pub(super) const FEED_FORWARD: usize = 24;
pub(super) const LAYERS: usize = 2;
pub(super) const HEADS: usize = 4;
pub(super) const KV_HEADS: usize = 2;

/// The variants of the tiny model.
#[derive(Debug, Clone, Copy)]
pub struct TinyModel {
    /// Whether the embedding is the output layer.
    pub is_tied: bool,
    /// Whether the rotary frequencies are scaled as in Llama 3.
    pub has_llama3_scaling: bool,
    /// Width of a head; 8 is the hidden size over the heads.
    pub head_dim: usize,
}

impl Default for TinyModel {
    fn default() -> Self {
        Self {
            is_tied: true,
            has_llama3_scaling: false,
            head_dim: HIDDEN / HEADS,
        }
    }
}

/// A tensor: shape and values.
pub(super) type Tensor = (Vec<usize>, Vec<f32>);

impl TinyModel {
    /// Content of config.json.
    #[must_use]
    pub fn config(&self) -> Value {
        // Of the four frequencies of a head of 8, the first stays, the second is blended, two are
        // divided.
        let scaling = json!({
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64
        });
        json!({
            "model_type": "llama", "hidden_act": "silu", "hidden_size": HIDDEN,
            "intermediate_size": FEED_FORWARD, "vocab_size": VOCABULARY,
            "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS, "head_dim": self.head_dim, "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0, "max_position_embeddings": 64,
            "rope_scaling": if self.has_llama3_scaling { scaling } else { Value::Null },
            "tie_word_embeddings": self.is_tied, "attention_bias": false
        })
    }

    /// Names and shapes of the tensors.
    fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        let queries = HEADS * self.head_dim;
        let keys = KV_HEADS * self.head_dim;
        let mut shapes = BTreeMap::from([
            (
                "model.embed_tokens.weight".to_owned(),
                vec![VOCABULARY, HIDDEN],
            ),
            ("model.norm.weight".to_owned(), vec![HIDDEN]),
        ]);
        if !self.is_tied {
            shapes.insert("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]);
        }
        for layer in 0..LAYERS {
            for (name, shape) in [
                ("self_attn.q_proj", vec![queries, HIDDEN]),
                ("self_attn.k_proj", vec![keys, HIDDEN]),
                ("self_attn.v_proj", vec![keys, HIDDEN]),
                ("self_attn.o_proj", vec![HIDDEN, queries]),
                ("mlp.gate_proj", vec![FEED_FORWARD, HIDDEN]),
                ("mlp.up_proj", vec![FEED_FORWARD, HIDDEN]),
                ("mlp.down_proj", vec![HIDDEN, FEED_FORWARD]),
                ("input_layernorm", vec![HIDDEN]),
                ("post_attention_layernorm", vec![HIDDEN]),
            ] {
                shapes.insert(format!("model.layers.{layer}.{name}.weight"), shape);
            }
        }
        shapes
    }

    /// The tensors; their values are a fixed sequence without a pattern.
    pub(super) fn tensors(&self) -> BTreeMap<String, Tensor> {
        let mut phase = 0.0_f32;
        let mut next = || {
            phase += 1.7;
            (phase * phase).sin()
        };
        self.shapes()
            .into_iter()
            .map(|(name, shape)| {
                let count = shape.iter().product();
                let values = (0..count).map(|_| next()).collect();
                (name, (shape, values))
            })
            .collect()
    }

    /// Write config.json and model.safetensors.
    pub fn write(&self, folder: &Folder) {
        self.write_config(folder);
        write_safetensors(folder, "model.safetensors", &self.tensors());
    }

    /// Write config.json and model.safetensors with one tensor more than the model has.
    pub fn write_with(&self, folder: &Folder, name: &str) {
        self.write_config(folder);
        let mut tensors = self.tensors();
        tensors.insert(name.to_owned(), (vec![1], vec![0.5]));
        write_safetensors(folder, "model.safetensors", &tensors);
    }

    /// Write config.json, two files that share the tensors, and model.safetensors.index.json.
    pub fn write_sharded(&self, folder: &Folder) {
        self.write_config(folder);
        let mut map = Map::new();
        let mut first = self.tensors();
        let second = first.split_off("model.layers.1");
        for (file, tensors) in [("one.safetensors", first), ("two.safetensors", second)] {
            write_safetensors(folder, file, &tensors);
            map.extend(tensors.into_keys().map(|name| (name, file.into())));
        }
        let index = json!({"weight_map": map}).to_string();
        fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    }

    fn write_config(&self, folder: &Folder) {
        let text = self.config().to_string();
        fs::write(folder.path().join("config.json"), text).unwrap();
    }

    /// A spec for the model in a folder: one greedy case of 12 tokens after a prompt of 4.
    #[must_use]
    pub fn spec(folder: &Folder) -> Spec {
        greedy_spec(folder.path())
    }

    /// The same with a level of so many requests in flight, for their places.
    #[must_use]
    pub fn spec_of_places(folder: &Folder, places: usize) -> Spec {
        let mut spec = Self::spec(folder);
        let load = json!({"mode": "closed", "concurrency": places, "requests": 1, "warmup_requests": 0,
                          "timeout_seconds": 1});
        spec.cases[0].load = serde_json::from_value(load).ok();
        spec
    }
}

/// A spec of one greedy case of 12 tokens after a prompt of 4.
pub(crate) fn greedy_spec(model_dir: &Path) -> Spec {
    Spec {
        protocol: 1,
        launch: None,
        model_dir: model_dir.to_owned(),
        weights: "model.safetensors".to_owned(),
        dtype: Dtype::F32,
        device: Device::Cpu,
        threads: 1,
        max_seq_len: 64,
        cases: vec![Case {
            prompt_ids: vec![5, 17, 3, 29],
            max_new_tokens: 12,
            ignore_eos: true,
            eos_ids: vec![],
            sampling: Sampling {
                temperature: 0.0,
                top_p: 1.0,
                seed: 0,
            },
            forced_ids: None,
            load: None,
            prompts: vec![],
            max_new_tokens_each: vec![],
        }],
        warmup_iterations: 0,
        iterations: 1,
        load: Load::default(),
        stages: vec![],
        options: Map::new(),
        logits_path: None,
    }
}

/// Write float32 tensors: the header's length, the header as JSON, the values.
fn write_safetensors(folder: &Folder, name: &str, tensors: &BTreeMap<String, Tensor>) {
    let mut header = Map::new();
    let mut data = Vec::new();
    for (tensor, (shape, values)) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        header.insert(
            tensor.clone(),
            json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}),
        );
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    fs::write(folder.path().join(name), file).unwrap();
}

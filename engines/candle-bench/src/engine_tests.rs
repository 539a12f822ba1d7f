//! The engine on a tiny model with made-up weights.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use bench_protocol::{Case, Device, Engine, Kind, Load, Sampling, Spec, Timings};
use candle_core::Tensor;
use serde_json::{Map, Value, json};

use super::*;

/// A folder that is gone after the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(test: &str) -> Self {
        let name = format!("candle-bench-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn tiny_config() -> Value {
    json!({
        "model_type": "llama", "hidden_act": "silu", "hidden_size": 16, "intermediate_size": 24,
        "vocab_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "head_dim": 8, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": null,
        "max_position_embeddings": 64, "tie_word_embeddings": true, "attention_bias": false
    })
}

/// Shapes of the tiny model's tensors.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![40, 16]),
        ("model.norm.weight".to_owned(), vec![16]),
    ];
    for layer in 0..2 {
        for (name, shape) in [
            ("self_attn.q_proj", vec![16, 16]),
            ("self_attn.k_proj", vec![8, 16]),
            ("self_attn.v_proj", vec![8, 16]),
            ("self_attn.o_proj", vec![16, 16]),
            ("mlp.gate_proj", vec![24, 16]),
            ("mlp.up_proj", vec![24, 16]),
            ("mlp.down_proj", vec![16, 24]),
            ("input_layernorm", vec![16]),
            ("post_attention_layernorm", vec![16]),
        ] {
            shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
        }
    }
    shapes
}

/// Write the tiny model; its weights are a fixed sequence without a pattern.
fn write_model(folder: &Folder) {
    let mut phase = 0.0_f32;
    let mut tensors = HashMap::new();
    for (name, shape) in shapes() {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| {
                phase += 1.7;
                (phase * phase).sin()
            })
            .collect();
        tensors.insert(
            name,
            Tensor::from_vec(values, shape, &candle_core::Device::Cpu).unwrap(),
        );
    }
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    fs::write(folder.path().join("config.json"), tiny_config().to_string()).unwrap();
}

fn spec(folder: &Folder) -> Spec {
    Spec {
        protocol: 1,
        launch: None,
        model_dir: folder.path().to_owned(),
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
        }],
        warmup_iterations: 0,
        iterations: 1,
        load: Load {
            mode: "closed".to_owned(),
            concurrency: 1,
        },
        options: Map::new(),
        logits_path: None,
    }
}

fn generate(engine: &mut Candle, case: &Case) -> Vec<u32> {
    let mut timings = Timings::new(case.max_new_tokens, false);
    engine.reset().unwrap();
    engine
        .generate(case, case.sampling.seed, &mut timings)
        .unwrap();
    timings.token_ids().to_vec()
}

#[test]
fn decoding_with_the_cache_equals_a_fresh_prefill_of_each_prefix() {
    let folder = Folder::new("prefix");
    write_model(&folder);
    let spec = spec(&folder);
    let (mut engine, loaded) = Candle::load(&spec).unwrap();
    assert_eq!((loaded.weights_dtype.as_str(), loaded.threads), ("f32", 1));
    let mut ids = spec.cases[0].prompt_ids.clone();
    for expected in generate(&mut engine, &spec.cases[0]) {
        let one = Case {
            prompt_ids: ids.clone(),
            max_new_tokens: 1,
            ..spec.cases[0].clone()
        };
        assert_eq!(generate(&mut engine, &one), [expected]);
        ids.push(expected);
    }
}

#[test]
fn a_reset_leaves_nothing_of_the_prompt_before() {
    let folder = Folder::new("reset");
    write_model(&folder);
    let spec = spec(&folder);
    let (mut engine, _) = Candle::load(&spec).unwrap();
    let first = generate(&mut engine, &spec.cases[0]);
    let other = Case {
        prompt_ids: vec![1, 2],
        ..spec.cases[0].clone()
    };
    assert_ne!(generate(&mut engine, &other), first);
    assert_eq!(generate(&mut engine, &spec.cases[0]), first);
}

#[test]
fn every_type_of_the_capabilities_loads_and_runs() {
    let folder = Folder::new("dtypes");
    write_model(&folder);
    for dtype in Candle::describe().capabilities.dtypes {
        let mut spec = spec(&folder);
        spec.dtype = dtype;
        let (mut engine, loaded) = Candle::load(&spec).unwrap();
        assert_eq!(loaded.kv_cache_dtype, dtype.to_string());
        assert_eq!(generate(&mut engine, &spec.cases[0]).len(), 12);
    }
}

#[test]
fn what_the_model_cannot_take_is_refused() {
    let folder = Folder::new("lengths");
    write_model(&folder);
    let refused = |change: fn(&mut Spec)| {
        let mut spec = spec(&folder);
        change(&mut spec);
        Candle::load(&spec).err().unwrap().kind
    };
    assert_eq!(refused(|spec| spec.max_seq_len = 65), Kind::Unsupported);
    assert_eq!(
        refused(|spec| spec.cases[0].prompt_ids.push(40)),
        Kind::BadSpec
    );
    assert_eq!(
        refused(|spec| spec.model_dir.push("nowhere")),
        Kind::Internal
    );
    assert_eq!(
        refused(|spec| spec.weights = "none.safetensors".to_owned()),
        Kind::Internal
    );
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_build_without_cuda_has_no_gpu() {
    assert_eq!(Candle::describe().capabilities.devices, ["cpu"]);
    let folder = Folder::new("gpu");
    let mut spec = spec(&folder);
    spec.device = Device::Cuda(0);
    assert_eq!(Candle::check(&spec).err().unwrap().kind, Kind::Unsupported);
}

#[test]
fn a_lack_of_memory_is_told_from_other_failures() {
    let kind = |text: &str| failure(candle_core::Error::Msg(text.to_owned())).kind;
    assert_eq!(
        kind("DriverError(CUDA_ERROR_OUT_OF_MEMORY)"),
        Kind::OutOfMemory
    );
    assert_eq!(kind("shape mismatch"), Kind::Internal);
    let traced = failure(candle_core::Error::Msg("first\n   0: frame".to_owned()));
    assert_eq!(traced.message, "candle: first");
}

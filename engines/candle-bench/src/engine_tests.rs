//! The engine on a tiny model with made-up weights.

use bench_protocol::testing::{Folder, TinyModel};
use bench_protocol::{Case, Device, Engine, Kind, Timings};

use super::*;

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
    TinyModel::default().write(&folder);
    let spec = TinyModel::spec(&folder);
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
    TinyModel::default().write(&folder);
    let spec = TinyModel::spec(&folder);
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
    TinyModel::default().write(&folder);
    for dtype in Candle::describe().capabilities.dtypes {
        let mut spec = TinyModel::spec(&folder);
        spec.dtype = dtype;
        let (mut engine, loaded) = Candle::load(&spec).unwrap();
        assert_eq!(loaded.kv_cache_dtype, dtype.to_string());
        assert_eq!(generate(&mut engine, &spec.cases[0]).len(), 12);
    }
}

#[test]
fn logits_are_those_of_plain_loops_in_float64() {
    for is_tied in [true, false] {
        for has_llama3_scaling in [true, false] {
            let model = TinyModel {
                is_tied,
                has_llama3_scaling,
                ..TinyModel::default()
            };
            let folder = Folder::new(&format!("logits-{model:?}"));
            model.write(&folder);
            let (mut engine, _) = Candle::load(&TinyModel::spec(&folder)).unwrap();
            let ids = [5, 17, 3, 29, 0, 39, 8, 8, 21, 14];
            let Candle {
                model: llama,
                device,
                cache,
                ..
            } = &mut engine;
            let found = logits(llama, device, cache, &ids, 0).unwrap();
            for (&found, expected) in found.iter().zip(model.logits(&ids)) {
                assert!((f64::from(found) - expected).abs() < 1e-4, "{model:?}");
            }
        }
    }
}

#[test]
fn what_candle_would_compute_differently_is_refused() {
    let folder = Folder::new("head-width");
    let narrow = TinyModel {
        head_dim: 4,
        ..TinyModel::default()
    };
    narrow.write(&folder);
    let failure = Candle::load(&TinyModel::spec(&folder)).err().unwrap();
    assert_eq!(failure.kind, Kind::Unsupported);
    assert!(failure.message.contains("head_dim is 4"));
}

#[test]
fn weights_that_are_not_there_are_an_error() {
    let folder = Folder::new("absent");
    TinyModel::default().write(&folder);
    let mut spec = TinyModel::spec(&folder);
    spec.weights = "none.safetensors".to_owned();
    assert_eq!(Candle::load(&spec).err().unwrap().kind, Kind::Internal);
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_build_without_cuda_has_no_gpu() {
    assert_eq!(Candle::describe().capabilities.devices, ["cpu"]);
    let folder = Folder::new("gpu");
    let mut spec = TinyModel::spec(&folder);
    spec.device = Device::Cuda(0);
    assert_eq!(Candle::check(&spec).err().unwrap().kind, Kind::Unsupported);
}

//! The engine on a tiny model with made-up weights.

use bench_protocol::testing::checks::{self, generate, largest_difference};
use bench_protocol::testing::{Folder, TinyModel};
use bench_protocol::{Engine, Kind};

use super::*;

#[test]
fn decoding_with_the_cache_equals_a_fresh_prefill_of_each_prefix() {
    checks::decoding_equals_a_fresh_prefill_of_each_prefix::<Candle>();
}

#[test]
fn a_reset_leaves_nothing_of_the_prompt_before() {
    checks::a_reset_leaves_nothing_of_the_prompt_before::<Candle>();
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
            let difference = largest_difference::<Candle>(model, Dtype::F32);
            assert!(difference < 1e-4, "{model:?}: {difference}");
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
    let failure = checks::failure_without_weights::<Candle>();
    assert_eq!(failure.kind, Kind::Internal);
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_build_without_cuda_has_no_gpu() {
    checks::there_is_no_gpu::<Candle>();
}

//! The engine on a tiny model with made-up weights.

use bench_protocol::testing::checks::{self, generate, largest_difference};
use bench_protocol::testing::{Folder, TinyModel};
use bench_protocol::{Engine, Kind, Spec};

use super::*;

#[test]
fn logits_are_those_of_plain_loops_in_float64() {
    checks::logits_are_those_of_plain_loops_in_float64::<Burn>(&[8, 4]);
}

/// Logits reach 8 here; float16 keeps 11 bits of such a number, bfloat16 8, and roundings add up.
#[test]
fn half_types_differ_by_their_rounding_alone() {
    for (dtype, bits) in [(Dtype::F16, 11), (Dtype::Bf16, 8)] {
        let step = 8.0 / f64::from(1 << bits);
        let difference = largest_difference::<Burn>(TinyModel::default(), dtype);
        assert!(difference < 32.0 * step, "{dtype}: {difference}");
        assert!(
            difference > step / 8.0,
            "{dtype} computes in another type: {difference}"
        );
    }
}

#[test]
fn an_error_of_burn_says_its_reason() {
    let reason = "CUDA_ERROR_OUT_OF_MEMORY: out of memory".to_owned();
    let found = failure(&ExecutionError::WithContext { reason });
    assert_eq!(found.kind, Kind::OutOfMemory);
    assert!(found.message.contains("CUDA_ERROR"));
}

#[test]
fn weights_in_several_files_are_those_of_one() {
    let folder = Folder::new("sharded");
    TinyModel::default().write(&folder);
    TinyModel::default().write_sharded(&folder);
    let spec = TinyModel::spec(&folder);
    let sharded = Spec {
        weights: "model.safetensors.index.json".to_owned(),
        ..spec.clone()
    };
    let [one, several] = [&spec, &sharded].map(|spec| {
        let (mut engine, _) = Burn::load(spec).unwrap();
        generate(&mut engine, &spec.cases[0])
    });
    assert_eq!(one, several);
}

#[test]
fn decoding_with_the_cache_equals_a_fresh_prefill_of_each_prefix() {
    checks::decoding_equals_a_fresh_prefill_of_each_prefix::<Burn>();
}

#[test]
fn decoding_together_gives_the_ids_of_each_alone() {
    checks::decoding_together_gives_the_ids_of_each_alone::<Burn>();
}

#[test]
fn a_reset_leaves_nothing_of_the_prompt_before() {
    checks::a_reset_leaves_nothing_of_the_prompt_before::<Burn>();
}

#[test]
fn tokens_that_the_cache_cannot_take_are_an_error() {
    let folder = Folder::new("capacity");
    TinyModel::default().write(&folder);
    let spec = Spec {
        max_seq_len: 5,
        ..TinyModel::spec(&folder)
    };
    let (mut engine, _) = Burn::load(&spec).unwrap();
    let mut take = |place, ids: &[u32]| engine.model.logits(&[(place, ids)]).is_ok();
    assert!(take(0, &[1, 2, 3, 4]));
    assert!(!take(0, &[5, 6]), "one too many");
    assert!(take(0, &[5]));
    assert!(!take(1, &[5]), "no such place");
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused() {
    let folder = Folder::new("misfit");
    TinyModel::default().write(&folder);
    let refused = |model: TinyModel| {
        let text = model.config().to_string();
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        Burn::load(&TinyModel::spec(&folder)).err().unwrap()
    };
    let untied = TinyModel {
        is_tied: false,
        ..TinyModel::default()
    };
    assert!(refused(untied).message.contains("lm_head.weight"));
    let narrow = TinyModel {
        head_dim: 4,
        ..TinyModel::default()
    };
    assert!(refused(narrow).message.contains("[32, 32]"));
}

#[test]
fn a_tensor_that_nothing_computes_with_is_refused() {
    let folder = Folder::new("bias");
    TinyModel::default().write_with(&folder, "model.layers.0.self_attn.q_proj.bias");
    let failure = Burn::load(&TinyModel::spec(&folder)).err().unwrap();
    assert_eq!(failure.kind, Kind::Unsupported);
    assert!(failure.message.contains("q_proj.bias"));
}

#[test]
fn weights_that_are_not_there_are_named() {
    let failure = checks::failure_without_weights::<Burn>();
    assert_eq!(failure.kind, Kind::Internal);
    assert!(failure.message.contains("none.safetensors"));
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_build_without_cuda_has_no_gpu() {
    checks::there_is_no_gpu::<Burn>();
}

#[test]
fn another_number_of_threads_than_the_pool_has_is_an_error() {
    assert_eq!(device::set_threads(1), Ok(1));
    assert!(device::set_threads(2).is_err());
}

//! What each adapter's tests ask of its engine on the tiny model.

use super::{Folder, TinyModel};
use crate::engine::Engine;
use crate::failure::{Failure, Kind};
use crate::spec::{Case, Device, Dtype, Spec};
use crate::timings::Timings;

/// Ids of the answer to a case, after a reset.
pub fn generate<E: Engine>(engine: &mut E, case: &Case) -> Vec<u32> {
    let mut timings = Timings::new(case.max_new_tokens, false);
    engine.reset().unwrap();
    engine
        .generate(case, case.sampling.seed, &mut timings)
        .unwrap();
    timings.token_ids().to_vec()
}

/// Largest difference from the logits that plain loops in float64 give, over a prompt and the
/// tokens after it.
#[must_use]
pub fn largest_difference<E: Engine>(model: TinyModel, dtype: Dtype) -> f64 {
    let folder = Folder::new(&format!("logits-{model:?}-{dtype}"));
    model.write(&folder);
    let mut spec = TinyModel::spec(&folder);
    spec.dtype = dtype;
    let ids = [5, 17, 3, 29, 0, 39, 8, 8, 21, 14];
    let (prompt, fed) = ids.split_at(6);
    let case = Case {
        prompt_ids: prompt.to_vec(),
        max_new_tokens: fed.len() + 1,
        forced_ids: Some([fed, &[0]].concat()),
        ..spec.cases[0].clone()
    };
    let mut timings = Timings::new(case.max_new_tokens, false).with_logits();
    let (mut engine, _) = E::load(&spec).unwrap();
    engine.reset().unwrap();
    engine.generate(&case, 0, &mut timings).unwrap();

    let found = timings.logits().unwrap();
    let expected: Vec<f64> = (prompt.len()..=ids.len())
        .flat_map(|end| model.logits(&ids[..end]))
        .collect();
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(&found, expected)| (f64::from(found) - expected).abs())
        .fold(0.0, f64::max)
}

/// Tied or not, scaled or not, with heads of these widths: logits in f32 are those of plain loops.
pub fn logits_are_those_of_plain_loops_in_float64<E: Engine>(head_widths: &[usize]) {
    for is_tied in [true, false] {
        for has_llama3_scaling in [true, false] {
            for &head_dim in head_widths {
                let model = TinyModel {
                    is_tied,
                    has_llama3_scaling,
                    head_dim,
                };
                let difference = largest_difference::<E>(model, Dtype::F32);
                assert!(difference < 1e-4, "{model:?}: {difference}");
            }
        }
    }
}

/// Each type that the engine says it computes in loads and answers, with a cache of that type.
pub fn every_type_of_the_capabilities_loads_and_runs<E: Engine>() {
    let folder = Folder::new("dtypes");
    TinyModel::default().write(&folder);
    for dtype in E::describe().capabilities.dtypes {
        let mut spec = TinyModel::spec(&folder);
        spec.dtype = dtype;
        let (mut engine, loaded) = E::load(&spec).unwrap();
        assert_eq!(loaded.kv_cache_dtype, dtype.to_string());
        assert_eq!(generate(&mut engine, &spec.cases[0]).len(), 12);
    }
}

/// A head width that is not derived from the other two is refused.
pub fn another_head_width_is_refused<E: Engine>() {
    let folder = Folder::new("head-width");
    let narrow = TinyModel {
        head_dim: 4,
        ..TinyModel::default()
    };
    narrow.write(&folder);
    let failure = E::load(&TinyModel::spec(&folder)).err().unwrap();
    assert_eq!(failure.kind, Kind::Unsupported);
    assert!(failure.message.contains("head_dim is 4"));
}

/// Each token of an answer is also the first one after a prompt that ends before it.
pub fn decoding_equals_a_fresh_prefill_of_each_prefix<E: Engine>() {
    let folder = Folder::new("prefix");
    TinyModel::default().write(&folder);
    let spec = TinyModel::spec(&folder);
    let (mut engine, loaded) = E::load(&spec).unwrap();
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

/// An answer is the same after another prompt.
pub fn a_reset_leaves_nothing_of_the_prompt_before<E: Engine>() {
    let folder = Folder::new("reset");
    TinyModel::default().write(&folder);
    let spec = TinyModel::spec(&folder);
    let (mut engine, _) = E::load(&spec).unwrap();
    let first = generate(&mut engine, &spec.cases[0]);
    let other = Case {
        prompt_ids: vec![1, 2],
        ..spec.cases[0].clone()
    };
    assert_ne!(generate(&mut engine, &other), first);
    assert_eq!(generate(&mut engine, &spec.cases[0]), first);
}

/// What an engine says of a model whose weights are not where the spec has them.
#[must_use]
pub fn failure_without_weights<E: Engine>() -> Failure {
    let folder = Folder::new("absent");
    TinyModel::default().write(&folder);
    let spec = Spec {
        weights: "none.safetensors".to_owned(),
        ..TinyModel::spec(&folder)
    };
    E::load(&spec).err().unwrap()
}

/// A build without CUDA names no GPU and refuses one.
pub fn there_is_no_gpu<E: Engine>() {
    assert_eq!(E::describe().capabilities.devices, ["cpu"]);
    let folder = Folder::new("gpu");
    let spec = Spec {
        device: Device::Cuda(0),
        ..TinyModel::spec(&folder)
    };
    assert_eq!(E::check(&spec).err().unwrap().kind, Kind::Unsupported);
}

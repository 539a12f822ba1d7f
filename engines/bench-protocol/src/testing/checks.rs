//! What each adapter's tests ask of its engine on the tiny model.

use super::{Folder, TinyModel};
use crate::batch::Batch;
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

/// Sequences decoded together, in places of their own, get the ids that each gets alone: also one that
/// begins beside others where the engine takes it, and one at a place that was another's.
pub fn decoding_together_gives_the_ids_of_each_alone<E: Engine>() {
    let folder = Folder::new("together");
    TinyModel::default().write(&folder);
    let spec = TinyModel::spec_of_places(&folder, 3);
    let (mut engine, loaded) = E::load(&spec).unwrap();
    assert_eq!(loaded.batch_size, 3);
    let is_static = engine.batch().unwrap().is_static();
    let mut prompts: [&[u32]; 4] = [&[5, 17, 3, 29], &[8, 2], &[30, 30, 7], &[1, 39]];
    if is_static {
        prompts = [&[5, 17, 3], &[8, 2, 0], &[30, 30, 7], &[1, 39, 12]];
    }
    let alone = prompts.map(|prompt| {
        let prompt_ids = prompt.to_vec();
        let case = Case {
            prompt_ids,
            ..spec.cases[0].clone()
        };
        generate(&mut engine, &case)
    });
    engine.reset().unwrap();
    let batch = engine.batch().unwrap();
    let mut found = vec![Vec::new(); 4];
    let begin = |batch: &mut dyn Batch, found: &mut [Vec<u32>], of: &[(usize, usize)]| {
        let (numbers, places): (Vec<usize>, Vec<usize>) = of.iter().copied().unzip();
        let prompts: Vec<&[u32]> = numbers.iter().map(|&number| prompts[number]).collect();
        take(found, &numbers, &batch.prefill(&places, &prompts).unwrap());
    };
    let step = |batch: &mut dyn Batch, found: &mut [Vec<u32>], of: &[(usize, usize)]| {
        let (numbers, places): (Vec<usize>, Vec<usize>) = of.iter().copied().unzip();
        let ids: Vec<u32> = numbers
            .iter()
            .map(|&number| found[number][found[number].len() - 1])
            .collect();
        take(found, &numbers, &batch.step(&places, &ids).unwrap());
    };
    if is_static {
        begin(batch, &mut found, &[(0, 2), (1, 0), (2, 1)]);
        step(batch, &mut found, &[(0, 2), (1, 0), (2, 1)]);
        batch.release(0);
        step(batch, &mut found, &[(2, 1), (0, 2)]);
        batch.release(1);
        batch.release(2);
        begin(batch, &mut found, &[(3, 0)]);
        step(batch, &mut found, &[(3, 0)]);
    } else {
        begin(batch, &mut found, &[(0, 2), (1, 0)]);
        step(batch, &mut found, &[(0, 2), (1, 0)]);
        begin(batch, &mut found, &[(2, 1)]);
        step(batch, &mut found, &[(1, 0), (2, 1), (0, 2)]);
        batch.release(0);
        begin(batch, &mut found, &[(3, 0)]);
        step(batch, &mut found, &[(0, 2), (3, 0), (2, 1)]);
    }
    for (number, ids) in found.iter().enumerate() {
        assert!(ids.len() > 1);
        assert_eq!(ids, &alone[number][..ids.len()], "sequence {number}");
    }
}

/// Put the id with the highest of each row of logits behind the ids of these sequences.
fn take(found: &mut [Vec<u32>], numbers: &[usize], logits: &[f32]) {
    let width = logits.len() / numbers.len();
    for (&number, row) in numbers.iter().zip(logits.chunks_exact(width)) {
        let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let id = row.iter().position(|&logit| logit == best).unwrap();
        found[number].push(id as u32);
    }
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

//! The engine on a tiny model with made-up weights.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bench_protocol::testing::checks::{self, generate};
use bench_protocol::testing::{Folder, TinyModel};
use bench_protocol::{Engine, Kind};

use super::*;

static ENGINES: Mutex<()> = Mutex::new(());

/// One engine at a time: what ends a request before its last token ends those of the whole process.
fn alone() -> MutexGuard<'static, ()> {
    ENGINES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn decoding_with_the_cache_equals_a_fresh_prefill_of_each_prefix() {
    let _alone = alone();
    checks::decoding_equals_a_fresh_prefill_of_each_prefix::<Mistral>();
}

#[test]
fn a_reset_leaves_nothing_of_the_prompt_before() {
    let _alone = alone();
    checks::a_reset_leaves_nothing_of_the_prompt_before::<Mistral>();
}

#[test]
fn every_type_of_the_capabilities_loads_and_runs() {
    let _alone = alone();
    checks::every_type_of_the_capabilities_loads_and_runs::<Mistral>();
}

#[test]
fn logits_are_those_of_plain_loops_in_float64() {
    let _alone = alone();
    checks::logits_are_those_of_plain_loops_in_float64::<Mistral>(&[8]);
}

#[test]
fn an_end_of_sequence_ends_the_request_and_the_next_one_is_whole() {
    let _alone = alone();
    let folder = Folder::new("eos");
    TinyModel::default().write(&folder);
    let spec = TinyModel::spec(&folder);
    let (mut engine, _) = Mistral::load(&spec).unwrap();
    let whole = generate(&mut engine, &spec.cases[0]);
    for place in [0, 3] {
        let case = Case {
            ignore_eos: false,
            eos_ids: vec![whole[place]],
            ..spec.cases[0].clone()
        };
        let first = whole.iter().position(|&id| id == whole[place]).unwrap();
        assert_eq!(generate(&mut engine, &case), whole[..=first]);
        assert_eq!(generate(&mut engine, &spec.cases[0]), whole);
    }
}

#[test]
fn a_head_width_that_mistral_rs_would_not_take_is_refused() {
    checks::another_head_width_is_refused::<Mistral>();
}

#[test]
fn weights_that_are_not_there_are_an_error() {
    let failure = checks::failure_without_weights::<Mistral>();
    assert_eq!(failure.kind, Kind::Internal);
}

#[test]
fn there_is_no_gpu() {
    checks::there_is_no_gpu::<Mistral>();
}

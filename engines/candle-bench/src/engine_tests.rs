//! The engine on a tiny model with made-up weights.

use bench_protocol::Kind;
use bench_protocol::testing::checks;

use super::*;

#[test]
fn decoding_with_the_cache_equals_a_fresh_prefill_of_each_prefix() {
    checks::decoding_equals_a_fresh_prefill_of_each_prefix::<Candle>();
}

#[test]
fn decoding_together_gives_the_ids_of_each_alone() {
    checks::decoding_together_gives_the_ids_of_each_alone::<Candle>();
}

#[test]
fn a_reset_leaves_nothing_of_the_prompt_before() {
    checks::a_reset_leaves_nothing_of_the_prompt_before::<Candle>();
}

#[test]
fn every_type_of_the_capabilities_loads_and_runs() {
    checks::every_type_of_the_capabilities_loads_and_runs::<Candle>();
}

#[test]
fn logits_are_those_of_plain_loops_in_float64() {
    checks::logits_are_those_of_plain_loops_in_float64::<Candle>(&[8]);
}

#[test]
fn what_candle_would_compute_differently_is_refused() {
    checks::another_head_width_is_refused::<Candle>();
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

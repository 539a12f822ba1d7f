"""Which Llamas lm.rs computes rightly: each rule by a model that breaks it alone."""

from __future__ import annotations

import pytest

from benchmark_runner.model.formats import CannotConvertError
from benchmark_runner.model.lmrs.limits import broken_rules, longest_wavelength, require_computable
from benchmark_runner.model.recipes import synthetic_models
from benchmark_runner.model.synthetic import model_config
from lmrs_case import CONFIG, shape_of
from tiny_model import LLAMA_3_2_SCALING

LLAMA_32_1B = CONFIG | {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "num_hidden_layers": 16,
    "vocab_size": 128_256,
    "max_position_embeddings": 131_072,
}


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        LLAMA_32_1B,
        CONFIG | {"rope_theta": 2242.0, "rope_scaling": None},
        CONFIG
        | {"rope_theta": None, "rope_scaling": None, "rope_parameters": {"rope_type": "default", "rope_theta": 500}},
        CONFIG | {"rope_scaling": None, "rope_parameters": LLAMA_3_2_SCALING | {"rope_theta": 500_000.0}},
    ],
)
def test_a_model_that_lm_rs_computes_is_accepted(config):
    assert broken_rules(config, shape_of(config)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tie_word_embeddings": False}, "not tied"),
        ({"attention_bias": True}, "attention_bias"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"hidden_act": "gelu"}, "'gelu'"),
        ({"vocab_size": 49_152}, "knows 49152 tokens; lm.rs's prompt uses ids up to 128009"),
        ({"vocab_size": 128_258}, "vocab_size 128258 is no multiple of 4"),
        ({"hidden_size": 20}, "hidden_size 20 is no multiple of 8"),
        ({"intermediate_size": 28}, "intermediate_size 28"),
        ({"head_dim": 10}, "heads x head_dim 20"),
        ({"head_dim": 10, "num_attention_heads": 4, "hidden_size": 40}, "10, is no multiple of 4"),
        ({"num_attention_heads": 1}, "not between half and twice"),
        ({"num_attention_heads": 4}, "not between half and twice"),
        ({"num_hidden_layers": 1 << 24}, "do not fit the 32 bits"),
        (
            {"rope_scaling": LLAMA_3_2_SCALING | {"factor": 8.0}},
            "rope scaling has factor 8.0; lm.rs always computes with 32",
        ),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, "of type 'yarn'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "of type 'linear'"),
        ({"rope_scaling": None}, "rope_theta 500000 makes one of"),
        ({"rope_scaling": None, "rope_theta": 2244.0}, "rope_theta 2244 makes one of 20"),
    ],
)
def test_a_rule_that_is_broken_is_named(change, words):
    problems = broken_rules(CONFIG | change, shape_of(CONFIG | change))
    assert [problem for problem in problems if words in problem], problems


def test_all_that_stands_against_a_model_is_told_at_once_with_the_remedy():
    config = CONFIG | {"tie_word_embeddings": False, "vocab_size": 49_152, "rope_scaling": None}
    with pytest.raises(CannotConvertError) as refusal:
        require_computable(config, shape_of(config))
    assert refusal.value.reason.count(";") >= 3
    assert "Llama 3.2 1B or 3B, or leave the engine out" in refusal.value.remedy


def test_wavelengths_by_hand():
    assert longest_wavelength(shape_of(CONFIG | {"rope_theta": 16.0})) == pytest.approx(2 * 3.14159265 * 8)


@pytest.mark.parametrize("name", ["synthetic-llama-3.2-1b", "synthetic-llama-3.2-3b"])
def test_synthetic_models_of_llama_3_2_s_shape_fit_lm_rs(name):
    config = model_config(synthetic_models()[name])
    assert broken_rules(config, shape_of(config)) == []


def test_the_embedded_model_does_not_fit_lm_rs():
    smollm2 = {"vocab_size": 49_152, "rope_theta": 100_000.0, "rope_scaling": None, "hidden_size": 576}
    heads = {"num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "intermediate_size": 1536}
    config = CONFIG | smollm2 | heads
    assert len(broken_rules(config, shape_of(config))) == 2

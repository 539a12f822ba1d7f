"""Programs and models that a configuration names must be there."""

from __future__ import annotations

import pytest

from benchmark_runner.campaign.checks import campaign_problems, missing_binaries, model_context
from benchmark_runner.configuration.resolve import examine
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.recipes import RECIPES
from tiny_model import make_tiny_model

RECIPE = next(iter(RECIPES))


def absent(repository, *engines, **extra):
    return [
        (path[1], message)
        for path, message in missing_binaries(examine({"engines": list(engines), **extra}), repository / "engines")
    ]


def test_a_program_that_is_nowhere_is_named_with_the_nearest_adapter(repository):
    ((index, message),) = absent(
        repository,
        {"name": "off", "enabled": False, "binary_path": "nowhere"},
        {"name": "a", "binary_path": "target/release/pytorch-baseline"},
        {"name": "b", "binary_path": "target/release/candel-bench"},
    )
    assert index == 2
    assert "did you mean 'target/release/candle-bench'?" in message


def test_a_program_that_resembles_no_adapter_gets_the_list_of_them(repository):
    ((_, message),) = absent(repository, {"name": "a", "binary_path": "bin/mystery"})
    assert "those are burn-bench, candle-bench, pytorch-baseline" in message


def test_engines_known_to_be_unserved_and_those_left_out_are_no_problem(repository):
    engines = [{"name": "lm_rs", "binary_path": "nowhere"}, {"name": "a", "binary_path": "nowhere"}]
    assert absent(repository, *engines, only_engines="lm_rs") == []


def test_a_price_catalogue_that_is_not_there_is_named(repository):
    problems = campaign_problems(examine({"business": {"prices": "nowhere.yaml"}}), repository / "engines")
    assert problems == [
        (["business", "prices"], "'nowhere.yaml' is no file; name a price catalogue, or leave the key out")
    ]


def test_the_context_of_a_model_that_is_yet_to_be_made_is_the_recipe_s(tmp_path):
    context = model_context(tmp_path / RECIPE)
    assert (context.length, context.folder) == (RECIPES[RECIPE].context_length, None)


def test_the_context_of_a_folder_is_in_its_config(tmp_path):
    folder = make_tiny_model(tmp_path / "m", max_position_embeddings=77)
    assert (model_context(folder).length, model_context(folder).folder) == (77, folder)


def test_a_path_that_is_not_there_is_named_with_the_nearest_model_beside_it(tmp_path):
    make_tiny_model(tmp_path / "llama-3.2")
    words = r"did you mean '.*llama-3.2'\? Or put a Hugging Face Llama checkpoint there"
    with pytest.raises(BenchmarkError, match=words):
        model_context(tmp_path / "lama-3.2")
    with pytest.raises(BenchmarkError, match="use the embedded model: --config model_path="):
        model_context(tmp_path / "other")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no model.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"short"), "ends inside its header"),
        (lambda folder: (folder / "config.json").write_text("{"), "is not valid JSON"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "gpt2"}'), "only 'llama' is served"),
    ],
)
def test_a_folder_that_is_no_model_says_why(tmp_path, spoil, words):
    folder = make_tiny_model(tmp_path / "m")
    spoil(folder)
    with pytest.raises(BenchmarkError, match=words):
        model_context(folder)

"""Programs and models that a configuration names must be there."""

from __future__ import annotations

import pytest

from benchmark_runner.campaign.checks import campaign_problems, fetched_context, missing_binaries, model_context
from benchmark_runner.configuration.resolve import examine
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.recipes import RECIPES, HubModel
from benchmark_runner.model.source import write_source
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
    adapters = sorted(path.parent.name for path in (repository / "engines").glob("*/adapter.yaml"))
    assert f"those are {', '.join(adapters)}." in message


def test_a_program_of_an_engine_that_is_left_out_is_no_problem(repository):
    engines = [{"name": "b", "binary_path": "target/release/burn-bench"}, {"name": "a", "binary_path": "nowhere"}]
    assert absent(repository, *engines, only_engines="b") == []


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_price_catalogue_that_cannot_be_read_is_named(repository, name):
    ((path, message),) = campaign_problems(examine({"business": {"prices": name}}), repository / "engines")
    assert path == ["business", "prices"]
    assert message.startswith(f"{name!r} is no price catalogue: ") and message.endswith("or leave the key out")


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


def test_the_context_of_a_synthetic_model_is_its_shape_s_and_an_unknown_shape_is_refused(tmp_path):
    context = model_context(tmp_path / "synthetic-llama-3.2-1b")
    assert (context.length, context.folder) == (131072, None)
    with pytest.raises(BenchmarkError, match=r"unknown shape; the shapes are llama-3\.2-1b, .*tiny"):
        model_context(tmp_path / "synthetic-llama-9")


HUB = {"id": "a/b", "revision": "0" * 40}


def test_a_model_that_is_yet_to_be_fetched_has_no_context(tmp_path):
    assert fetched_context(tmp_path / "m", HUB) is None
    (tmp_path / "m").mkdir()
    assert fetched_context(tmp_path / "m", HUB) is None


def test_a_fetched_model_has_the_context_of_its_config(tmp_path):
    folder = make_tiny_model(tmp_path / "m", max_position_embeddings=77)
    model = HubModel(**HUB)
    write_source(folder, model.identity, model.source(), {})
    context = fetched_context(folder, HUB)
    assert context is not None and context.length == 77
    assert fetched_context(folder, {**HUB, "revision": "1" * 40}) is None


def test_what_is_fetched_never_takes_the_place_of_a_folder_of_the_user_s_or_of_a_model_that_is_made(tmp_path):
    folder = make_tiny_model(tmp_path / "mine")
    with pytest.raises(BenchmarkError, match="was not fetched from the hub; name another folder"):
        fetched_context(folder, HUB)
    write_source(folder, "abc", {"kind": "synthetic"}, {})
    with pytest.raises(BenchmarkError, match="was not fetched from the hub; name another folder"):
        fetched_context(folder, HUB)
    for name in (RECIPE, "synthetic-tiny"):
        with pytest.raises(BenchmarkError, match="name of a model that the workflow makes"):
            fetched_context(tmp_path / name, HUB)

"""A prompt longer than the model's context is refused before anything is built, whatever form it has."""

from __future__ import annotations

import json

import pytest

from benchmark_runner.campaign.context import Context, prompt_problems
from tiny_model import make_tiny_model

LENGTH = 64
"""Of the tiny model's context, whose tokens are bytes."""


@pytest.fixture
def context(tmp_path):
    return Context(LENGTH, make_tiny_model(tmp_path / "m"))


def complaints(context, *cases, **fidelity):
    config = {"workloads": [{"test_cases": list(cases)}], **fidelity}
    return [(path[-1], message) for path, message in prompt_problems(config, context)]


@pytest.mark.parametrize(
    "case",
    [
        {"prompt": "x" * 60, "max_tokens": 4},
        {"prompt_tokens": 60, "max_tokens": 4},
        {"prompt": [{"role": "user", "content": "x" * 20}], "max_tokens": 4},
    ],
)
def test_what_fits_exactly_is_no_problem(context, case):
    assert complaints(context, case) == []


@pytest.mark.parametrize(
    ("case", "key", "words"),
    [
        ({"prompt": "x" * 61, "max_tokens": 4}, "prompt", "the prompt's 61 tokens and 4 new ones"),
        ({"prompt_tokens": 61, "max_tokens": 4}, "prompt_tokens", "61 prompt tokens and 4 new ones"),
        ({"prompt_tokens": 61, "max_tokens": 4}, "prompt_tokens", "use 60 or less, or lower max_tokens"),
        ({"prompt": [{"role": "user", "content": "x" * 60}], "max_tokens": 4}, "prompt", "and 4 new ones"),
        ({"prompt": "x", "max_tokens": 64}, "max_tokens", "leave no room for a prompt"),
    ],
)
def test_what_does_not_fit_is_named_with_the_room_that_there_is(context, case, key, words):
    ((found, message),) = complaints(context, case)
    assert found == key
    assert words in message
    assert "context of 64 tokens" in message


MESSAGES = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{# nothing of it #}", "writes nothing of it; use a string as prompt"),
        ("{{ raise_exception('no system here') }}", "refuses the messages: no system here"),
        (None, "has no chat template"),
    ],
)
def test_a_template_that_gives_no_prompt_is_refused_before_anything_is_built(context, template, words):
    (context.folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    ((key, message),) = complaints(context, {"prompt": MESSAGES, "max_tokens": 4})
    assert key == "prompt"
    assert words in message


def test_ids_beyond_the_vocabulary_are_refused_before_anything_is_built(context):
    content = json.loads((context.folder / "config.json").read_text())
    (context.folder / "config.json").write_text(json.dumps(content | {"vocab_size": 9}))
    ((_, message),) = complaints(context, {"prompt": MESSAGES, "max_tokens": 4})
    assert "but the model knows 9 tokens" in message


def test_a_model_that_is_yet_to_be_made_refuses_only_what_cannot_fit():
    context = Context(100, None)
    assert complaints(context, {"prompt": "x" * 720, "max_tokens": 10}) == []
    ((key, message),) = complaints(context, {"prompt": "x" * 721, "max_tokens": 10})
    assert key == "prompt"
    assert "721 characters, at 8 a token at most" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), (b"", "is empty"), (b"caf\xe9", "is not UTF-8"), (b"x" * 61, "61 tokens")],
)
def test_a_prompt_file_must_be_there_with_a_text_that_fits(context, tmp_path, content, words):
    file = tmp_path / "prompt.txt"
    if content is not None:
        file.write_bytes(content)
    ((key, message),) = complaints(context, {"prompt_file": str(file), "max_tokens": 4})
    assert key == "prompt_file"
    assert words in message


def test_prompt_files_are_looked_at_even_where_the_model_is_unknown(tmp_path):
    assert complaints(None, {"prompt_file": str(tmp_path / "nowhere"), "max_tokens": 4}) != []
    assert complaints(None, {"prompt_tokens": 10**6, "max_tokens": 4}) == []


def test_texts_of_the_fidelity_check_must_fit_too(context):
    found = list(prompt_problems({"fidelity": {"max_tokens": 8, "prompts": ["x", "x" * 57]}}, context))
    assert [path for path, _ in found] == [["fidelity", "prompts", 1]]
    built_in = list(prompt_problems({"fidelity": {"max_tokens": 64, "prompts": None}}, context))
    assert {tuple(path) for path, _ in built_in} == {("fidelity", "max_tokens")}
    some_fit = prompt_problems({"fidelity": {"max_tokens": 40, "prompts": None}}, context)
    assert list(some_fit) == []


@pytest.mark.parametrize(
    "case",
    [
        {"prompt": "", "max_tokens": 4},
        {"prompt": 5, "max_tokens": 4},
        {"prompt": [{"role": "user"}], "max_tokens": 4},
        {"prompt_tokens": "many", "max_tokens": 4},
        {"prompt": "x" * 100, "max_tokens": "few"},
        {"prompt": "x" * 100, "max_tokens": True},
        {},
    ],
)
def test_what_the_schema_refuses_is_passed_over(context, case):
    assert complaints(context, case) == []

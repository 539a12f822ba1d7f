"""The embedded model as it lies in models/: real weights, real tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from benchmark_runner.model.chat import render
from benchmark_runner.model.manifest import build_manifest
from benchmark_runner.model.recipes import RECIPES
from benchmark_runner.model.texts import text_of

pytestmark = pytest.mark.real_engine

NAME = "smollm2-135m-instruct"

CHAT_IDS = [
    *[1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182, 2],
    *[198, 1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 1350, 216, 33, 34, 35, 36, 37, 47, 2, 198, 1, 520],
    *[9531, 198],
]
"""What apply_chat_template(…, add_generation_prompt=True) of transformers 5.23.0 gives."""


@pytest.fixture
def folder(embedded_model: Path) -> Path:
    return embedded_model


def test_the_embedded_model_is_the_recipe_s(folder: Path) -> None:
    manifest = build_manifest(folder, NAME, RECIPES[NAME].identity, "embedded")
    assert manifest["source"]["kind"] == "embedded"
    assert manifest["architecture"]["parameters"] == 134_515_008
    assert manifest["architecture"]["context_length"] == RECIPES[NAME].context_length
    assert manifest["weights_bytes"] == 4 * 134_515_008


def test_chat_prompts_have_the_ids_that_transformers_gives(folder: Path) -> None:
    text = render(folder, [{"role": "user", "content": "What is the capital of France? And 12345?"}])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode(text, add_special_tokens=False).ids == CHAT_IDS


@pytest.mark.parametrize("count", [1, 2, 5, 128, 1000])
def test_counted_prompts_are_reached(folder: Path, count: int) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = text_of(count, lambda text: tokenizer.encode(text).ids)
    assert len(tokenizer.encode(text).ids) == count

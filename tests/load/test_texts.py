"""Ids as text and back, for servers that take no ids."""

from __future__ import annotations

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.load.texts import TextError, Texts
from tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny_model(folder)
    return Texts(folder)


def test_a_prompt_s_text_gives_its_ids_again(texts):
    ids = texts.ids_of("nine lives")
    assert texts.ids_of(texts.of_prompt(ids)) == ids


def test_ids_of_an_answer_are_those_behind_its_prompt(texts):
    assert texts.ids_behind("one", " two") == texts.ids_of("one two")[len(texts.ids_of("one")) :]


def test_an_answer_that_changes_the_prompt_s_ids_has_none(texts, monkeypatch):
    monkeypatch.setattr(texts, "ids_of", lambda text: [len(text)])
    with pytest.raises(TextError, match="changes the last id"):
        texts.ids_behind("one", " two")


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match=r"tokenizer\.json cannot be read"):
        Texts(tmp_path)

"""Ids as text and back, for servers that take no ids."""

from __future__ import annotations

import json

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.load.chunks import answer_of
from benchmark_runner.load.texts import TextError, Texts
from benchmark_runner.load.wire import Piece
from tiny_model import make_tiny_model

END = {"text": "", "finish_reason": "stop"}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny_model(folder)
    return Texts(folder)


def test_a_token_that_has_two_ids_is_told_since_readers_take_either(tmp_path):
    make_tiny_model(tmp_path / "tiny")
    path = tmp_path / "tiny" / "tokenizer.json"
    vocabulary = json.loads(path.read_text())["model"]["vocab"]
    token, number = next((token, number) for token, number in vocabulary.items() if token.isalpha())
    entry = f'"{token}": {number}'
    doubled = path.read_text().replace(entry, f"{entry}, {entry}", 1)
    assert doubled != path.read_text()
    path.write_text(doubled)
    with pytest.raises(BenchmarkError, match=rf"cannot be read as a tokenizer \(the key '{token}' stands twice"):
        Texts(tmp_path / "tiny")


def test_a_prompt_s_text_gives_its_ids_again(texts):
    ids = texts.ids_of("nine lives")
    assert texts.ids_of(texts.of_prompt(ids)) == ids


def test_ids_of_an_answer_are_those_behind_its_prompt(texts):
    assert texts.ids_behind("one", " two") == texts.ids_of("one two")[len(texts.ids_of("one")) :]


def test_an_answer_that_changes_the_prompt_s_ids_has_none(texts, monkeypatch):
    monkeypatch.setattr(texts, "ids_of", lambda text: [len(text)])
    with pytest.raises(TextError, match="changes the last id"):
        texts.ids_behind("one", " two")


def test_an_answer_s_text_may_come_in_halves_of_a_character_and_end_with_one(texts):
    events = [*({"choices": [{"text": half}]} for half in ("\ud83d", "\ude00", "!\ud83d")), {"choices": [END]}]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    answer = answer_of([Piece(f"{head}{body}".encode(), 5)], max_tokens=9, closed=True)
    assert (answer.status, answer.text) == ("ok", "\N{GRINNING FACE}!\N{REPLACEMENT CHARACTER}")
    assert texts.ids_behind("one", answer.text) == texts.ids_of(answer.text)


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match=r"tokenizer\.json cannot be read"):
        Texts(tmp_path)

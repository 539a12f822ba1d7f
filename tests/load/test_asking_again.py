"""Behind an end-of-sequence id that a server cannot go past, its client asks again where the greedy ids are wanted."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark_runner.load.asking import Asked, Asking
from benchmark_runner.load.chunks import Answer
from benchmark_runner.load.connection import target_of
from benchmark_runner.load.texts import TextError

END = 2
SPOKEN = [5, END, 6, END, 7, 8]
"""What the model says after any prompt."""
CASE = {
    "prompt_ids": [11, 12],
    "max_new_tokens": 5,
    "ignore_eos": True,
    "eos_ids": [END],
    "sampling": {"temperature": 0, "top_p": 1, "seed": 0},
}


class ScriptedServer(Asking):
    """Says SPOKEN, from one end-of-sequence id to the next, an id a nanosecond."""

    def __init__(self, past_eos: str) -> None:
        server = {"path": "/", "model": "m", "body": {}, "ids": {"in": True, "stream": "token_ids", "whole": None}}
        nobody: Any = None
        super().__init__({**server, "past_eos": past_eos}, target_of("http://127.0.0.1:1"), nobody, None)
        self.asked: list[dict[str, Any]] = []

    def ask(self, case, prompt, number, **_: Any) -> Asked:
        body = json.loads(self.request(case, prompt, number).partition(b"\r\n\r\n")[2])
        self.asked.append(body)
        said = len(body["prompt"]) - len(CASE["prompt_ids"])
        ids = SPOKEN[said : said + body["max_tokens"]]
        ids = ids[: ids.index(END) + 1] if END in ids and not body["ignore_eos"] else ids
        times = [100 * len(self.asked) + place for place in range(len(ids))]
        finish = "length" if len(ids) == body["max_tokens"] else "stop"
        answer = Answer(times, [1] * len(ids), ids, 0, None, len(ids), 0, finish, "ok", None)
        return Asked(SimpleNamespace(end_ns=times[-1]), answer)


def answered(server: ScriptedServer) -> Any:
    return server.timed(server.ask(CASE, CASE["prompt_ids"], 0), CASE, 0)


def test_ids_behind_each_end_are_those_of_a_prompt_that_holds_it():
    server = ScriptedServer("asked_again")
    timed = answered(server)
    assert (timed.token_ids, timed.finish) == (SPOKEN[:5], "length")
    assert timed.token_ns == [100, 101, 200, 201, 300]
    assert [body["prompt"] for body in server.asked] == [[11, 12], [11, 12, 5, END], [11, 12, 5, END, 6, END]]
    assert [body["max_tokens"] for body in server.asked] == [5, 3, 1]


def test_text_that_ends_early_is_not_gone_on_with():
    server = ScriptedServer("asked_again")
    asked = server.ask(CASE, CASE["prompt_ids"], 0)
    nothing: Any = SimpleNamespace()
    server.texts = nothing
    with pytest.raises(TextError, match="ends after 2 of 5 tokens"):
        server.timed(asked, CASE, 0)


@pytest.mark.parametrize("past_eos", ["goes_on", "banned"])
def test_other_servers_are_asked_once_to_ignore_it(past_eos):
    server = ScriptedServer(past_eos)
    answered(server)
    assert [body["ignore_eos"] for body in server.asked] == [True]


class Elsewhere(Asking):
    """A server that goes on past its end by keys of its own."""

    def __init__(self, **asked: Any) -> None:
        server = {"path": "/", "model": "m", "body": {}, "ids": {"in": True, "stream": "token_ids", "whole": None}}
        nobody: Any = None
        super().__init__({**server, **asked}, target_of("http://127.0.0.1:1"), nobody, None)

    def body(self, **changed: Any) -> dict[str, Any]:
        request = self.request({**CASE, **changed}, CASE["prompt_ids"], 0)
        return dict(json.loads(request.partition(b"\r\n\r\n")[2]))


def test_a_server_without_ignore_eos_is_asked_by_keys_of_its_own_to_go_on():
    server = Elsewhere(ignoring_eos={"settings": '{"least": {max_tokens}}', "ends": 0})
    going_on, ending = server.body(), server.body(ignore_eos=False)
    assert (going_on["settings"], going_on["ends"]) == ('{"least": 5}', 0)
    assert not {"settings", "ends", "ignore_eos"} & ending.keys()
    assert "ignore_eos" not in going_on
    assert Elsewhere().body()["ignore_eos"] is True


def test_a_text_that_is_the_number_of_tokens_alone_is_sent_as_a_number_at_any_depth():
    keys = {"min_tokens": "{max_tokens}", "sampling": {"least": "{max_tokens}", "each": ["{max_tokens} of them", None]}}
    sent = Elsewhere(ignoring_eos=keys).body()
    assert (sent["min_tokens"], sent["sampling"]) == (5, {"least": 5, "each": ["5 of them", None]})


def test_it_is_not_asked_so_where_the_client_asks_again_behind_each_end():
    assert "ends" not in Elsewhere(past_eos="asked_again", ignoring_eos={"ends": 0}).body()


def test_all_that_a_case_says_is_sent_since_what_is_left_out_servers_choose_themselves():
    drawn = {**CASE, "sampling": {"temperature": 0.7, "top_p": 0.9, "seed": 40}}
    request = Elsewhere().request(drawn, CASE["prompt_ids"], 3)
    sent = json.loads(request.partition(b"\r\n\r\n")[2])
    assert sent.items() >= {"max_tokens": 5, "temperature": 0.7, "top_p": 0.9, "seed": 43, "ignore_eos": True}.items()
    neutral = Elsewhere().body(ignore_eos=False)
    assert (neutral["temperature"], neutral["top_p"], neutral["seed"], neutral["ignore_eos"]) == (0, 1, 0, False)

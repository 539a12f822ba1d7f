from __future__ import annotations

import json
from typing import Any

import pytest

from benchmark_runner.protocol.events import Window, read_events

CASE = {"max_new_tokens": 2, "ignore_eos": True, "eos_ids": [9]}
SPEC = {"device": "cpu", "warmup_iterations": 1, "iterations": 1, "cases": [CASE]}
WINDOW = Window(100, 1000)
HELLO = {"event": "hello", "engine": "e", "version": "1", "protocol": 1, "build": {}, "capabilities": {}}
LOAD = {"weights_dtype": "f32", "compute_dtype": "f32", "kv_cache_dtype": "f32", "device": "cpu", "threads": 1}


def iteration(start: int, *, warmup: bool = False, **changes: Any) -> dict[str, Any]:
    event = {
        "event": "iteration",
        "index": 0,
        "warmup": warmup,
        "case": 0,
        "start_ns": start,
        "token_ids": [5, 6],
        "token_ns": [start + 10, start + 20],
        "end_ns": start + 30,
        "finish": "length",
    }
    return event | changes


def sound() -> list[dict[str, Any]]:
    return [
        dict(HELLO),
        {"event": "load_start", "time_ns": 150},
        {"event": "load_end", "time_ns": 200, **LOAD},
        iteration(300, warmup=True),
        iteration(400),
        {"event": "done"},
    ]


def report(tmp_path, events: list[Any], spec=SPEC, end: str = "\n"):
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(json.dumps(event) for event in events) + end)
    return read_events(path, spec, WINDOW)


def test_sound_events_are_taken_whole(tmp_path):
    result = report(tmp_path, sound())
    assert (result.problem, result.done, result.error) == (None, True, None)
    untold = {"batch_size": None, "simd": None, "compiled_graph": None}
    assert result.load == {"start_ns": 150, "end_ns": 200, **LOAD, **untold}
    assert [event["start_ns"] for event in result.iterations] == [300, 400]
    assert "event" not in result.iterations[0]
    assert result.measured == Window(400, 430)


def test_settings_that_the_engine_tells_are_kept(tmp_path):
    told = {"batch_size": 1, "simd": "avx2", "compiled_graph": False}
    events = sound()
    events[2] |= told
    assert report(tmp_path, events).load == {"start_ns": 150, "end_ns": 200, **LOAD, **told}


def test_no_file_is_no_event(tmp_path):
    result = read_events(tmp_path / "nothing", SPEC, WINDOW)
    assert (result.hello, result.done, result.problem, result.measured) == (None, False, None, None)


def changed(place: int, /, **changes: Any) -> list[dict[str, Any]]:
    events = sound()
    events[place] |= changes
    return events


def without(index: int, key: str | None = None) -> list[dict[str, Any]]:
    events = sound()
    if key is None:
        del events[index]
    else:
        del events[index][key]
    return events


BROKEN = {
    "load_start before hello": without(0),
    "protocol 2; this runner speaks 1": changed(0, protocol=2),
    "a second hello": [HELLO, *sound()],
    "load_end without its load_start": without(1),
    "iteration before load_end": without(2),
    "the spec asks for device cpu, the engine computes on cuda:0": changed(2, device="cuda:0"),
    "load_end lacks threads": without(2, "threads"),
    "load_end.compiled_graph is 1, not of type bool": changed(2, compiled_graph=1),
    "hello has unknown fields colour": changed(0, colour="red"),
    "load_start.time_ns is '150', not of type int": changed(1, time_ns="150"),
    "load_start.time_ns is True, not of type int": changed(1, time_ns=True),
    "unknown event 'pause'": [{"event": "pause"}, *sound()],
    "time goes back to 99 ns; 100 ns had been reached": changed(1, time_ns=99),
    "time goes back to 140 ns; 150 ns had been reached": changed(2, time_ns=140),
    "iteration 0 of case 0 where warm-up 0 of case 0 is owed": without(3),
    "done although iteration 0 of case 0 is owed": without(4),
    "iteration 1 of case 0 where iteration 0 of case 0 is owed": changed(4, index=1),
    "iteration 0 of case 0 where done is owed": [*sound()[:-1], iteration(500)],
    "iteration 0 of case 0: time goes back to 320 ns": changed(4, start_ns=320, token_ns=[320, 320], end_ns=330),
    "iteration 0 of case 0: time 2000 ns lies after the end of the process at 1000 ns": changed(4, end_ns=2000),
    "iteration 0 of case 0: iteration: time goes back from 410 to 405 ns": changed(4, token_ns=[410, 405]),
    "iteration 0 of case 0: iteration: time goes back from 400 to 399 ns": changed(4, token_ns=[399, 405]),
    "iteration 0 of case 0: 2 token_ids but 1 token_ns": changed(4, token_ns=[410]),
    "iteration 0 of case 0: 2 token_ids but 1 margins": changed(4, margins=[0.5]),
    "but 1 tokens were generated instead of 2": changed(4, token_ids=[5], token_ns=[410]),
    "finish is eos although the spec says ignore_eos": changed(4, finish="eos"),
    "finish is 'bored', not length or eos": changed(4, finish="bored"),
    "token_ids, token_ns and used_prompt_ids must be integers": changed(4, token_ids=[5, 6.0]),
    "iteration 0 of case 0: token_ids, token_ns and used_prompt_ids": changed(4, used_prompt_ids=[1, "2"]),
    "iteration.tokenized_ns is 1.5, not of type int": changed(4, tokenized_ns=1.5),
    "iteration 0 of case 0: iteration: time goes back from 411 to 410 ns": changed(4, tokenized_ns=411),
    "done after the end": [*sound(), {"event": "done"}],
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_breaks_the_protocol_is_named(tmp_path, words):
    assert words in (report(tmp_path, BROKEN[words]).problem or "")


def test_what_an_engine_made_of_a_text_is_kept_with_its_time(tmp_path):
    result = report(tmp_path, changed(4, used_prompt_ids=[7, 8], tokenized_ns=405))
    assert result.problem is None
    assert (result.iterations[1]["used_prompt_ids"], result.iterations[1]["tokenized_ns"]) == ([7, 8], 405)


def test_what_was_sound_before_the_break_is_kept(tmp_path):
    result = report(tmp_path, changed(4, finish="bored"))
    assert len(result.iterations) == 1
    assert result.hello is not None and result.load is not None


def test_a_line_that_was_not_finished_is_no_event(tmp_path):
    result = report(tmp_path, sound()[:5], end="")
    assert result.problem == "line 5 was not written to its end"
    assert len(result.iterations) == 1


@pytest.mark.parametrize("text", ["{\n", "[1]\n", "\xff\n"])
def test_a_line_that_is_no_json_object_is_named(tmp_path, text):
    path = tmp_path / "events.jsonl"
    path.write_bytes(text.encode("latin-1"))
    assert read_events(path, SPEC, WINDOW).problem


def test_eos_ends_a_sequence_where_it_may(tmp_path):
    spec = SPEC | {"cases": [CASE | {"ignore_eos": False}]}
    assert report(tmp_path, changed(4, token_ids=[9], token_ns=[410], finish="eos"), spec).problem is None
    assert "does not end a sequence" in (report(tmp_path, changed(4, finish="eos"), spec).problem or "")


def test_an_error_ends_the_sequence(tmp_path):
    events = [HELLO, {"event": "error", "kind": "unsupported", "message": "no"}]
    result = report(tmp_path, events)
    assert (result.error, result.problem) == ({"kind": "unsupported", "message": "no"}, None)
    assert report(tmp_path, [*events, {"event": "done"}]).problem == "done after the end"

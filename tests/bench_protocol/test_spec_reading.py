"""Reading a spec: nothing unknown, missing or out of bounds gets through."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bench_protocol import BadSpecError
from bench_protocol.spec import Launch, parse_spec, read_spec
from benchmark_runner.schemas import violations


def at(content: dict[str, Any], path: str) -> tuple[Any, Any]:
    """Parent and last key of a path such as cases/0/prompt_ids."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parents:
        content = content[part]
    return content, last


def test_a_valid_spec_is_read(spec: dict[str, Any]) -> None:
    read = parse_spec(spec)
    assert read.launch == Launch("fake", "chat", 2)
    assert read.cases[0].prompt_ids == [1, 2, 3]
    assert read.cases[0].sampling.is_greedy
    assert (read.device, read.dtype, read.max_seq_len) == ("cuda:1", "bf16", 16)


def test_a_spec_without_a_launch_is_read(spec: dict[str, Any]) -> None:
    del spec["launch"]
    assert parse_spec(spec).launch == Launch(None, None, None)


@pytest.mark.parametrize("level", ["launch", "cases/0", "cases/0/sampling", "load", ""])
def test_unknown_keys_are_refused_at_every_level(spec: dict[str, Any], level: str) -> None:
    target = spec
    if level:
        parent, last = at(spec, level)
        target = parent[last]
    target["surprise"] = 1
    with pytest.raises(BadSpecError, match=r"unknown key .*surprise"):
        parse_spec(spec)


BAD_VALUES = [
    ("model_dir", ""),
    ("weights", ""),
    ("dtype", "f64"),
    ("device", "cuda:"),
    ("device", "tpu"),
    ("device", 0),
    ("threads", 0),
    ("threads", True),
    ("max_seq_len", 1),
    ("max_seq_len", "16"),
    ("cases", []),
    ("cases", {}),
    ("cases/0", 1),
    ("cases/0/prompt_ids", []),
    ("cases/0/prompt_ids", [-1]),
    ("cases/0/prompt_ids", ["1"]),
    ("cases/0/max_new_tokens", 0),
    ("cases/0/ignore_eos", 1),
    ("cases/0/eos_ids", None),
    ("cases/0/sampling/temperature", -0.1),
    ("cases/0/sampling/temperature", "hot"),
    ("cases/0/sampling/top_p", 0),
    ("cases/0/sampling/top_p", 1.1),
    ("cases/0/sampling/seed", -1),
    ("warmup_iterations", -1),
    ("iterations", 1.5),
    ("load/mode", 1),
    ("load/concurrency", 0),
    ("launch/block", 0),
    ("launch/engine", 1),
    ("options", []),
    ("logits_path", ""),
    ("logits_path", 1),
    ("cases/0/forced_ids", [-1]),
    ("cases/0/forced_ids", []),
]


@pytest.mark.parametrize(("path", "value"), BAD_VALUES)
def test_what_the_schema_refuses_is_refused(spec: dict[str, Any], path: str, value: Any) -> None:
    parent, last = at(spec, path)
    parent[last] = value
    assert violations("spec", spec)
    with pytest.raises(BadSpecError, match=path.rsplit("/", maxsplit=1)[-1].replace("0", "cases")):
        parse_spec(spec)


def test_a_missing_key_is_named(spec: dict[str, Any]) -> None:
    for key in spec.keys() - {"launch"}:
        content = copy.deepcopy(spec)
        del content[key]
        with pytest.raises(BadSpecError, match=f"{key} is missing"):
            parse_spec(content)


def test_another_protocol_is_named_before_its_unknown_keys() -> None:
    with pytest.raises(BadSpecError, match="protocol is 3; this adapter speaks 1 and 2"):
        parse_spec({"protocol": 3, "promptlets": []})


def test_forced_ids_and_a_path_for_logits_are_read(spec: dict[str, Any]) -> None:
    plain = parse_spec(spec)
    assert (plain.logits_path, plain.cases[0].fed(1, 99)) == (None, 99)
    spec["logits_path"] = "/tmp/logits"
    spec["cases"][0]["forced_ids"] = [5, 6, 7, 8]
    assert violations("spec", spec) == []
    read = parse_spec(spec)
    assert (read.logits_path, read.cases[0].fed(1, 99)) == ("/tmp/logits", 6)


def test_forced_ids_are_one_a_token_and_greedy(spec: dict[str, Any]) -> None:
    spec["cases"][0]["forced_ids"] = [5, 6, 7]
    with pytest.raises(BadSpecError, match=r"cases\[0\]\.forced_ids has 3 ids; it must have 4"):
        parse_spec(spec)
    spec["cases"][0]["forced_ids"] = [5, 6, 7, 8]
    spec["cases"][0]["sampling"]["temperature"] = 0.5
    with pytest.raises(BadSpecError, match=r"needs sampling\.temperature 0"):
        parse_spec(spec)


def test_a_case_beyond_the_capacity_is_refused(spec: dict[str, Any]) -> None:
    spec["max_seq_len"] = 6
    with pytest.raises(BadSpecError, match=r"cases\[0\] asks for 7 tokens; max_seq_len is 6"):
        parse_spec(spec)


@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ("[]", "must be an object")])
def test_a_file_that_is_no_spec_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "spec.json"
    path.write_text(text)
    with pytest.raises(BadSpecError, match=f"spec.json.*{message}"):
        read_spec(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSpecError, match="cannot be read"):
        read_spec(tmp_path / "spec.json")

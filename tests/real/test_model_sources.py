"""What real engines make of a model in shards, and of random weights."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_runner.model.checkpoint import SHARDED_WEIGHTS, SINGLE_WEIGHTS, files_that_matter, stored_tensors
from benchmark_runner.model.recipes import synthetic_models
from benchmark_runner.model.safetensors_data import NUMPY_TYPES, write_file
from benchmark_runner.model.synthetic import make_model

pytestmark = pytest.mark.real_engine

TOKENS = 24


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "synthetic-tiny"
    make_model(synthetic_models()[out.name], out)
    return out


@pytest.fixture(scope="module")
def sharded(single: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with its tensors dealt into three files."""
    out = tmp_path_factory.mktemp("sharded")
    for name in set(files_that_matter(single)) - {SINGLE_WEIGHTS}:
        (out / name).write_bytes((single / name).read_bytes())
    tensors = stored_tensors(single)
    places = {}
    for number in range(3):
        part, file = tensors[number::3], f"model-{number + 1:05}-of-00003.safetensors"
        values = (
            np.memmap(one.path, NUMPY_TYPES[one.dtype], mode="r", offset=one.offset, shape=one.shape) for one in part
        )
        write_file(out / file, [(one.name, one.dtype, one.shape) for one in part], values)
        places |= {one.name: file for one in part}
    (out / SHARDED_WEIGHTS).write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": places}))
    return out


def answer(binary: Path, model: Path, weights: str, folder: Path, **options: Any) -> dict[str, Any]:
    """The iteration of a greedy case in f32."""
    folder.mkdir()
    sampling = {"temperature": 0, "top_p": 1, "seed": 0}
    case = {"prompt_ids": [5, 900, 17, 333], "max_new_tokens": TOKENS, "ignore_eos": True, "eos_ids": []}
    spec = {
        "protocol": 1,
        "model_dir": str(model),
        "weights": weights,
        "dtype": "f32",
        "device": "cpu",
        "threads": 1,
        "max_seq_len": 64,
        "cases": [case | {"sampling": sampling}],
        "warmup_iterations": 0,
        "iterations": 1,
        "load": {"mode": "closed", "concurrency": 1},
        "options": options,
    }
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    command = [str(binary), "--spec", str(folder / "spec.json"), "--events", str(folder / "events.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    events = map(json.loads, (folder / "events.jsonl").read_bytes().splitlines())
    return next(event for event in events if event["event"] == "iteration")


def test_the_engines_generate_the_same_from_random_weights(single, program, tmp_path):
    torch = answer(program("pytorch_baseline"), single, SINGLE_WEIGHTS, tmp_path / "torch", margins=True)
    candle = answer(program("candle_cuda"), single, SINGLE_WEIGHTS, tmp_path / "candle")
    assert torch["token_ids"] == candle["token_ids"]
    assert all(math.isfinite(margin) and margin > 0 for margin in torch["margins"])
    assert len(set(torch["token_ids"])) > TOKENS // 4, "one token over and over would be a degenerate model"


@pytest.mark.parametrize("engine", ["pytorch_baseline", "candle_cuda"])
def test_a_model_in_shards_is_the_same_model(engine, single, sharded, program, tmp_path):
    one = answer(program(engine), single, SINGLE_WEIGHTS, tmp_path / "single")
    several = answer(program(engine), sharded, SHARDED_WEIGHTS, tmp_path / "sharded")
    assert one["token_ids"] == several["token_ids"]

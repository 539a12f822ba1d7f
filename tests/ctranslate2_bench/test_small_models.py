"""Small Llamas through converter and engine: the bytes of the engine's converter, the numbers of the numpy Llama."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapter_launch import case, make_spec, run_adapter
from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.build.environment import environment_folder
from benchmark_runner.model import ctranslate2_writer
from llama_numpy import logits, of_checkpoint
from tiny_model import LLAMA_3_2_SCALING, llama_tensors, make_tiny_llama

pytestmark = pytest.mark.real_engine

PROMPT = [(7 * place) % 300 for place in range(50)]
TOLERANCE = 1e-4
"""Of logits of some units; scaling left out moves them by more than 0.01."""


def converted(tmp_path: Path, tensors: dict[str, np.ndarray], **changes: Any) -> Path:
    source = make_tiny_llama(tmp_path / "m", tensors, rms_norm_eps=1e-5, **changes)
    out = tmp_path / "out"
    out.mkdir()
    ctranslate2_writer.convert(source, out, "f32")
    return out


@pytest.fixture
def logits_of(program: Callable[[str], Path], tmp_path: Path) -> Callable[[Path], np.ndarray]:
    """Logits [300] that the engine computes after PROMPT from a converted folder."""

    def launch(folder: Path) -> np.ndarray:
        file = tmp_path / "logits"
        one = {"one": case(prompt_ids=PROMPT, max_new_tokens=1)}
        spec = make_spec(folder, "model.bin", one, max_seq_len=64, logits_path=str(file))
        outcome = run_adapter(program("ctranslate2"), tmp_path, spec, ["one"])
        assert outcome.status == 0, outcome.stderr
        return np.fromfile(file, "<f4")

    return launch


@pytest.mark.parametrize("tied", [True, False])
def test_the_file_is_that_of_the_engine_s_own_converter(program, repository, tmp_path, tied):
    program("ctranslate2")
    tensors = llama_tensors(2, tied=tied)
    out = converted(tmp_path, tensors, num_hidden_layers=2, tie_word_embeddings=tied)
    np.savez(tmp_path / "tensors.npz", **tensors)
    (tmp_path / "theirs").mkdir()
    adapter = load_adapter(repository / "engines" / "ctranslate2-bench")
    python = environment_folder(repository / "target" / "environments", adapter) / "bin" / "python"
    script = Path(__file__).with_name("own_converter.py")
    arguments = [tmp_path / "tensors.npz", tmp_path / "m" / "config.json", tmp_path / "theirs"]
    subprocess.run([python, "-I", script, *arguments], check=True)
    for name in ("model.bin", "vocabulary.json"):
        ours, theirs = ((folder / name).read_bytes() for folder in (out, tmp_path / "theirs"))
        if name == "model.bin":
            assert ours == theirs
        else:
            assert json.loads(ours) == json.loads(theirs)


def test_llama_3_s_rope_scaling_is_computed(tmp_path, logits_of):
    tensors = llama_tensors()
    changes = {"rope_scaling": LLAMA_3_2_SCALING, "rope_theta": 500000.0, "head_dim": 4}
    found = logits_of(converted(tmp_path, tensors, **changes))
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    wanted = logits(of_checkpoint(tensors, config), PROMPT)
    assert found == pytest.approx(wanted, abs=TOLERANCE)
    without = logits(of_checkpoint(tensors, config | {"rope_scaling": None}), PROMPT)
    assert np.abs(found - without).max() > 100 * TOLERANCE


def test_heads_wider_than_the_hidden_size_suggests_are_computed(tmp_path, logits_of):
    random = np.random.default_rng(3)
    tensors = llama_tensors()
    for name, shape in {"q": (16, 8), "k": (8, 8), "v": (8, 8), "o": (8, 16)}.items():
        tensors[f"model.layers.0.self_attn.{name}_proj.weight"] = random.normal(size=shape).astype(np.float32)
    found = logits_of(converted(tmp_path, tensors, head_dim=8))
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert found == pytest.approx(logits(of_checkpoint(tensors, config), PROMPT), abs=TOLERANCE)

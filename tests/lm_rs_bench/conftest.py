"""Files of lm.rs made from two small checkpoints, and the stand-in for its program."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark_runner.model.derive import copy_small_files
from benchmark_runner.model.lmrs.convert import convert
from lm_rs_bench.chat import Chat, environment
from lmrs_case import CIRCLE_CONFIG, CONFIG, circle_weights, make_checkpoint, random_weights

STAND_IN = Path(__file__).with_name("stand_in_chat.py")
Start = Callable[..., Chat]


def derived(folder: Path, checkpoint: Path) -> Path:
    folder.mkdir()
    copy_small_files(checkpoint, folder)
    convert(checkpoint, folder, "f32")
    return folder


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a derived model in which attention and positions have a say."""
    folder = tmp_path_factory.mktemp("random")
    return derived(folder / "lmrs", make_checkpoint(folder / "hf", CONFIG, random_weights()))


@pytest.fixture(scope="session")
def circle_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a derived model whose answer is known beforehand."""
    folder = tmp_path_factory.mktemp("circle")
    return derived(folder / "lmrs", make_checkpoint(folder / "hf", CIRCLE_CONFIG, circle_weights()))


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Path]:
    """Makes a program `chat` of the stand-in with flags of its own before those it is given."""

    def make(*flags: str) -> Path:
        path = tmp_path / "chat"
        words = shlex.join([sys.executable, "-I", str(STAND_IN), *flags])
        path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def start(circle_model: Path, program: Callable[..., Path]):
    """Starts the stand-in on the circle model; what is still running at the end is ended."""
    running: list[Chat] = []

    def begin(*flags: str, temperature: str = "0") -> Chat:
        files = ["--model", str(circle_model / "model.lmrs"), "--tokenizer", str(circle_model / "tokenizer.bin")]
        command = [str(program(*flags)), *files, "--temperature", temperature]
        running.append(Chat(command, environment(os.environ, threads=2)))
        return running[-1]

    yield begin
    for chat in running:
        chat.end()

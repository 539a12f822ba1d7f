"""The source hash covers what the program is made from, and nothing else."""

from __future__ import annotations

import os
import shutil

import pytest
import yaml

from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.build.source import source_hash
from build_case import PYTHON, RUST, write_adapter


def hash_of(folder):
    return source_hash(load_adapter(folder))


@pytest.mark.parametrize("content", [RUST, PYTHON])
@pytest.mark.parametrize("name", ["src/main.rs", "main.py", "../shared/shared.py", "src/new.rs"])
def test_a_change_of_source_or_shared_code_changes_the_hash(tmp_path, content, name):
    folder = write_adapter(tmp_path, content)
    before = hash_of(folder)
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write("// changed\n")
    assert hash_of(folder) != before


@pytest.mark.parametrize(("content", "lock"), [(RUST, "Cargo.lock"), (PYTHON, "../../envs/tiny.txt")])
def test_a_change_of_the_lock_changes_the_hash(tmp_path, content, lock):
    folder = write_adapter(tmp_path, content)
    before = hash_of(folder)
    with (folder / lock).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert hash_of(folder) != before


def test_a_file_that_moves_changes_the_hash(tmp_path):
    folder = write_adapter(tmp_path)
    before = hash_of(folder)
    (folder / "src" / "main.rs").rename(folder / "src" / "other.rs")
    assert hash_of(folder) != before


@pytest.mark.parametrize("name", ["target/release/x", "__pycache__/main.pyc", "tests/test_x.py", "README.md", ".swp"])
def test_what_is_not_built_leaves_the_hash(tmp_path, name):
    folder = write_adapter(tmp_path)
    before = hash_of(folder)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x", encoding="utf-8")
    assert hash_of(folder) == before


def test_place_and_times_of_files_leave_the_hash(tmp_path):
    folder = write_adapter(tmp_path / "one")
    before = hash_of(folder)
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    assert hash_of(folder) == before
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    assert hash_of(tmp_path / "other" / "engines" / "tiny-bench") == before


def test_flags_change_the_hash_and_words_do_not(tmp_path):
    folder = write_adapter(tmp_path)
    before = hash_of(folder)
    write_adapter(tmp_path, RUST | {"description": "Other words", "first_build": "long"})
    assert hash_of(folder) == before
    write_adapter(tmp_path, RUST | {"cargo": {"flags": "-C opt-level=3", "cuda_features": ["cuda"]}})
    assert hash_of(folder) != before


def test_comments_in_adapter_yaml_leave_the_hash(tmp_path):
    folder = write_adapter(tmp_path)
    before = hash_of(folder)
    (folder / "adapter.yaml").write_text("# a comment\n" + yaml.safe_dump(RUST), encoding="utf-8")
    assert hash_of(folder) == before

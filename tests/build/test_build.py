"""The stage: a program and its record, or a record that says why there is none."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from benchmark_runner.build import adapter as adapters
from benchmark_runner.build import tools
from benchmark_runner.build.__main__ import main
from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.build.rust import locked_packages, target_folder
from benchmark_runner.build.source import source_hash
from build_case import PYTHON, RUST, write_adapter


class Stage:
    """Runs the stage for an adapter below root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.binary = root / "target" / "release" / "tiny-bench"
        self.log = root / "target" / "release" / "tiny-bench.build.log"

    def build(self, *more: str) -> dict:
        record = self.binary.with_name("tiny-bench.build.json")
        folder = self.root / "engines" / "tiny-bench"
        arguments = ["--adapter", folder, "--binary", self.binary, "--record", record, "--cache", self.root / "cache"]
        arguments += ["--environment-root", self.root / "target" / "environments", *more]
        assert main([str(argument) for argument in arguments]) == 0
        return json.loads(record.read_text(encoding="utf-8"))

    def said(self, *arguments: str) -> str:
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture
def rust(tmp_path, lacking):
    if adapters.find_tool("cargo") is None or adapters.find_tool("cc") is None:
        lacking("cargo or cc is missing; install Rust and a C compiler")
    write_adapter(tmp_path)
    return Stage(tmp_path)


@pytest.fixture
def python(tmp_path, lacking):
    if adapters.find_tool("uv") is None:
        lacking("uv is missing; `make test` installs it")
    write_adapter(tmp_path, PYTHON)
    return Stage(tmp_path)


def test_cargo_makes_the_program_and_the_record_describes_it(rust, capsys):
    record = rust.build()
    assert rust.said() == "hello, cuda is false"
    content = rust.binary.read_bytes()
    assert (record["status"], record["reason"], record["remedy"], record["missing_tool"]) == ("built", None, None, None)
    assert record["binary_sha256"] == hashlib.sha256(content).hexdigest()
    assert record["binary_bytes"] == len(content)
    assert record["compiler"].startswith("rustc 1.")
    assert record["flags"] == "-C opt-level=1; profile release; features none"
    assert record["packages"] == {"tiny-bench": "0.1.0"}
    assert record["source_sha256"] == source_hash(load_adapter(rust.root / "engines" / "tiny-bench"))
    assert capsys.readouterr().err == "building tiny-bench with cargo: about a second the first time\n"
    rust.build()
    assert capsys.readouterr().err == "building tiny-bench with cargo\n"


def test_the_record_tells_a_first_build_from_one_on_what_was_left(rust):
    first, second = rust.build(), rust.build()
    assert (first["from_nothing"], second["from_nothing"]) == (True, False)
    assert first["installed_bytes"] == first["binary_bytes"]


def test_the_record_counts_the_adapters_own_lines_without_blank_ones_and_tests(rust):
    source = rust.root / "engines" / "tiny-bench" / "src"
    before = rust.build()["adapter_lines"]
    (source / "more.rs").write_text("// one\n\n   \n// two\n", encoding="utf-8")
    (source / "more_tests.rs").write_text("// not counted\n", encoding="utf-8")
    assert rust.build()["adapter_lines"] == before + 2


def test_the_record_of_a_python_adapter_holds_the_size_of_its_environment(python):
    first, second = python.build(), python.build()
    assert (first["from_nothing"], second["from_nothing"]) == (True, False)
    assert first["installed_bytes"] > first["binary_bytes"]


def test_the_source_folder_stays_clean(rust):
    rust.build()
    assert sorted(path.name for path in (rust.root / "engines" / "tiny-bench").iterdir()) == [
        "Cargo.lock",
        "Cargo.toml",
        "adapter.yaml",
        "main.py",
        "src",
    ]


def test_a_build_for_cuda_has_its_features(rust, monkeypatch):
    nvcc = rust.root / "tools" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 12.4, V12.4.131'\n", encoding="utf-8")
    nvcc.chmod(0o755)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{nvcc.parent}")
    monkeypatch.setenv("CUDA_COMPUTE_CAP", "8.9")
    record = rust.build("--device", "cuda")
    assert rust.said() == "hello, cuda is true"
    assert record["flags"].endswith("features cuda")
    toolkit = record["cuda_toolkit"]
    assert (toolkit["origin"], toolkit["version"], toolkit["compute_capability"]) == ("machine", "12.4.131", "89")


def test_settings_of_the_users_do_not_change_the_program(rust, monkeypatch):
    monkeypatch.setenv("RUSTFLAGS", "--cfg surprise")
    monkeypatch.setenv("CARGO_BUILD_TARGET", "no-such-target")
    monkeypatch.setenv("CARGO_PROFILE_RELEASE_LTO", "not a value")
    assert rust.build()["status"] == "built"


def test_a_failed_build_is_unavailable_with_the_compilers_words(rust):
    rust.build()
    (rust.root / "engines" / "tiny-bench" / "src" / "main.rs").write_text("fn main() { wrong }\n", encoding="utf-8")
    record = rust.build()
    assert record["status"] == "unavailable"
    assert "could not compile" in record["reason"]
    assert str(rust.log) in record["remedy"]
    assert record["missing_tool"] is None
    assert "cannot find value `wrong`" in rust.log.read_text(encoding="utf-8")
    assert not rust.binary.exists(), "a program of an older source would be measured"
    assert list(rust.binary.parent.glob(".*")) == []


def test_a_lock_that_does_not_fit_is_not_changed(rust):
    folder = rust.root / "engines" / "tiny-bench"
    lock = (folder / "Cargo.lock").read_text(encoding="utf-8")
    manifest = (folder / "Cargo.toml").read_text(encoding="utf-8")
    (folder / "Cargo.toml").write_text(manifest.replace("0.1.0", "0.2.0"), encoding="utf-8")
    assert "--locked" in rust.build()["reason"]
    assert (folder / "Cargo.lock").read_text(encoding="utf-8") == lock


@pytest.mark.parametrize(("content", "tool"), [(RUST, "cargo"), (PYTHON, "uv")])
def test_a_missing_tool_is_told_with_its_remedy(tmp_path, monkeypatch, capsys, content, tool):
    write_adapter(tmp_path, content)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(adapters, "_USUAL_FOLDERS", {})
    monkeypatch.setattr(adapters.sys, "executable", str(tmp_path / "python"))
    record = Stage(tmp_path).build()
    assert (record["status"], record["missing_tool"]) == ("unavailable", tool)
    assert record["remedy"] == adapters.REMEDIES[tool]
    assert record["binary_sha256"] is None
    assert "tiny-bench is unavailable" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_told(rust):
    (rust.root / "cache").write_text("a file", encoding="utf-8")
    record = rust.build()
    assert record["status"] == "unavailable"
    assert "Not a directory" in record["reason"] or "File exists" in record["reason"]


def test_builds_for_other_processors_compilers_or_flags_lie_apart(tmp_path, monkeypatch):
    adapter = load_adapter(write_adapter(tmp_path))
    folders = {target_folder(tmp_path, adapter, "rustc 1"), target_folder(tmp_path, adapter, "rustc 2")}
    monkeypatch.setattr("benchmark_runner.build.rust._cpu", lambda: "another processor")
    folders.add(target_folder(tmp_path, adapter, "rustc 1"))
    other = write_adapter(tmp_path, RUST | {"cargo": {"flags": "", "cuda_features": []}})
    folders.add(target_folder(tmp_path, load_adapter(other), "rustc 1"))
    assert len(folders) == 4


def test_a_crate_in_two_versions_has_both(tmp_path):
    lock = tmp_path / "Cargo.lock"
    packages = [("a", "1.0.0"), ("b", "1.0.0"), ("b", "2.0.0")]
    lock.write_text(
        "".join(f'[[package]]\nname = "{name}"\nversion = "{version}"\n' for name, version in packages), "utf-8"
    )
    assert locked_packages(lock) == {"a": "1.0.0", "b": "1.0.0, 2.0.0"}


def test_uv_makes_the_environment_and_the_launcher_starts_the_adapter_in_it(python, monkeypatch):
    record = python.build()
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    environment = next((python.root / "target" / "environments").glob("tiny-bench-*"))
    assert python.said("a b", "--c") == f"hello from {environment} ['a b', '--c'] 1"
    assert (record["status"], record["compiler"], record["flags"]) == ("built", None, None)
    assert record["python"].startswith("3.")
    assert record["packages"] == {}


def test_a_complete_environment_is_used_again_and_a_half_made_one_is_not(python, capsys):
    python.build()
    environment = next((python.root / "target" / "environments").glob("tiny-bench-*"))
    marker = environment / "marker"
    marker.touch()
    capsys.readouterr()
    python.build()
    assert marker.exists()
    assert capsys.readouterr().err == ""
    (environment / "complete.json").unlink()
    python.build()
    assert not marker.exists()
    assert python.said().startswith("hello")


def test_another_lock_gets_an_environment_of_its_own(python):
    python.build()
    (python.root / "envs" / "tiny.txt").write_text("# still nothing\n", encoding="utf-8")
    python.build()
    assert len(list((python.root / "target" / "environments").glob("tiny-bench-*"))) == 2


def test_a_lock_without_hashes_is_refused(python):
    (python.root / "envs" / "tiny.txt").write_text("tinypackage==1.0\n", encoding="utf-8")
    record = python.build()
    assert record["status"] == "unavailable"
    assert "hash" in record["reason"]
    assert not python.binary.exists()


def test_a_moved_checkout_keeps_its_python_adapters(python, tmp_path):
    python.build()
    moved = tmp_path / "moved"
    moved.mkdir()
    for part in ("engines", "target", "envs"):
        shutil.move(tmp_path / part, moved / part)
    stage = Stage(moved)
    assert stage.said().startswith(f"hello from {moved}")
    linked = subprocess.run(["sh", stage.binary.name], cwd=stage.binary.parent, capture_output=True, check=True)
    assert linked.stdout.startswith(b"hello")


def test_the_reason_is_what_a_tool_said_last_about_an_error():
    said = "Compiling a\n\nerror: first\n  cause\nwarning: x\nerror: second\n  its cause\n"
    assert tools.reason_of(said) == "error: second\n  its cause"
    assert tools.reason_of("one\ntwo\n") == "one\ntwo"
    assert tools.reason_of("") == "it said nothing"


@pytest.mark.parametrize(
    "said",
    [
        "warning: spurious network error (3 tries remaining): [6] Couldn't resolve host name",
        "error: failed to download from `x`",
        "error: Failed to fetch: `x`\n  Caused by: dns error",
        "error sending request for url",
    ],
)
def test_trouble_with_the_network_is_recognised(said):
    assert tools.is_network_trouble(said)
    assert not tools.is_network_trouble("error[E0425]: cannot find value `x`")


def test_progress_is_told_now_and_then(capsys):
    times = iter([0.0, 5.0, 16.0, 20.0, 31.5])
    progress = tools.Progress("tiny", clock=lambda: next(times))
    for count in range(1, 5):
        progress.tell(f"{count} crates compiled")
    assert capsys.readouterr().err == "tiny: 2 crates compiled, 16 s\ntiny: 4 crates compiled, 32 s\n"


def test_a_second_build_waits_for_the_first(tmp_path, capsys):
    lock = tmp_path / "lock"
    entered = threading.Event()

    def second() -> None:
        with tools.alone(lock, "tiny"):
            entered.set()

    with lock.open("w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.1)
    thread.join(10)
    assert entered.is_set()
    assert "waiting for another build" in capsys.readouterr().err


def test_an_edit_of_the_checkout_changes_a_python_adapter_with_its_next_build(python):
    record = python.build()
    said, main_file = python.said("x"), python.root / "engines" / "tiny-bench" / "main.py"
    assert set(record["sources"]["files"]) >= {"tiny-bench/main.py"}
    main_file.write_text("print('edited')\n", encoding="utf-8")
    assert python.said("x") == said
    assert python.build()["sources"] != record["sources"]
    assert python.said() == "edited"

"""The doctor on the machine that runs the tests, and on one whose GPU is a stand-in."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmark_runner.doctor import examination
from benchmark_runner.doctor.__main__ import main
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.monitor.gpu import NO_DRIVER, Gpu
from benchmark_runner.schemas import violations
from tiny_campaign import CONFIG
from tiny_model import make_tiny_model

CHECKS = [
    *(
        "configuration",
        "gpu",
        "counters",
        "package_energy",
        "temperature",
        "frequency",
        "governor",
        "turbo",
        "smt",
        "cores",
    ),
    *("other_load", "memory", "swap", "cargo", "cc", "nvcc", "uv", "chromium", "lm_rs_bench_chat", "disk"),
]


@pytest.fixture
def doctor(tmp_path, monkeypatch, repository):
    """Runs the stage in a folder of its own; what doctor.json holds."""
    monkeypatch.chdir(tmp_path)

    def run():
        write_json(tmp_path / "given.json", {"config": CONFIG, "problems": []})
        arguments = ["--config", "given.json", "--engines-folder", str(repository / "engines")]
        assert main([*arguments, "--watch-seconds", "0.05", "--out", "results/tiny/doctor.json"]) == 0
        return read_json(tmp_path / "results" / "tiny" / "doctor.json")

    make_tiny_model(tmp_path / "models" / "tiny")
    return run


def by_check(document):
    return {finding["check"]: finding for finding in document["findings"]}


def test_every_check_is_answered_and_keeps_the_schema(doctor, capsys):
    document = doctor()
    assert [finding["check"] for finding in document["findings"]] == CHECKS
    assert violations("doctor", document) == []
    for finding in document["findings"]:
        assert {name for name, value in finding["values"].items() if value is None} == set(finding["absent"])
    shown = capsys.readouterr().out
    assert all(finding["title"] in shown for finding in document["findings"])
    assert "20 checks:" in shown


def test_the_weights_are_those_of_the_model(doctor, tmp_path):
    found = by_check(doctor())["memory"]["values"]["weights_bytes"]
    file_bytes = (tmp_path / "models" / "tiny" / "model.safetensors").stat().st_size
    assert 0 < found < file_bytes  # less by the header


def test_a_file_that_the_user_brought_for_an_adapter_is_found_by_the_engines_option(doctor, tmp_path, monkeypatch):
    chat = tmp_path / "chat"
    options = {"chat": str(chat)}
    engine = {"name": "lm_rs", "binary_path": "./target/release/lm-rs-bench", "options": options}
    monkeypatch.setitem(CONFIG, "engines", [*CONFIG["engines"], engine])
    assert "build it from" in by_check(doctor())["lm_rs_bench_chat"]["lacks"][0]["remedy"]
    flags = "--tokenizer --temperature --top-p --seed --show-metrics --num-crops"
    for content, found, reason in (
        ("a program", None, "cannot be executed"),
        ("#!/bin/sh\nexit 7\n", None, "--help ends with status 7"),
        ("#!/bin/sh\necho usage: --tokenizer FILE --seed N\n", None, "its --help lacks --temperature, --top-p"),
        (f"#!/bin/sh\necho usage: {flags}\n", str(chat), None),
    ):
        chat.write_text(content)
        chat.chmod(0o755)
        finding = by_check(doctor())["lm_rs_bench_chat"]
        assert finding["found"] == found
        assert (
            [lack["reason"] for lack in finding["lacks"]] == [] if reason is None else reason in str(finding["lacks"])
        )


def test_without_tools_and_driver_everything_is_told_and_nothing_fails(doctor, monkeypatch):
    monkeypatch.setattr(examination, "find_tool", lambda _: None)
    monkeypatch.setattr(examination.tools, "find_chromium", lambda: None)
    monkeypatch.setattr(examination, "find_gpu", lambda _: (None, NO_DRIVER))
    found = by_check(doctor())
    for check in ("gpu", "cargo", "cc", "nvcc", "uv", "chromium", "lm_rs_bench_chat"):
        assert found[check]["state"] == "missing"
        assert all(lack["reason"] and lack["cost"] and lack["remedy"] for lack in found[check]["lacks"])


def test_the_schema_refuses_a_missing_thing_without_a_reason(doctor):
    document = doctor()
    document["findings"][1] |= {"state": "missing", "found": None, "lacks": []}
    assert violations("doctor", document)
    document["findings"][1] |= {"state": "there", "found": "x", "lacks": [], "surplus": 1}
    assert violations("doctor", document)


class NVMLError(Exception):
    pass


def test_a_part_of_a_gpu_stands_for_the_whole():
    def index(handle):
        if handle == "part":
            raise NVMLError
        return 1

    nvml = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlDeviceGetIndex=index,
        nvmlDeviceGetDeviceHandleFromMigDeviceHandle=lambda handle: f"whole of {handle}",
    )
    devices = [{"index": 0}, {"index": 1}]
    assert examination.device_facts({"devices": devices}, Gpu(nvml, "part")) == {"index": 1}
    unlisted = examination.device_facts({"devices": devices[:1]}, Gpu(nvml, "part"))
    assert unlisted["name"] is None and unlisted["absent"]["name"] == examination.NOT_LISTED

"""`device: auto` stays what it was when a campaign began, whatever machine plans the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark_runner.campaign import engines as engines_module
from benchmark_runner.campaign.engines import campaign_engines, kept_devices
from benchmark_runner.campaign.kept import measured_devices


def planned(folder: Path, *, device: str = "auto", status: str | None = "ok", built: str = "cuda") -> Path:
    """An output folder whose plan has one engine, and a record of its launch with a status."""
    launch = folder / "launches" / "x" / "chat.0" / "1"
    launch.mkdir(parents=True)
    plan = {
        "config": {"system": {"device": device}},
        "engines": [{"name": "x", "build_device": built}, {"name": "own", "build_device": None}],
        "order": [{"engine": "x", "workload": "chat", "identity": "0", "block": 1, "folder": "results/elsewhere"}],
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    if status is not None:
        (launch / "record.json").write_text(json.dumps({"attempt": 1, "status": status}) + "\n")
    return folder


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({}, {"x": "cuda"}),
        ({"built": "cpu", "status": "failed"}, {"x": "cpu"}),
        ({"status": None}, {}),
        ({"status": "unavailable"}, {}),
        ({"device": "cuda"}, {}),
    ],
)
def test_what_was_measured_under_auto_tells_the_device_and_a_plan_alone_does_not(tmp_path, told, kept):
    assert measured_devices(planned(tmp_path, **told), ["x", "own"]) == kept


@pytest.mark.parametrize("text", [None, "", '{"config": ', "{}\n", "[]\n"])
def test_a_plan_that_is_not_there_or_broken_tells_nothing(tmp_path, text):
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    assert measured_devices(tmp_path, ["x"]) == {}


def test_a_call_of_other_engines_or_on_another_device_does_not_make_it_forgotten(tmp_path):
    folder = planned(tmp_path)
    (folder / "plan").mkdir()
    (folder / "plan.json").rename(folder / "plan" / "campaign.0123456789ab.json")
    for other in (
        {"device": "auto", "engines": []},
        {"device": "cpu", "engines": [{"name": "x", "build_device": "cpu"}]},
    ):
        plan = {"config": {"system": {"device": other["device"]}}, "engines": other["engines"], "order": []}
        (folder / "plan.json").write_text(json.dumps(plan))
        assert measured_devices(folder, ["x"]) == {"x": "cuda"}
    (folder / "plan.json").unlink()  # as while it is made again
    assert measured_devices(folder, ["x"]) == {"x": "cuda"}


def test_a_login_node_without_a_gpu_plans_the_launches_of_the_node_that_has_one(tmp_path, repository, monkeypatch):
    monkeypatch.setattr(engines_module.adapters, "DEVICE_FILES", "no such file")
    entry = {"name": "x", "binary_path": "target/release/candle-bench", "dtype": "f32", "options": {}}
    folder = planned(tmp_path)
    config = {"system": {"device": "auto"}, "benchmark": {"output_dir": str(folder)}, "engines": [entry]}
    (found,) = campaign_engines(config, repository / "engines")
    assert found.build_device == "cuda"
    (words,) = kept_devices([found], repository / "engines")
    assert words.startswith("system.device auto stays cuda for x") and "device=cpu measures anew" in words
    (folder / "plan.json").unlink()
    (found,) = campaign_engines(config, repository / "engines")
    assert found.build_device == "cpu"
    assert list(kept_devices([found], repository / "engines")) == []

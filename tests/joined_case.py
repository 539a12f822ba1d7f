"""Two folders of one campaign that were measured apart, scripted: what joining them starts from."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmark_runner.campaign import join
from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.joining import load_results
from benchmark_runner.campaign.recorded import RecordedCampaign
from benchmark_runner.configuration.shortcuts import as_given
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.records.checksum import write_record
from finished import make_environment
from records import make_fidelity, record_path_of
from scripted_launch import ScriptedEngine, ScriptedWorkload, make_record
from tiny_model import make_tiny_model

REPOSITORY: Final = Path(__file__).resolve().parents[1]
A, B, C = Path("results/a"), Path("results/b"), Path("results/c")
ENGINES: Final = {
    "first": ScriptedEngine("first", ttft_ms=20.0, itl_ms=10.0, launch_spread=0.01, iteration_spread=0.01),
    "second": ScriptedEngine("second", ttft_ms=10.0, itl_ms=5.0, launch_spread=0.01, iteration_spread=0.01),
}
CONFIG: Final[dict[str, Any]] = {
    "benchmark": {
        "output_dir": "results/x",
        "model_path": "models/m",
        "launches": 5,
        "allow_underpowered": True,
        "control": False,
    },
    "engines": [{"name": name, "binary_path": f"bin/{name}"} for name in ENGINES],
    "workloads": [{"name": "w", "test_cases": [{"prompt": "Hi", "max_tokens": 4}], "iterations": 20}],
    "fidelity": {"prompts": ["Hi"], "max_tokens": 2},
    "system": {"device": "cpu"},
}
"""Read in a folder that place() made."""

MANIFEST: Final[dict[str, Any]] = {
    "schema_version": 1,
    "name": "m",
    "identity": "m-1",
    "source": {"kind": "folder"},
    "architecture": {"layers": 1, "kv_heads": 1, "head_dim": 4, "context_length": 64},
    "weights": "model.safetensors",
    "weights_dtype": "F32",
    "weights_bytes": 1,
    "files": {},
}


def place(folder: Path) -> None:
    """Make the model and the programs that CONFIG names."""
    make_tiny_model(folder / "models" / "m")
    (folder / "bin").mkdir()
    for name in ENGINES:
        (folder / "bin" / name).write_text(f"#!/bin/sh\n# {name}\n")


def environment(host: str, **changes: Any) -> dict[str, Any]:
    """environment.json of a machine of that name."""
    made = make_environment(host={"hostname": host})
    made["cpu"]["available_cores"] = [0, 1, 2, 3]
    return made | {key: {**made[key], **part} for key, part in changes.items()}


def measured(
    folder: Path,
    host: str,
    config: dict[str, Any],
    *,
    speed: float = 1.0,
    blocks: Collection[int] = range(1, 6),
    seed: int = 1,
) -> Path:
    """A results folder as the machine `host` leaves it, `speed` times as fast as the script, with these blocks."""
    plan = load_campaign(config, [], REPOSITORY / "engines").plan()
    write(folder / "plan.json", plan)
    write(folder / "environment.json", environment(host))
    write(folder / "model" / "manifest.json", MANIFEST)
    rng = np.random.default_rng(seed)
    workload = ScriptedWorkload("w", ((8, 4),), iterations=plan["workloads"][0]["iterations_per_launch"])
    for name, engine in ENGINES.items():
        write(folder / "fidelity" / f"{name}.json", make_fidelity(engine, "first"))
    for row in plan["order"]:
        if row["block"] in blocks:
            record = make_record(ENGINES[row["engine"]], workload, row, rng, slowdown=1.0 / speed)
            record["host"] = {"hostname": host, "boot_id": f"boot of {host}"}
            record["started_ns"] += seed
            path = record_path_of(folder, record)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_record(path, record)
            for other in ("events.jsonl", "metrics.jsonl", "engine.log"):
                (path.parent / other).write_text("")
    return folder


def write(path: Path, content: Any) -> None:
    """Write JSON as stages do: with an end by which a whole file is known."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content) + "\n")


def retype(path: Path, old: str, new: str) -> None:
    """Change a text by hand."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def records(folder: Path) -> list[Path]:
    """All records below a results folder."""
    return sorted(folder.glob("launches/*/*/*/record.json"))


def named(folders: str = "results/a,results/b", out: str = "results/c", **keys: Any) -> RecordedCampaign:
    """The campaign that a call with these keys works on."""
    return load_results(as_given({"folders": folders, "output_dir": out, **keys}, []), REPOSITORY)


def joined(folders: str = "results/a,results/b", out: str = "results/c", **keys: Any) -> RecordedCampaign:
    """The same after the job that makes its folder has run."""
    campaign = named(folders, out, **keys)
    assert campaign.joins
    write_json(Path("told.json"), campaign.told)
    assert join.main(["--joined", "told.json", "--out", f"{out}/plan.json"]) == 0
    return named(folders, out, **keys)


def change(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = read_json(path)
    change(content)
    write(path, content)


def each_record(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    for path in records(folder):
        content = read_json(path)
        change(content)
        write_record(path, {key: value for key, value in content.items() if key != "checksum"})

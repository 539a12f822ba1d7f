"""The engines of a campaign: which file each one runs, who makes that file, and what identifies it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.build import adapter as adapters
from benchmark_runner.build.source import source_hash
from benchmark_runner.campaign.identity import file_sha256
from benchmark_runner.configuration.names import CONTROL_SUFFIX
from benchmark_runner.jsonio import read_json

UNSERVED_ENGINES: Final = ("lm_rs", "mistral_rs", "llama_cpp")
"""Engines that a campaign may name although this version has no adapter for them: launches are `unavailable`."""


@dataclass(frozen=True)
class Engine:
    """One engine of a campaign, or the control."""

    name: str
    control_of: str | None
    binary_path: str
    adapter: str | None
    """Folder under engines/ that the binary is built from; None for a file that the user brought, or none at all."""
    build_device: str | None
    """Device that the build is for; None for a file that is not built here."""
    dtype: str
    options: Mapping[str, Any]
    source: str
    """Hash of the adapter's source, or of the file that the user brought; `absent` where there is neither."""

    @property
    def build_record(self) -> str | None:
        """Path of the record that the build writes beside the binary."""
        return f"{self.binary_path}.build.json" if self.adapter else None

    def identity_parts(self) -> dict[str, Any]:
        """All of the engine that determines a measurement; its name does not, so that a control equals its twin."""
        return {
            "source": self.source,
            "build_device": self.build_device,
            "dtype": self.dtype,
            "options": dict(self.options),
        }

    def describe(self) -> dict[str, Any]:
        """The engine's entry in plan.json."""
        return {
            "name": self.name,
            "control_of": self.control_of,
            "binary_path": self.binary_path,
            "adapter": self.adapter,
            "build_device": self.build_device,
            "build_record": self.build_record,
            "source": self.source,
            "dtype": self.dtype,
            "options": dict(self.options),
        }


def _engine(entry: Mapping[str, Any], engines_folder: Path, device: str) -> Engine:
    binary = Path(os.path.normpath(entry["binary_path"]))
    folder = engines_folder / binary.name
    if (folder / "adapter.yaml").is_file():
        adapter = adapters.load_adapter(folder)
        name, source = folder.name, source_hash(adapter)
        build_device = adapters.build_device(adapter, device)
    else:
        name, build_device = None, None
        source = file_sha256(binary) if binary.is_file() else "absent"
    return Engine(
        name=entry["name"],
        control_of=None,
        binary_path=str(binary),
        adapter=name,
        build_device=build_device,
        dtype=entry["dtype"],
        options=entry["options"],
        source=source,
    )


def campaign_engines(config: Mapping[str, Any], engines_folder: Path) -> list[Engine]:
    """Engines of a resolved configuration in its order, the control last."""
    engines = [_engine(entry, engines_folder, config["system"]["device"]) for entry in config["engines"]]
    if config["benchmark"]["control"]:
        baseline = next(engine for engine in engines if engine.name == config["benchmark"]["baseline"])
        twin = {**baseline.__dict__, "name": f"{baseline.name}{CONTROL_SUFFIX}", "control_of": baseline.name}
        engines.append(Engine(**twin))
    return engines


def engine_is_back(engine: Engine, engines_folder: Path) -> bool:
    """Whether an engine that was unavailable could be measured now.

    A file that the user brings is back when it is there. A build is back when it succeeded, or will be tried again
    because its record is gone or the tool that it lacked is here.
    """
    if engine.adapter is None:
        return Path(engine.binary_path).is_file()
    record = Path(f"{engine.binary_path}.build.json")
    if not record.is_file():
        return True
    build = read_json(record)
    if build["status"] == "built":
        return True
    adapter = adapters.load_adapter(engines_folder / engine.adapter)
    return build["missing_tool"] is not None and adapters.missing_tool(adapter, engine.build_device or "cpu") is None

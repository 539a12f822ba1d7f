"""The engines of a campaign: which file each one runs, who makes that file, and what identifies it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmark_runner.build import adapter as adapters
from benchmark_runner.build.environment import is_complete
from benchmark_runner.build.source import source_hash
from benchmark_runner.campaign.kept import measured_devices
from benchmark_runner.configuration.names import CONTROL_SUFFIX
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import ABSENT, file_sha256, fingerprint
from benchmark_runner.launch.script import beside
from benchmark_runner.load.connection import SHORTEST_KEY, without_key
from benchmark_runner.model.formats import DERIVED, SAFETENSORS
from benchmark_runner.records.build import read_build
from benchmark_runner.remembered import HASHES, altered

RUNNING: Final = "openai_server"
"""What a server that already runs is called where it does not say what it is."""


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
    """Hash of the adapter's source, or of the file that the user brought; ABSENT where there is neither."""
    brought: str | None = None
    """Hash of the file that the adapter drives and the user brought, or ABSENT; None where it drives none."""
    load_modes: tuple[str, ...] = ()
    """Loads that its adapter says it takes: closed, open; a brought file is asked as it runs."""
    most_at_once: int | None = None
    """Requests that its adapter says it serves at once. Not in `describe`: what it excludes is planned by test case."""
    weights_format: str = SAFETENSORS
    """Format of the weights that its program opens; another one is derived from the model."""
    licence: str | None = None
    """SPDX expression of its adapter; None where none is known. Not in `describe`: it changes no check of fidelity."""
    server: Mapping[str, Any] | None = None
    """How its program is started and asked over HTTP, or one that already runs is asked; None for others."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Hashes of what a script that the user brought runs beside itself, by path below its folder."""

    @property
    def build_record(self) -> str | None:
        """Path of the record that the build writes beside the binary."""
        return f"{self.binary_path}.build.json" if self.adapter else None

    @property
    def is_running(self) -> bool:
        """Whether it is a server that already runs, which is neither built nor started."""
        return self.server is not None and "running" in self.server

    @property
    def asked(self) -> dict[str, Any]:
        """What whoever asks it must know beside the plan: of a server that already runs how; of others nothing."""
        return {"server": dict(self.server)} if self.server is not None and self.is_running else {}

    @property
    def key_variable(self) -> str | None:
        """Environment variable that holds the key of a server that already runs; None where it asks for none."""
        return self.server["running"]["api_key_env"] if self.server is not None and self.is_running else None

    def identity_parts(self) -> dict[str, Any]:
        """All of the engine that determines a measurement; its name does not, so that a control equals its twin."""
        parts: dict[str, Any] = {
            "source": self.source,
            "build_device": self.build_device,
            "dtype": self.dtype,
            "options": dict(self.options),
        }
        if self.brought is not None:
            parts["brought"] = self.brought
        if self.beside:
            parts["beside"] = dict(self.beside)
        if self.server is not None and not self.is_running:
            # adapter.yaml is no part of the program's source. Where its own clocks are read changes no time of ours.
            parts["server"] = {key: value for key, value in self.server.items() if key != "clocks"}
        if self.weights_format != SAFETENSORS:
            parts["weights"] = {"format": self.weights_format, "version": DERIVED[self.weights_format].version}
        return parts

    def describe(self) -> dict[str, Any]:
        """The engine's entry in plan.json."""
        server = {} if self.server is None else {"server": dict(self.server)}
        beside = {} if self.adapter is not None or self.is_running else {"beside": dict(self.beside)}
        return {
            "name": self.name,
            "control_of": self.control_of,
            "binary_path": self.binary_path,
            "adapter": self.adapter,
            "build_device": self.build_device,
            "build_record": self.build_record,
            "source": self.source,
            "brought": self.brought,
            "dtype": self.dtype,
            "options": dict(self.options),
            "weights_format": self.weights_format,
            **({"load": list(self.load_modes)} if self.load_modes else {}),
            **beside,
            **server,
        }


def may_serve_load(entry: Mapping[str, Any]) -> bool:
    """Whether an engine of the plan is asked for several requests at once: its adapter serves them, or, of a program
    that the user brought, nobody knows."""
    return bool(entry.get("load")) or entry.get("adapter") is None


def _hash_of(path: Path) -> str:
    return file_sha256(path) if path.is_file() else ABSENT


def _brought(adapter: adapters.Adapter, options: Mapping[str, Any]) -> str | None:
    """Hash of the file that the user brings for an adapter; None for an adapter that needs none."""
    if adapter.brought is None:
        return None
    named = options.get(adapter.brought.option)
    # A launch has a folder of its own, from which a relative path leads elsewhere.
    return _hash_of(Path(named)) if isinstance(named, str) and Path(named).is_absolute() else ABSENT


def _require_no_key(entry: Mapping[str, Any]) -> None:
    """Raise BenchmarkError where the key that a variable holds stands in what records tell of a server."""
    engine, asked = entry["name"], entry["openai_server"]
    variable = asked["api_key_env"]
    key = os.environ.get(variable or "", "")
    told = {f"openai_server.{name}": value for name, value in asked.items() if name != "api_key_env"}
    for place, content in {**told, "options": entry["options"]}.items():
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        if len(key) >= SHORTEST_KEY and without_key(text, key) != text:
            raise BenchmarkError(f"{engine}: {place} holds the key itself; take it out, the client sends {variable}")


def _running(entry: Mapping[str, Any]) -> Engine:
    """A server that already runs: how it is asked takes the place of its program's hash."""
    _require_no_key(entry)
    asked, dtype = entry["openai_server"], entry["dtype"]
    base_url = asked["base_url"].rstrip("/")
    if asked["path"].startswith("/v1/"):
        base_url = base_url.removesuffix("/v1")
    ids = {"in": False, "stream": None, "whole": None, **asked.get("ids", {})}
    server = {
        "engine": RUNNING,
        **{key: asked[key] for key in ("path", "model", "body", "ignoring_eos") if key in asked},
        "ids": ids,
        "dtypes": {dtype: dtype},
        "capabilities": {
            "sampling": ["greedy", "temperature", "top_p"],
            "seed": True,
            "past_eos": asked["past_eos"],
        },
        "running": {"base_url": base_url, "api_key_env": asked["api_key_env"]},
    }
    # Which variable holds the key determines no measurement.
    identity = {**server, "running": base_url}
    return Engine(
        name=entry["name"],
        control_of=None,
        binary_path=base_url,
        adapter=None,
        build_device=None,
        dtype=dtype,
        options=entry["options"],
        source=fingerprint(identity),
        load_modes=("closed", "open"),
        server=server,
    )


def _engine(entry: Mapping[str, Any], engines_folder: Path, device: str) -> Engine:
    if "openai_server" in entry:
        return _running(entry)
    binary = Path(os.path.normpath(entry["binary_path"]))
    folder = engines_folder / binary.name
    weights_format, licence, server = SAFETENSORS, None, None
    load_modes: tuple[str, ...] = ()
    imported: dict[str, str] = {}
    most_at_once = None
    if (folder / "adapter.yaml").is_file():
        adapter = adapters.load_adapter(folder)
        weights_format, licence, load_modes = adapter.weights_format, adapter.licence, adapter.load_modes
        server, most_at_once = adapter.server, adapter.most_at_once
        name, source = folder.name, source_hash(adapter)
        build_device = adapters.build_device(adapter, device)
        brought = _brought(adapter, entry["options"])
    else:
        name, build_device, brought = None, None, None
        source = _hash_of(binary)
        imported = {name: _hash_of(path) for name, path in beside(binary).items()}
    return Engine(
        name=entry["name"],
        control_of=None,
        binary_path=str(binary),
        adapter=name,
        build_device=build_device,
        dtype=entry["dtype"],
        options=entry["options"],
        source=source,
        brought=brought,
        load_modes=load_modes,
        most_at_once=most_at_once,
        weights_format=weights_format,
        licence=licence,
        server=server,
        beside=imported,
    )


def campaign_engines(config: Mapping[str, Any], engines_folder: Path) -> list[Engine]:
    """Engines of a resolved configuration in its order, without the control; `auto` stays what it was as they began."""
    device = config["system"]["device"]
    names = [entry["name"] for entry in config["engines"] if device == "auto" and "openai_server" not in entry]
    kept = measured_devices(Path(config["benchmark"]["output_dir"]), names) if names else {}
    return [_engine(entry, engines_folder, kept.get(entry["name"], device)) for entry in config["engines"]]


def with_control(engines: Sequence[Engine], benchmark: Mapping[str, Any]) -> list[Engine]:
    """The engines, and last the control where there is one: a twin of the baseline, or of the engine it names."""
    wanted = benchmark["baseline"] if benchmark["control"] is True else benchmark["control"]
    twins = [
        replace(engine, name=f"{wanted}{CONTROL_SUFFIX}", control_of=wanted)
        for engine in engines
        if engine.name == wanted
    ]
    return [*engines, *twins]


def brought_notices(engines: Iterable[Engine], engines_folder: Path) -> Iterator[str]:
    """One line for each engine that drives a file which its options do not name or which is not there."""
    for engine in engines:
        if engine.brought != ABSENT or engine.adapter is None or engine.control_of is not None:
            continue
        brought = adapters.load_adapter(engines_folder / engine.adapter).brought
        assert brought is not None
        named = engine.options.get(brought.option)
        where = (
            "options name none" if named is None else f"options.{brought.option} {named!r} is no absolute path of one"
        )
        yield (
            f"note: {engine.name} needs {brought.what}, and its {where}: its launches will be unavailable; "
            f"{brought.remedy}"
        )


def kept_devices(engines: Iterable[Engine], engines_folder: Path) -> Iterator[str]:
    """A sentence where `auto` would find another device for an engine here than that on which it was measured."""
    for device in ("cpu", "cuda"):
        kept = [engine for engine in engines if engine.adapter and engine.build_device == device]
        found = [engine.name for engine in kept if _found_here(engine, engines_folder) != device]
        if found:
            other = "cuda" if device == "cpu" else "cpu"
            yield (
                f"system.device auto stays {device} for {', '.join(found)}, as it was when they were measured; "
                f"--config device={other} measures anew"
            )


def _found_here(engine: Engine, engines_folder: Path) -> str:
    return adapters.build_device(adapters.load_adapter(engines_folder / str(engine.adapter)), "auto")


def _is_there(environment: Mapping[str, Any], beside: Path, container: str | None) -> bool:
    """Whether jobs find the environment of a program that lies there; what an image holds only they see."""
    if container is not None:
        return bool(environment.get("container") == container)
    return is_complete(beside / environment["folder"])


def is_stale(engine: Engine, container: str | None) -> bool:
    """Whether a build succeeded from other source than this one, or its program, copied source or environment is not
    there now, as one of outside is not in a container.

    container is the one that jobs run in, if this process does not run in it itself.
    """
    build = read_build(f"{engine.binary_path}.build.json")
    if build is None or build["status"] != "built":
        return False
    if build["source_sha256"] != engine.source:
        return True  # Snakemake sees that by itself only where it remembers the build
    binary, sources = Path(engine.binary_path), build["sources"] or {"folder": ".", "files": {}}
    environment = build["environment"]
    if environment and not _is_there(environment, binary.parent, container):
        return True
    changed = altered(binary.parent, {binary.name: build["binary_sha256"]}, HASHES)
    return bool(changed or altered(binary.parent / sources["folder"], sources["files"], HASHES))


def engine_is_back(engine: Engine, engines_folder: Path) -> bool:
    """Whether an engine that was unavailable could be measured now.

    A file that the user brings is back when it is there. A build is back when it succeeded, or will be tried again
    because its record is gone or the tool that it lacked is here.
    """
    if engine.adapter is None:
        return engine.is_running or Path(engine.binary_path).is_file()
    if engine.brought == ABSENT:
        return False
    build = read_build(f"{engine.binary_path}.build.json")
    if build is None or build["status"] == "built":
        return True
    adapter = adapters.load_adapter(engines_folder / engine.adapter)
    return build["missing_tool"] is not None and adapters.missing_tool(adapter, engine.build_device or "cpu") is None

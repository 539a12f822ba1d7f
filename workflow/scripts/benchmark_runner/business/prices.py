"""The price catalogue: read, checked against the faults that such catalogues have, judged by its age, and whether a
machine in it is the kind of machine that was measured."""

from __future__ import annotations

import datetime
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.business.facts import parse_date
from benchmark_runner.configuration.data_files import read_data_file
from benchmark_runner.display import percent
from benchmark_runner.errors import BenchmarkError


class Part(NamedTuple):
    """A GPU as it is sold."""

    memory_gb: tuple[float, ...]
    """A row with another figure took another part's price (A100-SXM has two sizes; B200 is listed with three)."""
    driver_name: str
    """Names under which NVIDIA's driver reports it, as a pattern (general knowledge of nvidia-smi's names)."""


GPUS: Final[Mapping[str, Part]] = {
    "T4": Part((16,), r"(NVIDIA |Tesla )T4"),
    "A10": Part((24,), r"NVIDIA A10"),
    "A10G": Part((24,), r"NVIDIA A10G"),
    "L4": Part((24,), r"NVIDIA L4"),
    "L40S": Part((48,), r"NVIDIA L40S"),
    "A100-SXM": Part((40, 80), r"(NVIDIA )?A100-SXM4-(40|80)GB"),
    "A100-PCIe": Part((40, 80), r"(NVIDIA )?A100(-PCIE-40GB| 80GB PCIe)"),
    "H100-SXM": Part((80,), r"NVIDIA H100 80GB HBM3"),
    "H100-PCIe": Part((80,), r"NVIDIA H100 PCIe"),
    "H100-NVL": Part((94,), r"NVIDIA H100 NVL"),
    "H200": Part((141,), r"NVIDIA H200"),
    "B200": Part((179, 180, 192), r"NVIDIA B200"),
    "GH200": Part((96,), r"NVIDIA GH200 .*"),
    "RTX-A6000": Part((48,), r"NVIDIA RTX A6000"),
    "RTX-4090": Part((24,), r"NVIDIA GeForce RTX 4090"),
}
WHOLE_GPU_COUNTS: Final = (1, 2, 4, 8, 16)  # sizes that providers sell; a catalogue once listed 12 for a node of 8
# A price in one region that is 1.10 times that in another to four digits was met in many cells of one catalogue: the
# price of dedicated tenancy, not of the region. Half as much again is more than any spread seen between regions (30 %).
TENANCY_RATIO: Final = 1.10
TENANCY_TOLERANCE: Final = 0.0005
LARGEST_REGION_RATIO: Final = 1.5
WIDENING_PERIOD_DAYS: Final = 90  # the catalogue states its shares for this many days
# The driver reports GiB-based and reserved-memory figures, the catalogue round GB: 80 GB reads as 85.5, 16 as 16.1.
MEMORY_TOLERANCE: Final = 0.12
BYTES_PER_GB: Final = 1e9
FLOP_PER_TFLOP: Final = 1e12


@dataclass(frozen=True)
class Entry:
    """One machine at one price; price fields are None for an owned machine."""

    id: str
    provider: str
    provider_kind: str
    instance: str
    region: str | None
    purchase: str
    gpu: dict[str, Any] | None
    cpu: dict[str, Any]
    usd_per_hour: float | None
    low: float | None
    high: float | None
    as_of: datetime.date
    max_age_days: int
    sources: tuple[dict[str, str], ...]
    owned: dict[str, float] | None
    url: str | None = None


class Figures(NamedTuple):
    """What is published of a GPU: its memory's bandwidth, and its 16-bit matrix arithmetic without sparsity (None where
    nobody says)."""

    model: str
    vram_gb: float
    bytes_per_s: float
    flop_per_s: float | None


@dataclass(frozen=True)
class Catalogue:
    """Entries that passed the checks, those set aside with the reason for each, and what is published of GPUs."""

    entries: tuple[Entry, ...]
    quarantined: dict[str, str]
    widening: dict[str, float]
    figures: tuple[Figures, ...] = ()

    def figures_of(self, gpu: Mapping[str, Any] | None) -> Figures | None:
        """Those of an entry's GPU; None of a machine without one."""
        wanted = gpu and (gpu["model"], gpu["vram_gb"])
        return next((one for one in self.figures if (one.model, one.vram_gb) == wanted), None)

    def figures_of_device(self, device: Mapping[str, Any]) -> Figures | None:
        """Those of a GPU as environment.json lists it."""
        return next((one for one in self.figures if _is_part(device, one.model) and _has(device, one.vram_gb)), None)


@dataclass(frozen=True)
class AgedPrice:
    """A price on a given day: usable as it stands, after widening, or not at all (low and high are then None)."""

    state: str  # current | widened | too_old | future
    age_days: int
    usd_per_hour: float | None
    low: float | None
    high: float | None
    note: str | None


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue in a YAML file; raises BenchmarkError where the file breaks its schema or an id is used twice."""
    content = read_data_file(path, "prices", "set business.prices to the price catalogue")
    entries = [_entry(raw, path) for raw in content["entries"]]
    repeated = [name for name, count in Counter(entry.id for entry in entries).items() if count > 1]
    if repeated:
        raise BenchmarkError(f"{path}: entries: the id {repeated[0]!r} is used twice; ids are unique")
    quarantined = quarantine(entries)
    usable = tuple(entry for entry in entries if entry.id not in quarantined)
    figures = tuple(
        Figures(
            part["model"],
            part["vram_gb"],
            part["memory_gb_per_s"] * BYTES_PER_GB,
            part["tflops"] * FLOP_PER_TFLOP if part["tflops"] else None,
        )
        for part in content.get("parts", ())
    )
    return Catalogue(usable, quarantined, dict(content["widening_per_90_days"]), figures)


def _entry(raw: dict[str, Any], path: Path) -> Entry:
    as_of = parse_date(raw["as_of"], f"{path}: {raw['id']}: as_of")
    given: dict[str, Any] = dict.fromkeys(field.name for field in fields(Entry)) | raw | raw.get("price", {})
    given |= {"as_of": as_of, "sources": tuple(raw["sources"])}
    return Entry(**{field.name: given[field.name] for field in fields(Entry)})


def quarantine(entries: Sequence[Entry]) -> dict[str, str]:
    """Why an entry cannot be right, by id; each rule is a fault that was met in a published catalogue."""
    return {
        entry.id: reason
        for entry in entries
        if (
            reason := _price_fault(entry)
            or _gpu_fault(entry)
            or _spot_fault(entry, entries)
            or _region_fault(entry, entries)
        )
    }


def _price_fault(entry: Entry) -> str | None:
    if entry.usd_per_hour is None or entry.low is None or entry.high is None:
        return None
    if entry.low <= 0:
        return f"the price {entry.low:g} USD/h is not above 0: the cell was empty in its source"
    if not entry.low <= entry.usd_per_hour <= entry.high:
        return f"the price {entry.usd_per_hour:g} lies outside its own range {entry.low:g} to {entry.high:g} USD/h"
    return None


def _gpu_fault(entry: Entry) -> str | None:
    if entry.gpu is None:
        return None
    model, count, vram_gb = entry.gpu["model"], entry.gpu["count"], entry.gpu["vram_gb"]
    if model not in GPUS:
        return f"the GPU {model!r} is not one of {', '.join(GPUS)}, so its memory cannot be checked"
    if count >= 1 and count not in WHOLE_GPU_COUNTS:
        return f"{count:g} GPUs is no size that is sold; a shared GPU is a fraction below 1"
    if count >= 1 and vram_gb not in GPUS[model].memory_gb:
        known = " or ".join(f"{size:g}" for size in GPUS[model].memory_gb)
        return f"{model} has {known} GB, not {vram_gb:g}: the row took another part's price"
    return None


def _spot_fault(entry: Entry, entries: Sequence[Entry]) -> str | None:
    if entry.purchase != "on_demand" or entry.usd_per_hour is None:
        return None
    for other in entries:
        same_machine = (other.provider, other.instance, other.region) == (entry.provider, entry.instance, entry.region)
        dearer_spot = other.purchase == "spot" and (other.usd_per_hour or 0.0) > entry.usd_per_hour
        if same_machine and dearer_spot:
            return f"on demand {entry.usd_per_hour:g} is below spot {other.usd_per_hour:g} USD/h: another size's price"
    return None


def _region_fault(entry: Entry, entries: Sequence[Entry]) -> str | None:
    if entry.usd_per_hour is None:
        return None
    for other in entries:
        same = all(getattr(other, key) == getattr(entry, key) for key in ("provider", "instance", "purchase"))
        if not same or other.region == entry.region or not other.usd_per_hour or other.usd_per_hour <= 0:
            continue
        ratio = entry.usd_per_hour / other.usd_per_hour
        if abs(ratio - TENANCY_RATIO) <= TENANCY_TOLERANCE:
            return f"exactly {TENANCY_RATIO:.2f} times the price in {other.region}: probably that of dedicated tenancy"
        if ratio > LARGEST_REGION_RATIO:
            return f"{ratio:.2f} times the price in {other.region}: more than regions differ"
    return None


def aged(entry: Entry, widening: dict[str, float], today: datetime.date) -> AgedPrice:
    """The entry's price as it can be used on a day.

    Up to max_age_days it stands; up to twice that its range is widened by the provider kind's share for each 90 days of
    age; beyond, and for a date in the future, there is no price. An owned machine's price fields stay None.
    """
    age_days = (today - entry.as_of).days
    if age_days < 0:
        return AgedPrice(
            "future", age_days, None, None, None, f"dated {entry.as_of}, which is after {today}: correct as_of"
        )
    if age_days > 2 * entry.max_age_days:
        note = f"{age_days} days old, more than twice the {entry.max_age_days} allowed: read the price again"
        return AgedPrice("too_old", age_days, None, None, None, note)
    if entry.usd_per_hour is None or entry.low is None or entry.high is None or age_days <= entry.max_age_days:
        return AgedPrice("current", age_days, entry.usd_per_hour, entry.low, entry.high, None)
    share = widening[entry.provider_kind] * age_days / WIDENING_PERIOD_DAYS
    note = f"{age_days} days old, more than the {entry.max_age_days} allowed: range widened by {percent(share)}"
    return AgedPrice("widened", age_days, entry.usd_per_hour, entry.low * (1 - share), entry.high * (1 + share), note)


def mismatch(entry: Entry, environment: Mapping[str, Any], device: str) -> str | None:
    """Why the entry's price does not apply to a measurement on device (cpu or cuda:N); None where it does.

    environment is the content of environment.json. An owned machine is the measured one by its owner's word. A price is
    never scaled from one size to another.
    """
    if entry.purchase == "owned":
        return None
    if device == "cpu":
        return _cpu_mismatch(entry, environment)
    number = re.fullmatch(r"cuda:?(\d*)", device)
    if number is None:
        return f"the launches ran on {device}, which is no one machine of the catalogue"
    return _gpu_mismatch(entry, environment, int(number[1] or 0))


def _cpu_mismatch(entry: Entry, environment: Mapping[str, Any]) -> str | None:
    if entry.gpu is not None:
        return f"{entry.instance} is paid for its GPU, the measurement used the CPU"
    model, cores = environment["cpu"]["model"], environment["cpu"]["logical_cores"]
    quota = environment["cpu"].get("control_group_quota_cpus")
    if quota is not None and quota < (cores or math.inf):
        return f"measured within a CPU quota of {quota:g} CPUs, and a price is never divided"
    cloud, offered = environment["virtualisation"]["cloud_instance"], f"{entry.provider}/{entry.instance}"
    if cloud is not None:
        return None if cloud == offered else f"measured on {cloud}, not on {offered}"
    wanted = entry.cpu.get("model")
    if wanted is None:
        return f"the catalogue does not say which processor {entry.instance} has"
    if model is None or wanted not in model:
        return f"measured on {model or 'an unknown processor'}, not on {wanted}"
    same_size = cores == entry.cpu["vcpu"]
    return None if same_size else f"measured with {cores} logical cores, {entry.instance} has {entry.cpu['vcpu']}"


def _gpu_mismatch(entry: Entry, environment: Mapping[str, Any], index: int) -> str | None:
    if entry.gpu is None:
        return f"{entry.instance} has no GPU, the measurement used one"
    devices = environment["gpu"]["devices"] if environment["gpu"] else ()
    device = next((gpu for gpu in devices if gpu["index"] == index), None)
    if device is None or None in (device["name"], device["memory_bytes"]):
        return f"environment.json names no GPU {index} with its memory"
    if not _is_part(device, entry.gpu["model"]):
        return f"measured on {device['name']}, not on {entry.gpu['model']}"
    if not _has(device, entry.gpu["vram_gb"]):
        memory_gb = device["memory_bytes"] / BYTES_PER_GB
        return f"measured with {memory_gb:.0f} GB of GPU memory, {entry.instance} has {entry.gpu['vram_gb']:g}"
    if entry.gpu["count"] != 1:
        return f"{entry.instance} has {entry.gpu['count']:g} GPUs, one was measured, and a price is never divided"
    return None


def _is_part(device: Mapping[str, Any], model: str) -> bool:
    return model in GPUS and re.fullmatch(GPUS[model].driver_name, device["name"] or "") is not None


def _has(device: Mapping[str, Any], vram_gb: float) -> bool:
    memory_gb = float(device["memory_bytes"] or 0) / BYTES_PER_GB
    return abs(memory_gb / vram_gb - 1) <= MEMORY_TOLERANCE

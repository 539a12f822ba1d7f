"""The price catalogue: read, checked against the faults that such catalogues have, and judged by its age."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmark_runner.business.datafile import parse_date, read_data_file
from benchmark_runner.errors import BenchmarkError

# Memory of each part that is sold, in GB; a row with another figure took another part's price (A100-SXM is sold with
# two sizes, B200 is listed with 179, 180 and 192).
GPU_MEMORY_GB: Final[dict[str, tuple[float, ...]]] = {
    "T4": (16,),
    "A10": (24,),
    "A10G": (24,),
    "L4": (24,),
    "L40S": (48,),
    "A100-SXM": (40, 80),
    "A100-PCIe": (40, 80),
    "H100-SXM": (80,),
    "H100-PCIe": (80,),
    "H100-NVL": (94,),
    "H200": (141,),
    "B200": (179, 180, 192),
    "GH200": (96,),
    "RTX-4090": (24,),
}
WHOLE_GPU_COUNTS: Final = (1, 2, 4, 8, 16)  # sizes that providers sell; a catalogue once listed 12 for a node of 8
# A price in one region that is 1.10 times that in another to four digits was met in many cells of one catalogue: the
# price of dedicated tenancy, not of the region. Half as much again is more than any spread seen between regions (30 %).
TENANCY_RATIO: Final = 1.10
TENANCY_TOLERANCE: Final = 0.0005
LARGEST_REGION_RATIO: Final = 1.5
WIDENING_PERIOD_DAYS: Final = 90  # the catalogue states its shares for this many days


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


@dataclass(frozen=True)
class Catalogue:
    """Entries that passed the checks, and those set aside with the reason for each."""

    entries: tuple[Entry, ...]
    quarantined: dict[str, str]
    widening: dict[str, float]


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
    return Catalogue(usable, quarantined, dict(content["widening_per_90_days"]))


def _entry(raw: dict[str, Any], path: Path) -> Entry:
    price = raw.get("price", {})
    as_of = parse_date(raw["as_of"], f"{path}: {raw['id']}: as_of")
    return Entry(
        id=raw["id"],
        provider=raw["provider"],
        provider_kind=raw["provider_kind"],
        instance=raw["instance"],
        region=raw["region"],
        purchase=raw["purchase"],
        gpu=raw.get("gpu"),
        cpu=raw["cpu"],
        usd_per_hour=price.get("usd_per_hour"),
        low=price.get("low"),
        high=price.get("high"),
        as_of=as_of,
        max_age_days=raw["max_age_days"],
        sources=tuple(raw["sources"]),
        owned=raw.get("owned"),
    )


def quarantine(entries: Sequence[Entry]) -> dict[str, str]:
    """Why an entry cannot be right, by id; each rule is a fault that was met in a published catalogue."""
    reasons: dict[str, str] = {}
    for entry in entries:
        reason = (
            _price_fault(entry) or _gpu_fault(entry) or _spot_fault(entry, entries) or _region_fault(entry, entries)
        )
        if reason:
            reasons[entry.id] = reason
    return reasons


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
    if model not in GPU_MEMORY_GB:
        return f"the GPU {model!r} is not one of {', '.join(GPU_MEMORY_GB)}, so its memory cannot be checked"
    if count >= 1 and count not in WHOLE_GPU_COUNTS:
        return f"{count:g} GPUs is no size that is sold; a shared GPU is a fraction below 1"
    if count >= 1 and vram_gb not in GPU_MEMORY_GB[model]:
        known = " or ".join(f"{size:g}" for size in GPU_MEMORY_GB[model])
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
        same_machine = (other.provider, other.instance, other.purchase) == (
            entry.provider,
            entry.instance,
            entry.purchase,
        )
        if not same_machine or other.region == entry.region or not other.usd_per_hour or other.usd_per_hour <= 0:
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
    note = f"{age_days} days old, more than the {entry.max_age_days} allowed: range widened by {share:.0%}"
    return AgedPrice("widened", age_days, entry.usd_per_hour, entry.low * (1 - share), entry.high * (1 + share), note)

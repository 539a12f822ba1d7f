"""Campaigns that were measured apart under one identity, as one: which folders may be joined, and what the whole is.

Nothing is written here and no folder is changed; campaign.join makes the joined folder.
"""

from __future__ import annotations

import filecmp
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.foreign import read_foreign, require_places
from benchmark_runner.campaign.likeness import Part, require_one_campaign, require_poolable_records
from benchmark_runner.campaign.paths import JOINED, misplaced
from benchmark_runner.campaign.planned import PlannedLaunch
from benchmark_runner.campaign.recorded import (
    LOOKS,
    REPLACEABLE,
    RecordedCampaign,
    load_given,
    load_recorded,
    overridden,
    overrides_of,
    require_results,
    results_folder,
)
from benchmark_runner.checked import WORST_FIRST
from benchmark_runner.configuration.shortcuts import FOLDERS, UNLIKE_MACHINES, Given
from benchmark_runner.display import plural
from benchmark_runner.environment.kind import kind_of, unlike_kind
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json
from benchmark_runner.launch.record import WRITTEN
from benchmark_runner.locks import held_by
from benchmark_runner.records.unlike import MEASURED

_NAME_THEM: Final = "name folders of campaigns: --config folders=results/a,results/b output_dir=results/both"
_BESIDE: Final = frozenset({JOINED, ".benchmark_runner", "logs"})
"""What may lie in the joined folder before it has a plan."""

OWN_MEMORY: Final = 0.02
"""Share of the memory by which one machine may seem to have changed. Chosen: another kernel takes some tens of MB."""

Place = tuple[int, int]
"""Number of a folder, and a block there."""


def _part(folder: Path) -> Part:
    if holder := held_by(folder / ".benchmark_runner" / "lock"):
        raise BenchmarkError(f"{FOLDERS}: {folder} is being measured by {holder}; wait until that has ended")
    campaign = load_recorded(folder, {})
    plan = campaign.plan()
    refusals = {
        "joined": "was itself joined from others; name those",
        "until": "stopped at what it showed (launches: until decided), so its launches cannot be pooled with others; "
        "measure with a fixed number of launches",
        "pilot": "holds a pilot, which counts for no verdict; let the same command measure the campaign first",
    }
    for key, words in refusals.items():
        if plan["campaign"].get(key):
            raise BenchmarkError(f"{FOLDERS}: {folder} {words}")
    if not campaign.whole:
        raise BenchmarkError(f"{FOLDERS}: {folder} holds no launch; measure it first, or leave it out")
    return Part(folder, campaign, plan, read_json(folder / "environment.json"))


def _require_apart(folders: Sequence[Path], out: Path, root: Path) -> None:
    """Raise BenchmarkError where two of the folders, with the joined one, are one or lie in each other."""
    if complaint := misplaced(str(out), None, root):
        raise BenchmarkError(f"output_dir: {complaint}")
    named = [*((FOLDERS, folder) for folder in folders), ("output_dir", out)]
    for number, (key, folder) in enumerate(named):
        place = folder.resolve()
        for _, other in named[:number]:
            there = other.resolve()
            if place == there:
                raise BenchmarkError(f"{key}: {folder} and {other} are one folder; name each once")
            if place.is_relative_to(there) or there.is_relative_to(place):
                raise BenchmarkError(f"{key}: {folder} and {other} lie in each other; choose a folder of its own")


def _before(out: Path, folders: Sequence[Path]) -> list[str]:
    """Folders that a joined folder was made from before, in their order; none where there is none yet.

    Raises BenchmarkError where something else lies there, or one of them is not named now.
    """
    there = {path.name for path in out.iterdir()} - _BESIDE if out.is_dir() else set()
    if not (out / JOINED).is_file():
        if there:
            raise BenchmarkError(
                f"output_dir: {out} holds {min(there)!r} and was not joined; choose a folder that is not there yet"
            )
        return []
    content = read_json(out / JOINED)
    before = content.get("folders") if isinstance(content, dict) else None
    if not isinstance(before, list) or not all(isinstance(one, str) for one in before):
        raise BenchmarkError(f"{out / JOINED}: names no folders; choose another output_dir")
    places = {folder.resolve() for folder in folders}
    if gone := [name for name in before if Path(name).resolve() not in places]:
        raise BenchmarkError(f"{FOLDERS}: {out} was joined from {gone[0]} too; name it, or choose another output_dir")
    return before


def _may_be_one(machine: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two machines of one host name may be one: of one kind, with the same memory but for a kernel's own."""
    sizes = [one["memory"].get("total_bytes") or 0 for one in (machine, other)]
    return kind_of(machine) == kind_of(other) and max(sizes) - min(sizes) <= OWN_MEMORY * max(sizes)


def _machines(parts: Sequence[Part]) -> list[dict[str, str]]:
    """By folder the names of its machines: host names, with the first folder of each where unlike machines have the
    same."""
    known: dict[str, tuple[str, Mapping[str, Any]]] = {}
    names = []
    for part in parts:
        host, machine = str(part.environment["host"]["hostname"]), part.environment
        before = (name for name, (own, other) in known.items() if own == host and _may_be_one(machine, other))
        name = next(before, f"{host} ({part.folder})" if host in known else host)
        known.setdefault(name, (host, machine))
        names.append({host: name})
    return names


def _unlike_machines(parts: Sequence[Part], allowed: bool) -> str | None:
    """In what the machines are of unlike kinds; raises BenchmarkError where that was not allowed."""
    first, words = parts[0].environment, None
    for part in parts[1:]:
        words = words or unlike_kind(part.environment, first)
        if words and not allowed:
            raise BenchmarkError(
                f"{FOLDERS}: {part.folder}: {words}; compare the two campaigns instead, or say {UNLIKE_MACHINES}=true: "
                "ratios of engines then have to hold on each machine"
            )
    return words


def _numbered(parts: Sequence[Part], out: Path) -> dict[Place, int]:
    """Number in the whole of each block of which a launch was measured; those that it has already keep theirs."""
    rows = []
    if (out / "plan.json").is_file():
        rows = read_foreign(out / "plan.json", "plan")["order"]
        require_places(rows, len(parts), out / "plan.json")
    found = {(row[MEASURED]["in"], row[MEASURED]["block"]): row["block"] for row in rows}
    begun = {
        (number, launch.block): None
        for number, part in enumerate(parts)
        for launch in sorted(part.campaign.launches, key=lambda one: one.block)
        if launch.record in part.campaign.whole
    }
    last = max(found.values(), default=0)
    new = [place for place in begun if place not in found]
    return found | dict(zip(new, range(last + 1, last + 1 + len(new)), strict=True))


def _order(parts: Sequence[Part], numbers: Mapping[Place, int], out: Path) -> list[dict[str, Any]]:
    """Launches of the whole, each with where it was measured."""
    rows: dict[Place, list[Mapping[str, Any]]] = {}
    for number, part in enumerate(parts):
        for row in sorted(part.plan["order"], key=lambda one: int(one["position"])):
            rows.setdefault((number, row["block"]), []).append(row)
    order: list[dict[str, Any]] = []
    for place, block in sorted(numbers.items(), key=lambda one: one[1]):
        if place not in rows:
            raise BenchmarkError(
                f"{FOLDERS}: {parts[place[0]].folder} has no block {place[1]} any more, of which {out} was made; "
                "choose another output_dir"
            )
        for row in rows[place]:
            cell = {key: row[key] for key in ("engine", "workload", "identity")}
            launch = PlannedLaunch(len(order) + 1, block, **cell, output_dir=str(out))
            measured = {"in": place[0], "block": row["block"]}
            here = {"position": launch.position, "block": block, **cell, "folder": launch.folder}
            order.append({**here, MEASURED: measured})
    return order


def joined_plan(parts: Sequence[Part], out: Path, *, unlike_machines: bool) -> dict[str, Any]:
    """Plan of the whole: that of the first folder with the blocks of all, renumbered."""
    for part in parts[1:]:
        require_one_campaign(parts[0], part)
    unlike = _unlike_machines(parts, unlike_machines)
    numbers, machines, first = _numbered(parts, out), _machines(parts), parts[0].plan
    blocks = max(numbers.values())
    folders = [
        {"folder": str(part.folder), "machines": names, "blocks": sum(number == place[0] for place in numbers)}
        for number, (part, names) in enumerate(zip(parts, machines, strict=True))
    ]
    benchmark = {**first["config"]["benchmark"], "output_dir": str(out)}
    whole = {
        **first,
        "config": {**first["config"], "benchmark": benchmark},
        "campaign": {**first["campaign"], "launches": blocks, "joined": {"folders": folders, "unlike": unlike}},
        "workloads": [
            {**workload, "iterations_total": workload["iterations_per_launch"] * blocks}
            for workload in first["workloads"]
        ],
        "order": _order(parts, numbers, out),
    }
    read_back: dict[str, Any] = json.loads(json.dumps(whole))  # as the file holds it, to be held against that
    return read_back


def is_taken_over(source: Path) -> bool:
    """Whether a file of a folder becomes one of the whole: no link, which a killed launch leaves."""
    return os.path.lexists(source) and stat.S_ISREG(source.lstat().st_mode)


def _launched(parts: Sequence[Part], plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(file, file of the whole) of what launches left, which is taken over as it is."""
    for row in plan["order"]:
        part, block = parts[row[MEASURED]["in"]], row[MEASURED]["block"]
        cell = f"launches/{row['engine']}/{row['workload']}.{row['identity']}"
        for name in ("record.json", *WRITTEN):
            yield f"{part.folder}/{cell}/{block}/{name}", f"{row['folder']}/{name}"


def _documents(parts: Sequence[Part], plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(file, file of the whole) of what is told beside launches: as the folders have it now, or no file at all."""
    out = Path(plan["config"]["benchmark"]["output_dir"])
    for row in {row["block"]: row for row in plan["order"]}.values():
        yield (
            f"{parts[row[MEASURED]['in']].folder}/nodes/{row[MEASURED]['block']}.json",
            f"{out}/nodes/{row['block']}.json",
        )
    yield f"{parts[0].folder}/model/manifest.json", f"{out}/model/manifest.json"
    for engine in parts[0].campaign.engines:
        checks = [file for part in parts for file in part.campaign.fidelity(engine)]
        if checks:
            worst = min(checks, key=lambda file: WORST_FIRST.index(read_json(Path(file))["result"]))
            yield worst, f"{out}/fidelity/{engine}.json"
    for name in ("calibration.json", "load_calibration.json"):
        yield f"{parts[0].folder}/{name}" if plan["campaign"]["joined"]["unlike"] is None else "", f"{out}/{name}"


def _environment(parts: Sequence[Part], machines: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """environment.json of the first folder, with those of the other machines."""
    first = next(iter(machines[0].values()))
    others = {name: part.environment for part, names in zip(parts, machines, strict=True) for name in names.values()}
    others.pop(first)
    return {**parts[0].environment, "other_machines": [{"machine": name, **one} for name, one in others.items()]}


def _looks(parts: Sequence[Part], out: Path) -> dict[str, Any]:
    """Looks so far at the whole: those at the folder that was looked at most often, which may be the joined one."""
    from benchmark_runner.statistics.looks import NO_HISTORY, read_history  # slow to import, and only here

    kept: dict[str, Any] = {}
    for folder in (out, *(part.folder for part in parts)):
        for cell, seen in read_history(folder / LOOKS)["looks"].items():
            kept[cell] = max(kept.get(cell, []), seen, key=len)
    return {**NO_HISTORY, "looks": kept}


def _remarks(parts: Sequence[Part], plan: Mapping[str, Any]) -> Iterator[str]:
    """What a reader should know of how the whole was put together."""
    joined, out = plan["campaign"]["joined"]["folders"], plan["config"]["benchmark"]["output_dir"]
    told = [
        f"{plural(one['blocks'], 'block')} of {one['folder']} ({', '.join(one['machines'].values())})" for one in joined
    ]
    yield f"{out}: {', '.join(told)}"
    for part in parts:
        taken = {row[MEASURED]["block"] for row in plan["order"] if parts[row[MEASURED]["in"]] is part}
        if left := sorted({row["block"] for row in part.plan["order"]} - taken):
            yield f"note: {plural(len(left), 'block')} of {part.folder} without any record left out (from {left[0]} on)"
    for part in parts[1:]:
        unlike = [name for name in REPLACEABLE if part.plan["config"].get(name) != plan["config"].get(name)]
        if unlike:
            yield f"note: {', '.join(unlike)} as in {parts[0].folder}, where {part.folder} has other settings"


def is_as(source: Path, target: Path) -> bool:
    """Whether a file of the whole is what its folder has now."""
    if not is_taken_over(source) or not target.is_file():
        return not is_taken_over(source) and not os.path.lexists(target)
    return source.samefile(target) or filecmp.cmp(source, target, shallow=False)


def _is_made(told: Mapping[str, Any], out: Path) -> bool:
    """Whether the joined folder is there as it would be made now."""
    beside = {"plan.json": told["plan"], "environment.json": told["environment"], LOOKS: told["looks"]}
    if any(not (out / name).is_file() or read_json(out / name) != content for name, content in beside.items()):
        return False
    # A launch may be gone from its folder since.
    left = ((source, target) for source, target in told["launched"] if is_taken_over(Path(source)))
    return all(is_as(Path(source), Path(target)) for source, target in (*left, *told["documents"]))


def require_folders(given: Given) -> list[Path]:
    """The folders that a call names to be joined; raises BenchmarkError where it names fewer than two."""
    folders = [Path(os.path.normpath(results_folder(name, FOLDERS))) for name in given.folders or ()]
    if len(folders) < 2:
        raise BenchmarkError(f"{FOLDERS}: join needs two folders or more; {_NAME_THEM}")
    return folders


def load_results(given: Given, root: Path) -> RecordedCampaign:
    """The campaign in output_dir; where the call names folders the one that is joined from them, which a job has yet to
    write where `joins` says so. root is the folder of the workflow.

    Raises BenchmarkError with one line that names what differs, or what is wrong with which folder.
    """
    if given.folders is None:
        return load_given(given.config)
    folders = require_folders(given)
    out = Path(os.path.normpath(results_folder(given.config.get("output_dir"), "output_dir")))
    for folder in folders:
        require_results(folder, FOLDERS, _NAME_THEM)
    _require_apart(folders, out, root)
    before = [Path(name) for name in _before(out, folders)]
    there = {folder.resolve() for folder in before}
    parts = [_part(folder) for folder in [*before, *(one for one in folders if one.resolve() not in there)]]
    plan = joined_plan(parts, out, unlike_machines=given.unlike_machines)
    told = {
        "plan": plan,
        "launched": list(_launched(parts, plan)),
        "documents": list(_documents(parts, plan)),
        "environment": _environment(parts, [one["machines"] for one in plan["campaign"]["joined"]["folders"]]),
        "looks": _looks(parts, out),
    }
    if _is_made(told, out):
        return load_given(given.config)
    require_poolable_records(parts)
    campaign = RecordedCampaign(plan, overridden(plan["config"], overrides_of(given.config)))
    campaign.joins = True
    campaign.told = {**told, "remarks": list(_remarks(parts, plan))}
    return campaign

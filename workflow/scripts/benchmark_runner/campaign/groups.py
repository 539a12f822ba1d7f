"""Groups of blocks: a campaign until decided measures one, looks at it, and lets what is decided out of the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from benchmark_runner.errors import MADE_AGAIN, BenchmarkError
from benchmark_runner.hashes import fingerprint
from benchmark_runner.jsonio import read_json
from benchmark_runner.records.whole import is_cut, record_head
from benchmark_runner.statistics.planned import GIVE_UP_BELOW, PlannedLook
from benchmark_runner.status import Status

FOLDER: Final = "until"
"""Folder of the decisions in a results folder."""

Cell = tuple[str, str, str]
"""Engine, workload and identity."""


def _decision(file: Path) -> Mapping[str, Any]:
    """The section `until` of a look; raises BenchmarkError where the file holds something else."""
    content = read_json(file)
    if not isinstance(content, dict) or not {"ended", "absent", "cells"} <= content.keys():
        raise BenchmarkError(f"{file} holds no look; {MADE_AGAIN}")
    return content


class Groups:
    """The groups of a campaign, as many as the looks that were made ask for.

    What a look has decided is a file, which counts as long as it knew of all that was measured: with another engine,
    workload, recipe or plan of looks it has another name, and when an engine has come that was not to be had, the looks
    are made anew on what was measured.
    """

    def __init__(
        self, looks: Sequence[PlannedLook], cells: Sequence[Cell], analysis: Mapping[str, Any], out: str
    ) -> None:
        self.looks = looks
        self._cells = cells
        self._analysis = analysis
        judging = ("confidence_level", "significance_test", "remove_outliers", "outlier_threshold")
        self._key = fingerprint({"looks": looks, "cells": cells, "analysis": {key: analysis[key] for key in judging}})
        self._out = out

    def reread(self) -> Groups:
        """The groups of the same plan by the looks that are there now."""
        return Groups(self.looks, self._cells, self._analysis, self._out)

    def _file(self, look: PlannedLook) -> str:
        return f"{self._out}/{FOLDER}/{self._key}.{look.launches}.json"

    @cached_property
    def decisions(self) -> list[Mapping[str, Any]]:
        """The sections `until` of the looks that were made, in turn."""
        found: list[Mapping[str, Any]] = []
        for look in self.looks:
            file = Path(self._file(look))
            if not file.is_file() or is_cut(file) or (found and found[-1]["ended"]):
                break
            found.append(_decision(file))
            if self._has_come(found[-1]["absent"]):
                return found[:-1]
        return found

    def _has_come(self, absent: Sequence[Mapping[str, str]]) -> bool:
        """Whether something was measured of what was absent when a look was made."""
        missed = {(cell["engine"], cell["workload"]) for cell in absent}
        patterns = (f"launches/{name}/{load}.{key}" for name, load, key in self._cells if (name, load) in missed)
        records = (file for pattern in patterns for file in Path(self._out, pattern).glob("*/record.json"))
        return any((head := record_head(file)) is not None and head.status == Status.OK for file in records)

    @property
    def owed_look(self) -> str | None:
        """File of the look that is to be made next; None where the campaign has come to its end."""
        if self.decisions and self.decisions[-1]["ended"]:
            return None
        return self._file(self.looks[len(self.decisions)])

    @property
    def blocks(self) -> list[list[Cell]]:
        """The cells of each block so far."""
        found: list[list[Cell]] = []
        wanted = [None, *({(one["engine"], one["workload"]) for one in made["cells"]} for made in self.decisions)]
        for look, members in zip(self.looks, wanted, strict=False):
            cells = [cell for cell in self._cells if members is None or cell[:2] in members]
            if cells:
                found.extend([cells] * (look.launches - len(found)))
        return found

    def describe(self, alpha: float) -> dict[str, Any]:
        """The plan's `until`: its looks with what they may have spent of alpha together."""
        shares = [look.share for look in self.looks]
        return {
            "at_most": self.looks[-1].launches,
            "give_up_below": GIVE_UP_BELOW,
            "looks": [
                {**look._asdict(), "cumulative_alpha": round(alpha * sum(shares[: number + 1]), 12)}
                for number, look in enumerate(self.looks)
            ],
        }

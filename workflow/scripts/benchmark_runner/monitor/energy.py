"""Energy of the processor packages, from RAPL's counters (kernel documentation, powercap)."""

from __future__ import annotations

import glob
import os
from typing import Final

from benchmark_runner.monitor.probe import KernelFile, Sample

NAME: Final = "package_energy_joules"


def counted_joules(total_joules: float, before_uj: int, now_uj: int, range_uj: int) -> float:
    """Total after a new reading in microjoules of a counter that starts again at 0 past range_uj."""
    step_uj = now_uj - before_uj if now_uj >= before_uj else now_uj + range_uj - before_uj
    return total_joules + step_uj / 1e6


class PackageEnergyProbe:
    """Energy of all packages since the monitor began."""

    def __init__(self, powercap: str = "/sys/class/powercap") -> None:
        self.absent: dict[str, str] = {}
        self._counters: list[tuple[KernelFile, int]] = []
        self._before_uj: list[int] = []
        self._joules: list[float] = []
        # intel-rapl:0 is a package (AMD's too); intel-rapl:0:1 is a part that the package already contains.
        folders = sorted(path for path in glob.glob(f"{powercap}/intel-rapl:*") if path.count(":") == 1)  # noqa: PTH207
        if not folders:
            self.absent[NAME] = f"{powercap} has no intel-rapl package, as is usual in a virtual machine"
        for folder in folders:
            self._open(folder)
            if self.absent:
                break

    def _open(self, folder: str) -> None:
        path = f"{folder}/energy_uj"
        try:
            counter = KernelFile(path)
            self._before_uj.append(int(counter.read(32)))
            range_uj = int(KernelFile(f"{folder}/max_energy_range_uj").read(32))
        except OSError as error:
            self.absent[NAME] = (
                f"{path}: {os.strerror(error.errno or 0)}; `sudo chmod a+r {path}` makes it readable until a restart"
            )
            self._counters = []
            return
        self._counters.append((counter, range_uj))
        self._joules.append(0.0)

    def read(self, sample: Sample) -> None:
        """Adds package_energy_joules, cumulative."""
        for index, (counter, range_uj) in enumerate(self._counters):
            now_uj = int(counter.read(32))
            self._joules[index] = counted_joules(self._joules[index], self._before_uj[index], now_uj, range_uj)
            self._before_uj[index] = now_uj
        if self._counters:
            sample[NAME] = round(sum(self._joules), 6)

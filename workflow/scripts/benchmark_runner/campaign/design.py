"""Whether a campaign's launches can answer its questions, from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from benchmark_runner.configuration.positions import Problem
from benchmark_runner.configuration.resolve import Examined
from benchmark_runner.display import plural
from benchmark_runner.statistics.power import family_size, fewest_launches, share_of_alpha
from benchmark_runner.statistics.schemes import SCHEMES, Scheme


class Design(NamedTuple):
    """The primary family and what it takes: all pairs of engines (control excluded) in each test case."""

    engines: int
    cells: int
    launches: int
    alpha: float
    scheme: Scheme

    @property
    def tests(self) -> int:
        """Comparisons in the family."""
        return family_size(self.engines, self.cells)

    @property
    def alpha_of_look(self) -> float:
        """What the first look may spend."""
        return round(self.alpha * share_of_alpha(1), 12)

    @property
    def needed(self) -> int:
        """Fewest launches from which a verdict can come."""
        return fewest_launches(max(self.tests, 1), self.alpha_of_look, self.scheme.second)

    @property
    def can_answer(self) -> bool:
        """Whether the launches are enough for a verdict, whatever they will show; so too where nothing is compared."""
        return self.tests == 0 or self.launches >= self.needed


def design_of(engines: int, cells: int, launches: int, analysis: Mapping[str, Any]) -> Design:
    """Design of so many engines (without the control) in so many test cases under a configuration's `analysis`."""
    alpha = round(1.0 - analysis["confidence_level"], 12)
    return Design(engines, cells, launches, alpha, SCHEMES[analysis["significance_test"]])


def underpowered(examined: Examined) -> Iterator[Problem]:
    """The problem of a design that cannot answer, unless benchmark.allow_underpowered is true.

    The configuration must have no other problem.
    """
    config = examined.config
    benchmark = config["benchmark"]
    if benchmark["allow_underpowered"]:
        return
    engines = sum(examined.takes_part(engine) for engine in config["engines"])
    cells = sum(len(workload["test_cases"]) for workload in config["workloads"])
    design = design_of(engines, cells, benchmark["launches"], config["analysis"])
    if not design.can_answer:
        family = f"{plural(design.tests, 'comparison')} ({plural(engines, 'engine')} in {plural(cells, 'test case')})"
        yield (
            ["benchmark", "launches"],
            f"{plural(design.launches, 'launch')} cannot tell anything apart: over {family} a verdict needs "
            f"{design.needed} or more. Set launches to {design.needed}, leave engines out (--config only_engines=…), "
            "or set benchmark.allow_underpowered: true to run it for its estimates, with every verdict untestable",
        )

"""The cheapest whole numbers of machines that serve every pool of a demand, by integer programming."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulp
from pulp.apis.coin_api import pulp_cbc_path

from benchmark_runner.errors import BenchmarkError

SOLVER_SECONDS: Final = 60  # far more than such small problems take


@dataclass(frozen=True)
class Option:
    """One way to serve a pool: an engine on a machine at a price, with what one such machine serves."""

    pool: str
    engine: str
    price_id: str
    requests_per_s: float
    usd_per_hour: float


@dataclass(frozen=True)
class Fleet:
    """How many machines of each option; those with none are left out."""

    machines: tuple[tuple[Option, int], ...]

    @property
    def usd_per_hour(self) -> float:
        """What all machines cost an hour."""
        return sum(option.usd_per_hour * count for option, count in self.machines)

    @property
    def options(self) -> frozenset[Option]:
        """The options that it uses."""
        return frozenset(option for option, _ in self.machines)


def cheapest_fleet(
    options: Sequence[Option],
    needs: Mapping[str, float],
    most: int | None = None,
    without: Collection[Option] = (),
) -> Fleet | None:
    """The cheapest fleet that serves needs (requests/s by pool, above 0); None where no fleet does.

    most is the largest number of machines under one price, of all pools together. Raises BenchmarkError where the
    solver gives no answer.
    """
    usable = [option for option in options if option not in without]
    problem = pulp.LpProblem("fleet", pulp.LpMinimize)
    counts = [problem.add_variable(f"machines_{number}", 0, most, pulp.LpInteger) for number in range(len(usable))]
    problem += pulp.lpSum(option.usd_per_hour * count for option, count in zip(usable, counts, strict=True))
    for pool, need in needs.items():
        serving = [(option, count) for option, count in zip(usable, counts, strict=True) if option.pool == pool]
        if not serving:
            return None
        # in units of the need, so that the solver's tolerance is a share of it
        problem += pulp.lpSum(option.requests_per_s / need * count for option, count in serving) >= 1
    for price_id in {option.price_id for option in usable} if most is not None else ():
        of_price = [count for option, count in zip(usable, counts, strict=True) if option.price_id == price_id]
        problem += pulp.lpSum(of_price) <= most
    # With its cuts CBC called a fleet optimal that was not, in one of 300 small instances; such problems need none.
    problem.solve(pulp.COIN_CMD(path=pulp_cbc_path, msg=False, timeLimit=SOLVER_SECONDS, cuts=False))
    status = pulp.LpStatus[problem.status]
    if status == "Infeasible":
        return None
    if status != "Optimal":
        raise BenchmarkError(f"the solver says {status} of the fleet: ask for fewer pools in business.demand.pools")
    whole = [round(count.value() or 0) for count in counts]
    return Fleet(tuple((option, number) for option, number in zip(usable, whole, strict=True) if number))


def next_best_fleet(
    options: Sequence[Option], needs: Mapping[str, float], best: Fleet, most: int | None = None
) -> Fleet | None:
    """The cheapest fleet that does without at least one option of the best; None where there is none."""
    others = [cheapest_fleet(options, needs, most, without={option}) for option, _ in best.machines]
    found = [fleet for fleet in others if fleet is not None]
    return min(found, key=lambda fleet: fleet.usd_per_hour, default=None)


def fewest_of_a_price(options: Sequence[Option], needs: Mapping[str, float]) -> int | None:
    """The smallest limit on machines under one price with which some fleet serves the needs; None where none does."""
    if cheapest_fleet(options, needs) is None:
        return None
    low, high = 0, 1
    while cheapest_fleet(options, needs, high) is None:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cheapest_fleet(options, needs, middle) is not None else (middle, high)
    return high

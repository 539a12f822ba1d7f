"""What a block draws for its launches under load: the order of the levels, the arrivals, a new prompt a request.

All engines of a block are given the same. No prompt comes twice in a launch, so that no cache of prefixes can help:
each is the case's own prompt with its tokens in another order. The first one stays, the BOS where a model has one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

from benchmark_runner.errors import BenchmarkError

FASTEST_TOKEN_SECONDS: Final = 0.0025
"""No engine under load makes a request's tokens faster (chosen); a level by time ends early where one does."""

MOST_IDS: Final = 2_000_000
"""Ids of all prompts of a level, about 10 MB of the spec (chosen); a level by time that needs more ends early."""

DEVIATIONS: Final = 5
"""By so many standard deviations more arrivals than on average are provided for (chosen)."""

SPARE: Final = 8


def requests_at_most(load: Mapping[str, Any], max_new_tokens: int) -> int:
    """How many requests a level may need: warm-up, measured ones, and those that keep the load up until the last of
    these has ended, which are at most as many again."""
    seconds, measured, warmup = load["duration_seconds"], load["requests"], int(load["warmup_requests"])
    if load["mode"] == "closed":
        slots = int(load["concurrency"])
        if measured is None:
            measured = slots * math.ceil(seconds / (max_new_tokens * FASTEST_TOKEN_SECONDS))
        return warmup + int(measured) + 4 * slots + SPARE
    if measured is None:
        measured = seconds * load["requests_per_second"]
    spread: float = DEVIATIONS * math.sqrt(2 * measured / load["burstiness"])
    return math.ceil(float(warmup + 2 * measured + SPARE) + spread)


def arrangements(prompt_ids: Sequence[int]) -> float:
    """In how many orders the tokens behind the first can stand; infinity beyond what a float holds."""
    counts = Counter(prompt_ids[1:])
    logarithm = math.lgamma(counts.total() + 1) - sum(math.lgamma(count + 1) for count in counts.values())
    return math.exp(logarithm) if logarithm < math.log(1e300) else math.inf


def require_room(cases: Sequence[tuple[Sequence[int], Mapping[str, Any]]]) -> None:
    """Raise BenchmarkError where the prompts of a workload cannot be arranged anew for each of its requests.

    cases are the ids and the entry in plan.json of each level.
    """
    wanted: Counter[tuple[int, ...]] = Counter()
    for prompt_ids, case in cases:
        wanted[(*prompt_ids,)] += requests_at_most(case["load"], case["max_new_tokens"])
    for ids, requests in wanted.items():
        # Twice as many, so that drawing the last one takes two tries and not hundreds.
        if (possible := arrangements(ids)) < 2 * requests:
            raise BenchmarkError(
                f"each of up to {requests} requests is given the prompt's tokens in another order, and {len(ids)} "
                f"tokens have only {possible:.0f} orders; make the prompt longer: 16 different tokens always do"
            )


class BlockDraw:
    """What the launches of one block of a campaign are given."""

    def __init__(self, seed: int, block: int) -> None:
        self._name = f"{seed}/{block}"

    def _random(self, what: str) -> Random:
        return Random(f"{self._name}/{what}")  # a text is hashed, the same in each process

    def stages(self, levels: int) -> list[int]:
        """The levels in the order in which they run."""
        order = list(range(levels))
        self._random("stages").shuffle(order)
        return order

    def cases(self, cases: Sequence[Mapping[str, Any]], loads: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The cases with their loads, whose arrivals are this block's own, and their prompts."""
        taken: set[tuple[int, ...]] = set()
        return [
            {**case, "load": self._load(index, load), "prompts": list(self._prompts(index, case, load, taken))}
            for index, (case, load) in enumerate(zip(cases, loads, strict=True))
        ]

    def _load(self, index: int, load: Mapping[str, Any]) -> dict[str, Any]:
        if "seed" not in load:
            return dict(load)
        return {**load, "seed": self._random(f"{load['seed']}/arrivals/{index}").getrandbits(32)}

    def _prompts(
        self, index: int, case: Mapping[str, Any], load: Mapping[str, Any], taken: set[tuple[int, ...]]
    ) -> Iterator[list[int]]:
        random, ids = self._random(f"prompts/{index}"), list(case["prompt_ids"])
        wanted = requests_at_most(load, case["max_new_tokens"])
        for _ in range(min(wanted, max(1, MOST_IDS // len(ids)))):
            while True:
                rest = ids[1:]
                random.shuffle(rest)
                if (prompt := (ids[0], *rest)) not in taken:
                    break
            taken.add(prompt)
            yield list(prompt)

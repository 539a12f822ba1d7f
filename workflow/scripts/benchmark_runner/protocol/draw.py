"""What a block draws for its launches under load: the order of the levels, the arrivals, a new prompt a request.

All engines of a block are given the same. No prompt comes twice in a launch, so that no cache of prefixes can help:
each is the case's own prompt with its tokens in another order, or as many of them as its own length asks for. The first
one stays, the BOS where a model has one, and so do those of a prefix that all share.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, repeat
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

ENOUGH: Final = 16
"""So many different tokens have more orders than any level has requests (chosen)."""

MOST_DRAWS: Final = 1000
"""For one prompt (chosen): where require_room was asked before, two take one on average."""


def requests_at_most(case: Mapping[str, Any]) -> int:
    """How many requests a level of plan.json may need: warm-up, measured ones, and those that keep the load up until
    the last of these has ended, which are at most as many again."""
    load = case["load"]
    seconds, measured, warmup = load["duration_seconds"], load["requests"], int(load["warmup_requests"])
    if load["mode"] == "closed":
        slots = int(load["concurrency"])
        if measured is None:
            answer_tokens = case.get("answer_lengths", {}).get("min", case["max_new_tokens"])
            measured = slots * math.ceil(seconds / (answer_tokens * FASTEST_TOKEN_SECONDS))
        most, turns = warmup + int(measured) + 4 * slots + SPARE, load.get("turns", 1)
        return most if turns == 1 else (math.ceil(most / turns) + slots) * turns
    if load["arrivals"] == "trace":
        return len(load["arrivals_ns"])
    if measured is None:
        measured = seconds * load["requests_per_second"]
    spread: float = DEVIATIONS * math.sqrt(2 * measured / load["burstiness"])
    return math.ceil(float(warmup + 2 * measured + SPARE) + spread)


def by_file(cases: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, Mapping[str, Any]]]:
    """The levels that draw from a file of prompts, by its hash and their place among the cases."""
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for place, case in enumerate(cases):
        if case.get("prompt", {}).get("kind") == "lines":
            found.setdefault(case["prompt"]["sha256"], {})[place] = case
    return found


def shares(lines: int, cases: Sequence[Mapping[str, Any]]) -> list[int]:
    """How many prompts of a file of so many each level is given that draws from it, all different.

    Raises BenchmarkError where the levels of a launch send more for certain.
    """
    wanted = [requests_at_most(case) for case in cases]
    loads = [case["load"] for case in cases]
    # Closed loops are kept full while the last measured requests end.
    least = [load["warmup_requests"] + (load["requests"] or 1) + load.get("concurrency", 0) for load in loads]
    if (sent := sum(least)) > lines:
        raise BenchmarkError(
            f"it has {lines} prompts and a launch sends at least {sent}, none twice; add prompts, or lower requests, "
            "warmup_requests or the number of levels"
        )
    spare, more = lines - sent, sum(wanted) - sent
    return [few + (many - few) * min(spare, more) // max(more, 1) for few, many in zip(least, wanted, strict=True)]


def arrangements(tokens: Sequence[int]) -> float:
    """In how many orders tokens can stand; infinity beyond what a float holds."""
    counts = Counter(tokens)
    logarithm = math.lgamma(counts.total() + 1) - sum(math.lgamma(count + 1) for count in counts.values())
    return math.exp(logarithm) if logarithm < math.log(1e300) else math.inf


def _kept(case: Mapping[str, Any]) -> int:
    """Tokens that all prompts of a level begin with."""
    return int(case.get("shared_prefix_tokens", 1))


def require_room(cases: Sequence[tuple[Sequence[int], Mapping[str, Any]]]) -> None:
    """Raise BenchmarkError where the prompts of a workload cannot be arranged anew for each of its requests.

    cases are the ids and the entry in plan.json of each level.
    """
    wanted: Counter[tuple[int, ...]] = Counter()
    for prompt_ids, case in cases:
        lengths = case.get("prompt_lengths", {})
        if "lengths" in lengths:
            if (total := sum(lengths["lengths"])) > MOST_IDS:
                raise BenchmarkError(
                    f"the prompts of the trace's window have {total} tokens, more than the {MOST_IDS} of a level; "
                    "replay fewer requests, or a shorter time"
                )
            _require_room_for(prompt_ids[_kept(case) :], Counter(each - _kept(case) for each in lengths["lengths"]))
            continue
        shortest = lengths.get("min", len(prompt_ids))
        # Of a conversation the first turn must be new.
        wanted[(*prompt_ids[_kept(case) : shortest],)] += requests_at_most(case) // case["load"].get("turns", 1)
    for tokens, requests in wanted.items():
        # Twice as many, so that drawing the last one takes two tries and not hundreds.
        if (possible := arrangements(tokens)) < 2 * requests:
            raise BenchmarkError(
                f"each of up to {requests} requests is given the prompt's tokens in another order, and the "
                f"{len(tokens)} behind its beginning have only {possible:.0f}; make the prompt longer: 15 different "
                "ones always do"
            )


def _require_room_for(tokens: Sequence[int], requests: Mapping[int, int]) -> None:
    """The same where each request has a length of its own: requests by how many of tokens each is given."""
    different = len(set(tokens))
    for count, number in sorted(requests.items()):
        if count < 0 or math.perm(different, min(count, different, ENOUGH)) < 2 * number:
            raise BenchmarkError(
                f"{number} requests of the trace have {max(count, 0)} tokens behind their beginning, too few for each "
                "to have others; lengthen the short ones: prompt_tokens.min: 16"
            )


def _lengths(lengths: Mapping[str, Any] | None, fixed: int, random: Random) -> Iterator[int]:
    """The length of one request after the other: those of a trace, or drawn or the fixed one without end."""
    if lengths is None:
        return repeat(fixed)
    if "lengths" in lengths:
        return iter(lengths["lengths"])
    return (length(lengths, random) for _ in repeat(None))


def length(lengths: Mapping[str, Any], random: Random) -> int:
    """A length drawn from a distribution of the configuration, cut at its min and max."""
    least, most = lengths["min"], lengths["max"]
    if lengths["distribution"] == "uniform":
        return random.randint(least, most)
    if lengths["distribution"] == "quantiles":
        steps = lengths["quantiles"]
        place, above = divmod(random.random() * (len(steps) - 1), 1)
        low, high = steps[int(place) : int(place) + 2]
        return int(min(max(round(low + above * (high - low)), least), most))
    mean, sd = lengths["mean"], lengths["sd"]
    if lengths["distribution"] == "gamma":
        drawn = random.gammavariate((mean / sd) ** 2, sd**2 / mean)
    else:
        variance = math.log1p((sd / mean) ** 2)  # of the logarithm
        drawn = random.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))
    return int(min(max(round(drawn), least), most))


def _arranged(
    ids: Sequence[int], kept: int, tokens: int, first: int, random: Random, taken: set[tuple[int, ...]]
) -> tuple[int, ...]:
    """So many of ids in another order behind those that are kept, whose first ones no other prompt has."""
    drawn = ((*ids[:kept], *random.sample(ids[kept:], tokens - kept)) for _ in range(MOST_DRAWS))
    found = next((one for one in drawn if one[:first] not in taken), None)
    if found is None:
        raise BenchmarkError(
            f"{len(ids)} tokens have too few orders to give each request a prompt of its own; make the prompt longer"
        )
    taken.add(found[:first])
    return found


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

    def cases(
        self,
        cases: Sequence[Mapping[str, Any]],
        planned: Sequence[Mapping[str, Any]],
        pools: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> list[dict[str, Any]]:
        """The spec's cases with loads, whose arrivals are this block's own, and what each request asks for; pools are
        the prompts of the user's files."""
        given = self._given(planned, pools)
        taken: set[tuple[int, ...]] = set()
        found: list[dict[str, Any]] = []
        for index, (case, level) in enumerate(zip(cases, planned, strict=True)):
            answers = _lengths(level.get("answer_lengths"), case["max_new_tokens"], self._random(f"answers/{index}"))
            if index in given:
                within = zip(given[index], accumulate(len(one["prompt_ids"]) for one in given[index]), strict=True)
                lines = [line for line, ids in within if ids <= MOST_IDS]
                asked = [(tuple(line["prompt_ids"]), line["max_tokens"] or next(answers)) for line in lines]
            elif "turns" in level["load"]:
                asked = list(self._conversations(index, case["prompt_ids"], level, answers, taken))
            else:
                asked = list(zip(self._prompts(index, case["prompt_ids"], level, taken), answers, strict=False))
            is_own = "answer_lengths" in level or index in given
            each = {"max_new_tokens_each": [answer for _, answer in asked]} if is_own else {}
            load, prompts = self._load(index, level["load"]), [list(prompt) for prompt, _ in asked]
            found.append({**case, **each, "load": load, "prompts": prompts})
        return found

    def _given(
        self, planned: Sequence[Mapping[str, Any]], pools: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> dict[int, Sequence[Mapping[str, Any]]]:
        """Prompts of the user's file for each level that takes them, none for two."""
        given: dict[int, Sequence[Mapping[str, Any]]] = {}
        for sha256, levels in by_file(planned).items():
            pool = pools[sha256]
            drawn = iter(self._random(f"pool/{sha256}").sample(pool, len(pool)))
            counts = shares(len(pool), [*levels.values()])
            given |= {place: list(islice(drawn, count)) for place, count in zip(levels, counts, strict=True)}
        return given

    def _load(self, index: int, load: Mapping[str, Any]) -> dict[str, Any]:
        if "seed" not in load:
            return dict(load)
        return {**load, "seed": self._random(f"{load['seed']}/arrivals/{index}").getrandbits(32)}

    def _prompts(
        self, index: int, ids: Sequence[int], level: Mapping[str, Any], taken: set[tuple[int, ...]]
    ) -> Iterator[tuple[int, ...]]:
        random, room = self._random(f"prompts/{index}"), MOST_IDS
        lengths = _lengths(level.get("prompt_lengths"), len(ids), random)
        for tokens in islice(lengths, requests_at_most(level)):
            if (room := room - tokens) < 0:
                return
            yield _arranged(ids, _kept(level), tokens, tokens, random, taken)

    def _conversations(
        self,
        index: int,
        ids: Sequence[int],
        level: Mapping[str, Any],
        answers: Iterator[int],
        taken: set[tuple[int, ...]],
    ) -> Iterator[tuple[tuple[int, ...], int]]:
        """Each turn of one conversation after the other: its prompt, and how long its answer is.

        A prompt is all that came before and new tokens. In place of each answer it has as many others, written here:
        so all engines are asked for the same, whatever they answered.
        """
        random, room, turns = self._random(f"prompts/{index}"), MOST_IDS, level["load"]["turns"]
        new_tokens = _lengths(level["prompt_lengths"], 0, self._random(f"turns/{index}"))
        for _ in range(requests_at_most(level) // turns):
            asked = list(islice(zip(new_tokens, answers, strict=False), turns))
            ends = [end - answer for end, (_, answer) in zip(accumulate(map(sum, asked)), asked, strict=True)]
            if (room := room - sum(ends)) < 0:
                return
            whole = _arranged(ids, _kept(level), ends[-1], ends[0], random, taken)
            yield from ((whole[:end], answer) for end, (_, answer) in zip(ends, asked, strict=True))

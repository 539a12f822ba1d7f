"""Which prompts go into one generate_batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench_protocol.stage import Request


def alike(batch: Sequence[Request], prompts: Sequence[Sequence[int]]) -> Iterator[list[Request]]:
    """The requests of a batch, the shortest prompts first, in parts that are decoded one after the other.

    The package reads at once as many tokens as the shortest prompt has, and what others have beyond them one by one. A
    part of its own is worth it where that would take more steps than an answer.
    """
    part: list[Request] = []
    for request in sorted(batch, key=lambda one: len(prompts[one.prompt])):
        if part and len(prompts[request.prompt]) - len(prompts[part[0].prompt]) > request.limit:
            yield part
            part = []
        part.append(request)
    if part:
        yield part

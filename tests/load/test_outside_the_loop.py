"""What takes the client time is done before a level is sent and after it has ended, never while it is measured."""

from __future__ import annotations

import gc
import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmark_runner.load import chunks
from benchmark_runner.load.asking import Asking
from benchmark_runner.load.client import Client, Ran
from benchmark_runner.load.clocks import Clocks
from benchmark_runner.load.connection import target_of
from benchmark_runner.load.driver import EventLog, run_stages
from benchmark_runner.load.stages import Stage
from stub_server import stub

CASE: dict[str, Any] = {
    "prompt_ids": [7, 8, 9],
    "max_new_tokens": 4,
    "ignore_eos": True,
    "eos_ids": [2],
    "sampling": {"temperature": 0, "top_p": 1, "seed": 3},
    "prompts": [[7, number, 9] for number in range(30)],
    "load": {"mode": "closed", "concurrency": 2, "requests": 4, "duration_seconds": None, "warmup_requests": 2}
    | {"timeout_seconds": 20},
}
SERVER = {"path": "/v1/completions", "model": "stub", "body": {}, "ids": {"in": False, "stream": None, "whole": None}}


class Measuring(Client):
    """Knows whether requests are in flight, and whether Python's collector may stop the loop meanwhile."""

    is_running, is_collected = False, True

    def _loop(self, stage: Stage) -> None:
        self.is_collected = gc.isenabled()
        super()._loop(stage)

    def run(self, *arguments: Any, **named: Any) -> Ran:
        self.is_running = True
        try:
            return super().run(*arguments, **named)
        finally:
            self.is_running = False


class Words:
    """In a tokenizer's place: ids are their texts."""

    def of_prompt(self, ids: list[int]) -> str:
        return " ".join(map(str, ids))

    def ids_of(self, text: str) -> list[int]:
        return [len(text)]


def test_requests_are_made_and_answers_read_while_none_is_in_flight(tmp_path: Path, monkeypatch: Any) -> None:
    done: Counter[tuple[str, bool]] = Counter()
    with (
        stub("--ttft-ms", "2", "--gap-ms", "1") as port,
        closing(Measuring(target_of(f"http://127.0.0.1:{port}"))) as client,
    ):

        def note(owner: Any, name: str) -> None:
            own = getattr(owner, name)

            def noting(*arguments: Any, **named: Any) -> Any:
                done[name, client.is_running] += 1
                return own(*arguments, **named)

            monkeypatch.setattr(owner, name, noting)

        for owner, name in ((Words, "of_prompt"), (json, "dumps"), (chunks, "RAW_DECODE")):
            note(owner, name)
        words: Any = Words()
        server = {**SERVER, "base_url": f"http://127.0.0.1:{port}"}
        events = EventLog(tmp_path / "events", None)
        run_stages(
            {"cases": [CASE], "stages": [0]},
            Asking(server, client.target, client, None, words),
            client,
            Clocks(server),
            events,
        )
    assert done["of_prompt", False] == len(CASE["prompts"]) + 1  # and one alone behind the level
    assert done["dumps", False] > done["of_prompt", False]
    assert done["RAW_DECODE", False] > 6 * 4  # events of six requests
    assert not [name for name, while_measured in done if while_measured]
    assert (client.is_collected, gc.isenabled()) == (False, True)

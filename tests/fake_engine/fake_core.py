"""The scripted engine itself."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fake_options import NS_PER_MS, Crash, FakeOptions, Place, Point, read_options

from bench_protocol import Capabilities, Case, Description, Engine, Loaded, Spec, Timings
from bench_protocol.splitmix import MASK_64, random_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

NS_PER_S = 1_000_000_000
SPIN_NS = 300_000
"""time.sleep comes back up to about 0.1 ms late on a quiet machine; the last part is spun, to be exact to a few µs."""

SAMPLED_IDS = range(200, 1200)
VOCABULARY = 1200
"""Of the logits where the model's folder names no vocabulary; scripted ids lie below."""

DEFAULT_CAPABILITIES = Capabilities.of_logits(["cpu", "cuda"], ["f32", "f16", "bf16"])


class Clock:
    """Waits to points in time; tells the real time, or exactly the points that were scripted."""

    def __init__(self, *, scripted: bool, busy: bool) -> None:
        self._scripted = scripted
        self._spin_ns = NS_PER_S * 3600 if busy else SPIN_NS
        self._due_ns = time.monotonic_ns()

    def begin(self) -> None:
        """Count the next waits from now."""
        self._due_ns = time.monotonic_ns()

    def begin_request(self) -> None:
        """The same, unless the scripted clock has told the request's start already."""
        if not self._scripted:
            self.begin()

    def wait(self, delay_ns: int) -> None:
        """Come back when delay_ns have passed since the last wait ended; lateness does not add up."""
        self._due_ns += delay_ns
        while (left_ns := self._due_ns - time.monotonic_ns()) > self._spin_ns:
            time.sleep((left_ns - self._spin_ns) / NS_PER_S)
        while time.monotonic_ns() < self._due_ns:
            pass

    def now_ns(self) -> int:
        """Time of an event."""
        return self._due_ns if self._scripted else time.monotonic_ns()


class FakeEngine(Engine):
    """Waits, yields ids and fails as its options say."""

    def __init__(self) -> None:
        """Keep the real stdout, which the protocol's package turns away."""
        self._stdout = os.dup(1)
        self._options = FakeOptions()
        self._clock = Clock(scripted=False, busy=False)
        self._requests = 0
        self._ballast = b""
        self._spec: Spec
        self._vocabulary = VOCABULARY

    def now_ns(self) -> int:
        """Time of an event by the clock that the options choose."""
        return self._clock.now_ns()

    def configure(self, options: dict[str, Any]) -> None:
        """Take the options of fake_options.py."""
        self._options = read_options(options)
        self._clock = Clock(scripted=self._options.clock == "scripted", busy=self._options.busy)
        if self._options.ignore_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._options.stdout:
            os.write(self._stdout, self._options.stdout.encode())
        os.close(self._stdout)

    def describe(self) -> Description:
        """Hello, with the capabilities that the options choose."""
        capabilities = DEFAULT_CAPABILITIES._replace(**self._options.capabilities)
        return Description("fake", "1.0.0", {"language": "python"}, capabilities)

    def refuse(self, spec: Spec) -> None:
        """Do what is asked for before loading."""
        self._spec = spec
        config = Path(spec.model_dir) / "config.json"
        model = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        self._vocabulary = int(model.get("vocab_size", VOCABULARY))
        self._sampled_ids = SAMPLED_IDS if self._vocabulary >= VOCABULARY else range(self._vocabulary)
        self._act_at(Place("start"))

    def load(self, spec: Spec) -> Loaded:
        """Wait, and do what is asked for at this stage."""
        self._clock.begin_request()
        block = spec.launch.block or 1
        factors = self._options.per_launch_factor
        self._launch_factor = factors[(block - 1) % len(factors)]
        self._jitter = random_numbers(self._options.jitter.seed * 1_000_003 + block)
        self._take_memory()
        self._leave_child()
        self._act_at(Place("load"))
        self._wait(self._options.load_ms, self._launch_factor)
        told = Loaded(spec.dtype, spec.dtype, spec.dtype, spec.device, spec.threads)
        return told._replace(**self._options.loaded)

    def reset(self) -> None:
        """Nothing is cached; a scripted request begins here."""
        self._clock.begin()

    def generate(self, case: Case, seed: int, timings: Timings) -> None:
        """Yield the scripted ids, or drawn ones where sampling is asked for."""
        self._clock.begin_request()
        options, request = self._options, self._requests
        self._requests += 1
        factor = self._launch_factor * self._round_factor(request)
        draw = random_numbers(seed)
        wanted, token, scripted = True, 0, 0
        while wanted:
            self._act_at(Place("generate", request, token))
            delay_ms = options.prefill_ms if token == 0 else _entry(options.token_ms, token - 1)
            self._wait(delay_ms, factor)
            margin = _entry(options.margin, token) if options.margins else None
            chosen = self._next_id(case, scripted, draw)
            wanted = timings.push(chosen, margin)
            if timings.wants_logits:
                timings.push_logits(_logits(chosen, _entry(options.margin, token), self._vocabulary))
            # An id that is not its own is a prompt to it, after which its script begins again.
            scripted = scripted + 1 if case.fed(token, chosen) == chosen else 0
            token += 1

    def _round_factor(self, request: int) -> float:
        round_number = request // len(self._spec.cases)
        if round_number < self._spec.warmup_iterations:
            return self._options.warmup_factor
        factors = self._options.per_iteration_factor
        return factors[(round_number - self._spec.warmup_iterations) % len(factors)]

    def _next_id(self, case: Case, token: int, draw: Callable[[], int]) -> int:
        if case.eos_ids and token + 1 == self._options.eos_at:
            return case.eos_ids[0]
        nucleus = int(len(self._sampled_ids) * case.sampling.top_p)
        # A nucleus too small for any drawn id holds the likeliest one alone.
        if case.sampling.is_greedy or nucleus == 0:
            return self._options.tokens[token % len(self._options.tokens)]
        return self._sampled_ids[draw() % nucleus]

    def _wait(self, delay_ms: float, factor: float) -> None:
        relative = self._options.jitter.relative
        if relative:
            factor *= 1 + relative * (2 * self._jitter() / (MASK_64 + 1) - 1)
        self._clock.wait(round(delay_ms * NS_PER_MS * factor))

    def _take_memory(self) -> None:
        size = self._options.allocate_bytes
        if size:
            # Bytes other than 0 touch each page; zeros would only be promised by the kernel.
            self._ballast = b"\x01" * size

    def _leave_child(self) -> None:
        linger = self._options.linger
        if linger is not None:
            command = ["sleep", str(linger.seconds)]
            os.posix_spawnp(command[0], command, os.environ, setsid=linger.new_session)

    def _is_at(self, point: Point | None, place: Place) -> bool:
        return point is not None and point.is_at(place, self._spec.launch)

    def _act_at(self, place: Place) -> None:
        options = self._options
        if options.error_at is not None and self._is_at(options.error_at.point, place):
            raise options.error_at.error
        if self._is_at(options.raise_at, place):
            raise RuntimeError("scripted exception")
        if self._is_at(options.hang_at, place):
            while True:
                time.sleep(3600)
        if options.crash_at is not None and self._is_at(options.crash_at.point, place):
            self._crash(options.crash_at)

    def _crash(self, crash: Crash) -> None:
        if self._options.partial_line:
            with Path(sys.argv[sys.argv.index("--events") + 1]).open("a", encoding="utf-8") as events:
                events.write(self._options.partial_line)
        if crash.signal is not None:
            os.kill(os.getpid(), crash.signal)
        os._exit(crash.exit_code)


def _logits(chosen: int, margin: float, vocabulary: int) -> bytes:
    """Logits that are 0 but for the chosen id's, 32-bit little-endian."""
    logits = bytearray(4 * max(vocabulary, chosen + 1))
    struct.pack_into("<f", logits, 4 * chosen, margin)
    return bytes(logits)


def _entry(values: tuple[float, ...], index: int) -> float:
    return values[min(index, len(values) - 1)]

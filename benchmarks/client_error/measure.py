"""Times what the load client adds to the times of a stub of known delays, alone and with a busy neighbour on its core.

python benchmarks/client_error/measure.py [--streams 1 16 64 256] [--rounds 1] [--peers ENVIRONMENT … --tokenizer MODEL]

Processor time is that of a longer run less that of a shorter one over the chunks between them: starts are in neither.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmark_runner.load.asking import read  # noqa: E402  the path comes first
from benchmark_runner.load.calibrate import GAP_MS, TTFT_MS, errors_of, requests_for, stub_at  # noqa: E402
from benchmark_runner.load.client import Client, raise_limits  # noqa: E402
from benchmark_runner.load.connection import Target  # noqa: E402
from benchmark_runner.load.driver import at_share  # noqa: E402
from benchmark_runner.load.stages import stage_of  # noqa: E402
from benchmark_runner.units import NS_PER_MS, US_PER_MS  # noqa: E402

AIM_STREAMS = 64
AIM_GAP_US = 100.0
AIM_TTFT_MS = TTFT_MS / 100
SPIN = "while True: pass"


class Row(NamedTuple):
    """What a client told of the stub; None where it does not tell."""

    cpu_seconds: float
    """Of all processes, their start too."""
    chunks: int
    """That came."""
    ttft_ms: tuple[float, float]
    """Median and p99, as it told them."""
    gap_ms: float
    """p99."""
    bias_ms: tuple[float, float] | None = None
    """Median and p99 of TTFT against the stub's own word."""
    gap_us: float | None = None
    """p99 of a gap against the stub's own word."""
    shared: float | None = None


class Size(NamedTuple):
    """How much is asked for."""

    streams: int
    tokens: int
    answers: int
    """Of each stream, in the longer run; the shorter one has one of each."""


@contextmanager
def neighbour(core: int, busy: bool) -> Iterator[None]:
    """A process that computes on the core without end, where busy."""
    if not busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", SPIN]) as process:
        os.sched_setaffinity(process.pid, {core})
        try:
            yield
        finally:
            process.kill()


def own(target: Target, size: Size) -> Row:
    """This project's client."""
    begun = time.process_time()
    requests = requests_for(target, size.streams * (size.answers + 6), size.tokens)
    load = {"mode": "closed", "concurrency": size.streams, "requests": size.streams * size.answers}
    stage = stage_of({**load, "duration_seconds": None, "warmup_requests": size.streams}, len(requests))
    with closing(Client(target)) as client:
        ran = client.run(stage, requests)
    answers = [(exchange, read(exchange, {"max_new_tokens": size.tokens})) for exchange in ran.exchanges]
    cpu_seconds = time.process_time() - begun
    found = errors_of(ran, size.tokens)
    measured = [(exchange, answer) for exchange, answer in answers if exchange.planned.phase == "measured"]
    ttfts = sorted(answer.chunk_ns[0] - exchange.planned.scheduled_ns for exchange, answer in measured)
    gaps = sorted(
        after - before
        for _, answer in measured
        for before, after in zip(answer.chunk_ns, answer.chunk_ns[1:], strict=False)
    )
    bias = found["ttft_bias_ms"]
    return Row(
        cpu_seconds=cpu_seconds,
        chunks=sum(len(answer.chunk_ns) for _, answer in answers),
        ttft_ms=(at_share(ttfts, 0.5) / NS_PER_MS, at_share(ttfts, 0.99) / NS_PER_MS),
        gap_ms=at_share(gaps, 0.99) / NS_PER_MS,
        bias_ms=(bias["p50"], bias["p99"]),
        gap_us=found["gap_error_ms"]["p99"] * US_PER_MS,
        shared=found["shared_share"],
    )


def own_apart(target: Target, size: Size) -> Row:
    """The same in a process of its own with the priority that it may have, so that nothing else inherits that."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        raise_limits()
        os.write(writer, json.dumps(own(target, size)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        row = Row(*json.load(told))
    os.waitpid(child, 0)
    return row


def peer_commands(bin_folder: Path, url: str, size: Size, tokenizer: Path, out: Path) -> dict[str, list[str]]:
    """Command of each peer that is installed there."""
    count, streams, tokens = str(size.streams * size.answers), str(size.streams), str(size.tokens)
    found = {
        "vllm": [
            *("bench", "serve", "--backend", "openai", "--base-url", url, "--endpoint", "/v1/completions"),
            *("--model", "stub", "--tokenizer", str(tokenizer), "--dataset-name", "random", "--random-input-len", "8"),
            *("--random-output-len", tokens, "--num-prompts", count, "--max-concurrency", streams, "--ignore-eos"),
            *("--save-result", "--result-dir", str(out), "--result-filename", "vllm.json"),
            *("--percentile-metrics", "ttft,itl", "--metric-percentiles", "50,99"),
        ],
        "aiperf": [
            *("profile", "--model", "stub", "--url", url, "--endpoint-type", "completions", "--streaming"),
            *("--concurrency", streams, "--request-count", count, "--tokenizer", str(tokenizer)),
            *("--synthetic-input-tokens-mean", "8", "--output-tokens-mean", tokens, "--output-artifact-dir", str(out)),
            *("--ui", "none", "--extra-inputs", f"max_tokens:{tokens}"),
        ],
        "guidellm": [
            *("run", "--backend", f"kind=openai_http,target={url},model=stub,request_format=/v1/completions"),
            *("--profile", f"kind=concurrent,streams={streams}", "--constraint", f"kind=max_requests,count={count}"),
            *("--tokenizer", f"kind=huggingface_auto,model={tokenizer}", "--disable-console"),
            *("--data", f"kind=synthetic_text,prompt_tokens=8,output_tokens={tokens}"),
            *("--output", f"kind=json,path={out / 'guidellm.json'}"),
        ],
    }
    return {name: [str(bin_folder / name), *words] for name, words in found.items() if (bin_folder / name).is_file()}


def told_by(name: str, out: Path) -> tuple[tuple[float, float], float]:
    """TTFT (median, p99) and p99 of gaps in a peer's file, unit: ms."""
    if name == "vllm":
        content = json.loads((out / "vllm.json").read_text())
        return (content["p50_ttft_ms"], content["p99_ttft_ms"]), content["p99_itl_ms"]
    if name == "aiperf":
        content = json.loads(next(out.rglob("profile_export_aiperf.json")).read_text())
        ttft = content["time_to_first_token"]
        return (ttft["p50"], ttft["p99"]), content["inter_token_latency"]["p99"]
    metrics = json.loads((out / "guidellm.json").read_text())["benchmarks"][0]["metrics"]
    ttft, gap = (metrics[key]["successful"] for key in ("time_to_first_token_ms", "inter_token_latency_ms"))
    return (ttft["median"], ttft["percentiles"]["p99"]), gap["percentiles"]["p99"]


def peers(arguments: argparse.Namespace, target: Target, size: Size) -> Iterator[tuple[str, Row]]:
    """What each installed peer told."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        url = f"http://127.0.0.1:{target.address[1]}"
        folders = [folder.absolute() / "bin" for folder in arguments.peers]
        found = [peer_commands(folder, url, size, arguments.tokenizer.absolute(), out) for folder in folders]
        for peer, command in (entry for commands in found for entry in commands.items()):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode != 0:
                print(f"{peer} failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}", file=sys.stderr)
                continue
            cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            ttft_ms, gap_ms = told_by(peer, out)
            yield peer, Row(cpu_seconds, size.streams * size.answers * size.tokens, ttft_ms, gap_ms)


def line(name: str, size: Size, busy: bool, row: Row, cpu_us: float) -> str:
    """A line of the table; cpu_us: processor time a chunk."""

    def told(value: float | None, digits: int = 2) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    first, last = row.bias_ms or (None, None)
    cells = [told(cpu_us, 1), *map(told, row.ttft_ms), told(row.gap_ms), told(first, 3), told(last, 3)]
    cells += [told(row.gap_us, 1), told(None if row.shared is None else 100 * row.shared)]
    return f"{name:<10}{size.streams:>8}{'busy' if busy else 'quiet':>7}" + "".join(f"{cell:>11}" for cell in cells)


def measured(
    arguments: argparse.Namespace, size: Size, cores: Sequence[int], busy: bool
) -> Iterator[tuple[str, Row, float]]:
    """Each client in turn against a stub of its own core, as far as there are two: its longer run, and µs a chunk."""
    short: dict[str, Row] = {}
    with (
        stub_at(cores[:1], f"--ttft-ms={TTFT_MS}", f"--gap-ms={GAP_MS}", "--priority") as target,
        neighbour(cores[-1], busy),
    ):
        os.sched_setaffinity(0, cores[-1:])
        for one in (size._replace(answers=1), size._replace(answers=1 + size.answers)):
            rows = [("own", own_apart(target, one)), *(peers(arguments, target, one) if arguments.peers else ())]
            for name, row in rows:
                if before := short.get(name):
                    yield name, row, (row.cpu_seconds - before.cpu_seconds) * 1e6 / (row.chunks - before.chunks)
                short[name] = row
        os.sched_setaffinity(0, cores)


def aim_of(row: Row) -> str:
    """Whether the own client's aims are reached."""
    assert row.bias_ms is not None and row.gap_us is not None
    reached = row.bias_ms[0] < AIM_TTFT_MS and row.gap_us < AIM_GAP_US
    aim = f"bias below {AIM_TTFT_MS:g} ms, gap p99 below {AIM_GAP_US:g} µs"
    return f"aim ({aim}): {'reached' if reached else 'missed'}"


def against_peers(costs: Mapping[str, list[float]]) -> str | None:
    """How many chunks a core of the own client for one of the best peer, by the medians of all rounds."""
    medians = {name: median(found) for name, found in costs.items()}
    if len(medians) < 2:
        return None
    cost, best = min((cost, name) for name, cost in medians.items() if name != "own")
    if min(medians.values()) <= 0:
        return "chunks a core: the longer runs are too short to tell, their starts differ by more; --answers 8"
    return f"chunks a core against {best}, the best peer: {cost / medians['own']:.1f} times"


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 16, 64, 256], help="requests in flight")
    parser.add_argument("--tokens", type=int, default=200, help="tokens of an answer, 5 ms each")
    parser.add_argument("--answers", type=int, default=4, help="answers of each stream that the longer run has more")
    parser.add_argument("--rounds", type=int, default=1, help="how often all clients are run in turn")
    parser.add_argument("--peers", type=Path, nargs="+", help="environments with vllm, aiperf or guidellm, asked too")
    parser.add_argument("--tokenizer", type=Path, help="folder with a tokenizer.json, which peers need")
    arguments = parser.parse_args(argv)
    if arguments.peers and not arguments.tokenizer:
        parser.error("--peers needs --tokenizer")
    # Of the stub; peers may have one of their own.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")]))
    cores = sorted(os.sched_getaffinity(0))[:2]
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f}; TTFT {TTFT_MS:g} ms, gap {GAP_MS:g} ms")
    heads = ("µs/chunk", "TTFT p50", "p99", "gap p99", "bias p50", "p99 ms", "gap p99 µs", "shared %")
    print(f"{'client':<10}{'streams':>8}{'core':>7}" + "".join(f"{head:>11}" for head in heads))
    for streams in arguments.streams:
        size = Size(streams, arguments.tokens, arguments.answers)
        for busy in (False, True):
            costs: dict[str, list[float]] = {}
            for _ in range(arguments.rounds):
                for name, row, cpu_us in measured(arguments, size, cores, busy):
                    costs.setdefault(name, []).append(cpu_us)
                    print(line(name, size, busy, row, cpu_us), flush=True)
                    if name == "own" and busy and streams == AIM_STREAMS:
                        print(aim_of(row))
            if found := against_peers(costs):
                print(found, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

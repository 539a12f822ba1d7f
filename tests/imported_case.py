"""Files of other benchmark tools, as the tests of their readers write them."""

from __future__ import annotations

import json

from benchmark_runner.imported.files import read_file

PYPERF = {
    "version": "1.0",
    "metadata": {"unit": "second", "hostname": "one"},
    "benchmarks": [
        {
            "metadata": {"name": "sum", "timeit_stmt": "sum(x)"},
            "runs": [{"warmups": [[1, 0.5]]}, {"values": [0.001, 0.003, 0.002]}, {"values": [0.004]}],
        }
    ],
}


GO = """\
goos: linux
cpu: Some 9000
pkg: example.org/a
BenchmarkSum-8   100   2000 ns/op   16 B/op   1 allocs/op   3.5 MB/s   7 hits
BenchmarkSum-8   100   1000 ns/op   16 B/op   1 allocs/op   3.5 MB/s   9 hits
Unit hits better=higher
pkg: example.org/b
BenchmarkSum-8   100   5000 ns/op
PASS
"""


def written(tmp_path, content, name: str = "file"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(tmp_path, content, **options):
    return read_file(written(tmp_path, content), **{"repetitions_are_launches": False, **options})


def whys(file):
    return {key[0]: sample.unusable for key, sample in file.samples.items() if key[2] == "time_ms"}


def go(name, first, number=8, unit="ns/op"):
    return "".join(f"Benchmark{name}-4 \t 10 \t {first + 0.01 * step} {unit}\n" for step in range(number))

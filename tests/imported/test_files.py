"""In which forms files are read, and which are copies of others."""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import lzma
import os

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.imported.__main__ import COPIED, main
from benchmark_runner.imported.files import read_file, read_files
from imported_case import GO, PYPERF, go, read, whys, written

ENCODED = {
    "gzip": lambda text: gzip.compress(text.encode()),
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, the other end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "lines of Windows": lambda text: text.replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("encode", ENCODED.values(), ids=ENCODED)
@pytest.mark.parametrize("content", [json.dumps(PYPERF), GO], ids=["JSON", "text"])
def test_a_file_is_read_in_each_form_that_tools_and_shells_give_it(tmp_path, content, encode):
    (tmp_path / "encoded").write_bytes(encode(content))
    plain = read(tmp_path, content)
    file = read_file(tmp_path / "encoded", repetitions_are_launches=False)
    assert [(key, sample.medians.tolist()) for key, sample in file.samples.items()] == [
        (key, sample.medians.tolist()) for key, sample in plain.samples.items()
    ]
    assert file.contents == plain.contents


def test_what_is_no_file_or_cut_short_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(GO.encode())[:-12])
    for name, words in (("pipe", "it is a pipe"), (".", "it is a folder"), ("cut.gz", "no whole"), ("none", "cannot")):
        with pytest.raises(BenchmarkError, match=words):
            read_file(tmp_path / name, repetitions_are_launches=False)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(gzip.compress(GO.encode())), "it is packed by gzip twice; unpack it"),
        (bz2.compress(GO.encode()), "it is packed by bzip2; unpack it"),
        (lzma.compress(GO.encode()), "it is packed by xz; unpack it"),
        (b"PK\x03\x04\x14\0", "it is packed by zip; unpack it"),
        (f"goos: caf\xe9\n{GO}".encode("latin-1"), "byte 0xe9 in line 1 is not UTF-8; save the file in that encoding"),
    ],
)
def test_what_is_packed_or_encoded_in_another_way_is_refused_with_what_helps(tmp_path, content, words):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(BenchmarkError, match=words):
        read_file(tmp_path / "other", repetitions_are_launches=False)


def test_a_refusal_stays_one_line_whatever_the_file_is_called(tmp_path):
    with pytest.raises(BenchmarkError, match=r"a\\n\\x1b\[2Jb: it is of no known format"):
        read_file(written(tmp_path, "words", "a\n\x1b[2Jb"), repetitions_are_launches=False)


def test_a_copy_is_no_further_run_in_whatever_form(tmp_path):
    first, copy = written(tmp_path, PYPERF, "a"), tmp_path / "b.json.gz"
    copy.write_bytes(gzip.compress(json.dumps(PYPERF, indent=4).encode()))
    with pytest.raises(BenchmarkError, match="holds the same results as"):
        read_files([first, copy], repetitions_are_launches=False)


TIMES = [0.5, 0.51, 0.52, 0.53, 0.54]


def test_times_are_known_again_under_another_name_and_beside_other_results(tmp_path):
    first = {"command": "a", "times": TIMES}
    other = {"command": "b", "times": TIMES[::-1], "mean": 0.52}
    more = {"command": "c", "times": [1.0, 2.0]}
    files = [written(tmp_path, {"results": one}, f"{number}") for number, one in enumerate(([first], [more, other]))]
    with pytest.raises(BenchmarkError, match=r"1 holds the same results as .*0: a copy is no further run; leave one"):
        read_files(files, repetitions_are_launches=False)
    sides = ["--before", str(files[0]), "--after", str(files[1]), "--out", str(tmp_path), "--pair", "a", "b"]
    assert main(sides) == 0
    document = json.loads((tmp_path / "comparison.json").read_text())
    assert [one["reason"] for one in document["comparisons"]] == [COPIED]


def test_few_or_equal_times_of_two_runs_are_no_copy(tmp_path):
    texts = [f"BenchmarkA-4 {number} 0.25 ns/op\n" * 8 for number in (1, 2)]
    files = [written(tmp_path, text, str(number)) for number, text in enumerate(texts)]
    assert whys(read_files(files, repetitions_are_launches=False)) == {"A-4": None}


def test_a_benchmark_that_only_some_files_of_a_side_hold_is_not_judged(tmp_path):
    texts = [go("A", time) + (go("B", time) if time < 3 else "") for time in (1, 2, 3)]
    files = [written(tmp_path, text, f"{number}.txt") for number, text in enumerate(texts)]
    together = read_files(files, repetitions_are_launches=False)
    assert whys(together) == {"A-4": None, "B-4": "it is in 2 of 3 files alone"}


def test_files_of_two_tools_are_not_one_side(tmp_path):
    files = [written(tmp_path, PYPERF, "a"), written(tmp_path, GO, "b")]
    with pytest.raises(BenchmarkError, match="come from pyperf and Go benchmark; give files of one tool"):
        read_files(files, repetitions_are_launches=False)

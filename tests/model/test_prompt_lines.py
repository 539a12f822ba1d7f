"""Prompts of the user's, a line each: what is read of them, and what is told of a line that is none."""

from __future__ import annotations

import json
import pydoc_data.topics
import subprocess
import sys

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.model.manifest import build_manifest
from benchmark_runner.model.prompt_lines import count_lines, sampled_lines
from benchmark_runner.model.prompts import build_prompts

CASE = {
    "name": "c1", "max_new_tokens": 8, "temperature": 0, "top_p": 1, "seed": 0, "ignore_eos": True,
    "load": {
        "mode": "closed", "concurrency": 1, "requests": 2, "duration_seconds": None, "warmup_requests": 1,
        "timeout_seconds": 9,
    },
}  # fmt: skip


def written(tmp_path, *lines):
    file = tmp_path / "mine.jsonl"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return file


def plan_of(file, **changed):
    lines = count_lines(file)
    prompt = {"kind": "lines", "path": str(file), "sha256": lines.sha256, "lines": lines.prompts}
    case = {**CASE, "prompt": prompt, **changed}
    return {"workloads": [{"name": "chat", "cases": [case]}], "fidelity": {"prompts": [], "max_new_tokens": 4}}


def built(folder, file, **changed):
    manifest = build_manifest(folder, "tiny", "abc")
    manifest["architecture"]["context_length"] = 64
    return build_prompts(plan_of(file, **changed), manifest, folder, seed=1)


def test_texts_and_ids_are_encoded_once_and_a_line_may_tell_its_tokens(model_dir, tmp_path):
    file = written(
        tmp_path,
        {"prompt": "one line", "max_tokens": 3, "source": "left alone"},
        "",
        {"prompt_ids": [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]},
        *({"prompt": f"number {n}"} for n in range(2)),
    )
    lines = count_lines(file)
    assert (lines.prompts, lines.most_tokens) == (4, 3)
    document = built(model_dir, file)
    (pool,) = document["pools"].values()
    assert [entry["max_tokens"] for entry in pool] == [3, None, None, None]
    assert pool[1]["prompt_ids"] == [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    assert all(entry["prompt_ids"] for entry in pool)
    longest = max((entry["prompt_ids"] for entry in pool), key=len)
    assert document["workloads"]["chat"][0]["prompt_ids"] == longest


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "it is no JSON (Expecting property name"),
        ("[]", 'write {"prompt": text}'),
        ({"text": "Hi"}, 'write {"prompt": text}'),
        ({"prompt": "Hi", "prompt_ids": [1]}, 'write {"prompt": text}'),
        ({"prompt": ""}, "prompt is empty or not of its kind"),
        ({"prompt": ""}, '; write {"prompt": text}'),
        ({"prompt": "half \ud83d"}, "prompt is empty or not of its kind, or holds half of a surrogate pair"),
        ({"messages": [{"role": "user", "content": "\udc00"}]}, "holds half of a surrogate pair"),
        ({"messages": [{"role": "user"}]}, "messages is empty or not of its kind"),
        ({"prompt_ids": [1, -2]}, "prompt_ids is empty or not of its kind"),
        ('{"prompt": "Hi", "prompt": "Ho"}', "the key 'prompt' stands twice in one object"),
        ({"prompt": "Hi", "max_tokens": 0}, "max_tokens is 0, no number of tokens"),
    ],
)
def test_a_line_that_is_no_prompt_is_named(tmp_path, line, expected):
    file = written(tmp_path, {"prompt": "good"}, line)
    with pytest.raises(BenchmarkError, match=r"mine\.jsonl': line 2: ") as error:
        count_lines(file)
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_a_line_that_is_not_utf_8_is_named(tmp_path):
    file = written(tmp_path, {"prompt": "good"})
    file.write_bytes(file.read_bytes() + b'{"prompt": "caf\xe9"}\n')
    with pytest.raises(BenchmarkError, match=r"line 2: it is not UTF-8; save the file so"):
        count_lines(file)


def test_a_file_that_is_not_there_or_holds_nothing_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match=r"none\.jsonl': the file cannot be read"):
        count_lines(tmp_path / "none.jsonl")
    with pytest.raises(BenchmarkError, match=r"a.x00b': the path holds a character that no file name has"):
        count_lines(tmp_path / "a\0b")
    with pytest.raises(BenchmarkError, match=r"mine\.jsonl': it holds no prompt"):
        count_lines(written(tmp_path, ""))


def test_a_prompt_that_does_not_fit_is_told_with_its_line(model_dir, tmp_path):
    long = {"prompt_ids": [5] * 57}
    file = written(tmp_path, *({"prompt": f"number {n}"} for n in range(4)), long)
    with pytest.raises(BenchmarkError, match=r"mine\.jsonl, line 5: 57 prompt tokens and 8 new ones exceed"):
        built(model_dir, file)
    unknown = written(tmp_path, *({"prompt_ids": [1, 10**6 + n]} for n in range(5)))
    with pytest.raises(BenchmarkError, match=r"mine\.jsonl, line 1: it has the id 1000000, and the model knows"):
        built(model_dir, unknown)
    file = written(tmp_path, *({"prompt": f"number {n}"} for n in range(5)))
    with pytest.raises(BenchmarkError, match=r"workload chat: prompts_file .*: it has 5 prompts and a launch sends"):
        built(model_dir, file, load={**CASE["load"], "requests": 9})


def test_a_prompt_that_stands_on_several_lines_is_one(tmp_path):
    again = {"max_tokens": 3, "prompt": "twice"}
    file = written(tmp_path, {"prompt": "twice"}, {"prompt": "once"}, again, {"prompt_ids": [5]}, {"prompt_ids": [5]})
    lines = count_lines(file)
    assert (lines.prompts, lines.most_tokens) == (3, 0)
    assert [line.line for line in sampled_lines(file, lines.sha256, lines.prompts, 9)] == [1, 2, 4]


def test_a_sample_is_drawn_by_the_content_alone_and_from_that_content_only(tmp_path):
    file = written(tmp_path, *({"prompt": f"number {n}"} for n in range(500)))
    lines = count_lines(file)
    some = sampled_lines(file, lines.sha256, lines.prompts, 20)
    assert len({line.line for line in some}) == 20
    assert some == sampled_lines(file, lines.sha256, lines.prompts, 20)
    file.write_text(file.read_text().replace("number 7", "number x"))
    with pytest.raises(BenchmarkError, match="has changed since the plan was made"):
        sampled_lines(file, lines.sha256, lines.prompts, 20)


def test_the_documented_recipe_makes_prompts_of_python_s_own_manual(tmp_path, repository):
    text = (repository / "docs" / "method.md").read_text()
    (recipe,) = [line.strip() for line in text.splitlines() if "pydoc_data" in line and "python3 -c" in line]
    code = recipe.partition('python3 -c "')[2].rpartition('"')[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    file = written(tmp_path, done.stdout)
    assert count_lines(file).prompts == len(set(pydoc_data.topics.topics.values()))  # some topics share a text

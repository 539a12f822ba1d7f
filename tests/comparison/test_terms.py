"""The terms of a comparison name their file, and the folder before names the comparison's."""

from __future__ import annotations

import json

import pytest

from benchmark_runner.comparison.terms import Terms, folder_name, main, read_terms, terms, terms_file
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.schemas import schema
from benchmark_runner.statistics.metrics import BY_NAME, PRIMARY
from benchmark_runner.statistics.wording import EQUIVALENCE_MARGIN

CONFIG = {"analysis": {"confidence_level": 0.95}, "comparison": {"margin": 0.02, "metrics": ["e2e_ms"]}}
RECORDS = ["old/launches/a/1/record.json", "old/launches/a/2/record.json"]


def named(config=CONFIG, against="old", records=RECORDS) -> str:
    return terms_file(terms(config, against, records))


@pytest.mark.parametrize(
    "other",
    [
        {"config": {**CONFIG, "comparison": {"margin": 0.05, "metrics": ["e2e_ms"]}}},
        {"config": {**CONFIG, "comparison": {"margin": 0.02, "metrics": ["ttft_ms"]}}},
        {"config": {**CONFIG, "analysis": {"confidence_level": 0.9}}},
        {"against": "older"},
        {"records": RECORDS[:1]},
    ],
)
def test_whatever_changes_the_answer_is_another_file(other):
    assert named(**other) != named()


def test_the_order_in_which_records_are_found_is_not_part_of_it():
    assert named(records=RECORDS[::-1]) == named()


@pytest.mark.parametrize(
    ("against", "name"),
    [
        ("results/last-week", "results+last-week"),
        ("./results/last-week/", "results+last-week"),
        ("/data/a b", "+data+a b"),
    ],
)
def test_the_folder_is_named_by_the_path_before(against, name):
    assert folder_name(against) == name


def test_the_terms_are_written_as_they_are(tmp_path):
    content = terms(CONFIG, "old", RECORDS)
    given = tmp_path / "given.json"
    given.write_text(json.dumps(content))
    assert main(["--content", str(given), "--out", str(tmp_path / "terms.json")]) == 0
    assert json.loads((tmp_path / "terms.json").read_text()) == content


def test_terms_are_read_only_under_the_name_of_their_content(tmp_path):
    content = terms(CONFIG, "old", RECORDS)
    agreed = tmp_path / terms_file(content)
    agreed.write_text(json.dumps(content))
    assert read_terms(agreed) == Terms(0.95, 0.02, ("e2e_ms",))
    changed = {**content, "margin": 0.2}
    for file in (agreed, tmp_path / "terms.json", tmp_path / "terms.0123456789ab.json"):
        file.write_text(json.dumps(changed))
        with pytest.raises(BenchmarkError, match=terms_file(changed)) as refused:
            read_terms(file)
        assert str(refused.value).startswith(f"{file}: ")


def test_the_defaults_are_the_margin_and_the_metric_of_the_house():
    rules = schema("config")["properties"]["comparison"]["properties"]
    assert rules["margin"]["default"] == EQUIVALENCE_MARGIN
    assert rules["metrics"]["default"] == [PRIMARY]
    assert set(rules["metrics"]["items"]["enum"]) == set(BY_NAME)

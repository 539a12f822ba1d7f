"""How launches end: one list of words for code, schemas and readers."""

from __future__ import annotations

import json

import pytest
import yaml

from benchmark_runner.status import Status


@pytest.mark.parametrize("name", ["record", "statistical_summary"])
def test_the_schemas_know_every_status(repository, name):
    text = (repository / "workflow" / "schemas" / f"{name}.schema.yaml").read_text(encoding="utf-8")

    def enums(node):
        if isinstance(node, dict):
            if "interrupted" in node.get("enum", []):
                yield set(node["enum"])
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from enums(child)

    found = list(enums(yaml.safe_load(text)))
    assert found and all(set(Status) <= words for words in found)
    assert name != "record" or found[0] == set(Status)


def test_every_status_has_words_and_what_did_not_end_ok_a_remedy():
    assert all(status.words for status in Status)
    assert {status for status in Status if not status.remedy} == {Status.OK}


def test_a_status_is_its_word_in_json():
    assert json.dumps({"status": Status.MEMORY_LIMIT}) == '{"status": "memory_limit"}'

"""What the documents promise stands in the tree."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from benchmark_runner.comparison.decision import Verdict as ComparisonVerdict
from benchmark_runner.statistics.verdicts import Verdict

DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/method.md",
    "docs/fidelity.md",
    "docs/protocol.md",
    "config/README.md",
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_within_the_repository_lead_somewhere(repository, document):
    path = repository / document
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


def test_make_targets_that_documents_name_exist(repository):
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(r"`make ([a-z-]+)", (repository / document).read_text(encoding="utf-8"))
    }
    assert named
    assert named <= targets


def test_every_verdict_word_is_explained_in_the_readme(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert [
        verdict for verdict in (*get_args(Verdict), *get_args(ComparisonVerdict)) if f"`{verdict}`" not in text
    ] == []

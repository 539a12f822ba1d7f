"""What the documents promise stands in the tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from benchmark_runner.comparison.decision import Verdict as ComparisonVerdict
from benchmark_runner.schemas import schema
from benchmark_runner.statistics.wording import Verdict

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "config/README.md",
    *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").glob("*.md")),
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


def keys_below(rules: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Dotted names of all keys, those of entries of a list below its name with []."""
    for key, rule in rules.get("properties", {}).items():
        name = f"{above}.{key}".removeprefix(".")
        yield from (name, *keys_below(rule, name), *keys_below(rule.get("items") or {}, f"{name}[]"))


def named_keys(text: str) -> set[str]:
    """What stands in a text as a key below a section of the configuration; names of files are none."""
    sections = "|".join(schema("config")["properties"])
    found = re.findall(rf"(?<![\w./\[-])(?:{sections})(?:\[\w*\])?(?:\.\w+(?:\[\w*\])?)+", text)
    files = (".json", ".log", ".md", ".gate", ".yaml")
    return {re.sub(r"\[\w*\]", "[]", name) for name in found if not name.endswith(files)}


def messages(path: Path) -> Iterator[str]:
    """Texts of a module but the names of commands, which are those of modules."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args]
    commands = [call.args[0] for call in calls if call.func.id == "command"]
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in commands:
            yield node.value


def test_a_key_that_is_none_is_seen():
    keys = set(keys_below(schema("config")))
    assert named_keys("set engines[2].dtype, system.threads or system.cores, see comparison.json") - keys == {
        "system.cores"
    }


def test_every_key_of_the_configuration_that_messages_or_documents_name_exists(repository):
    sources = sorted((repository / "workflow" / "scripts").rglob("*.py"))
    texts = [text for path in sources for text in messages(path)]
    pages = [*(repository / document for document in DOCUMENTS), *repository.glob("engines/*/README.md")]
    texts += [path.read_text(encoding="utf-8") for path in (*pages, *repository.glob("workflow/**/*.yaml"))]
    modules = {f"{path.parent.name}.{path.stem}" for path in sources}  # what a stage's command line is called
    named = {name for text in texts for name in named_keys(text)} - modules
    assert "benchmark.launches" in named
    assert named - set(keys_below(schema("config"))) == set()

"""What keeps the house in order: who may import whom, how long a file may be, what a rule file promises."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

LONGEST_FILE_LINES = 400


def tracked_code(repository: Path) -> list[Path]:
    folders = ("workflow", "engines", "tests", "benchmarks")
    found = [
        path
        for folder in folders
        for suffix in ("py", "rs", "smk", "j2", "js", "css", "html")
        for path in (repository / folder).rglob(f"*.{suffix}")
        if "target" not in path.parts
    ]
    return [repository / "Snakefile", *found]


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_the_library_knows_nothing_of_snakemake(repository):
    library = list((repository / "workflow" / "scripts" / "benchmark_runner").rglob("*.py"))
    assert len(library) > 20
    assert [
        path.name for path in library if any(name.split(".")[0] == "snakemake" for name in imported_modules(path))
    ] == []


def test_no_file_is_too_long(repository):
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in tracked_code(repository)}
    assert len(lengths) > 50
    assert {str(path): count for path, count in lengths.items() if count > LONGEST_FILE_LINES} == {}


def rule_files() -> list[Path]:
    return sorted((Path(__file__).resolve().parents[2] / "workflow" / "rules").glob("*.smk"))


@pytest.mark.parametrize("path", rule_files(), ids=lambda path: path.name)
def test_a_rule_file_states_its_inputs_and_outputs_and_keeps_logic_out(path):
    text = path.read_text(encoding="utf-8")
    assert re.match(r'"""[^\n]+\n', text)
    assert "REQUIRED INPUTS" in text and "OUTPUTS" in text
    assert not re.search(r"^\s*(script|run|notebook):", text, flags=re.MULTILINE)
    assert len(text.splitlines()) < 150 or path.name != "common.smk"


def test_the_snakefile_is_a_table_of_contents(repository):
    text = (repository / "Snakefile").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert "def " not in text and "lambda" not in text


def keys_without_value(document: object) -> list[str]:
    """Keys of mappings at any depth whose value is null: YAML takes a comma in words without quotes for their end."""
    if isinstance(document, list):
        return [key for one in document for key in keys_without_value(one)]
    if not isinstance(document, dict):
        return []
    own = [str(key) for key, value in document.items() if value is None]
    return own + [key for value in document.values() for key in keys_without_value(value)]


def test_what_a_schema_says_of_a_key_is_not_cut_at_a_comma(repository):
    schemas = sorted((repository / "workflow" / "schemas").glob("*.yaml"))
    assert len(schemas) > 10
    for path in schemas:
        found = keys_without_value(yaml.safe_load(path.read_text(encoding="utf-8")))
        assert set(found) <= {"default", "const"}, path.name
    assert keys_without_value(yaml.safe_load("steps: {description: What to do, in order}")) == ["in order"]

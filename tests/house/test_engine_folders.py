"""Each engine's folder holds together with the locks, the README and the facts that speak of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

FOLDERS = sorted(path.parent for path in Path(__file__).resolve().parents[2].glob("engines/*/adapter.yaml"))


def by_name(folders: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("folder", folders, ids=lambda folder: folder.name)


def adapter_of(folder: Path) -> dict:
    return yaml.safe_load((folder / "adapter.yaml").read_text(encoding="utf-8"))


def facts(repository: Path) -> dict[str, dict]:
    entries = yaml.safe_load((repository / "config" / "engine_facts.yaml").read_text(encoding="utf-8"))["engines"]
    return {adapter: entry for entry in entries for adapter in entry["adapters"]}


@by_name(FOLDERS)
def test_an_adapter_has_its_page_a_row_in_the_readme_and_dated_facts(repository, folder):
    entry = facts(repository)[folder.name]
    title = (folder / "README.md").read_text(encoding="utf-8").partition("\n")[0]
    assert any(name in title for name in (folder.name, *entry["names"]))
    assert all(fact["as_of"] and fact["source"] for fact in entry["facts"].values())
    readme = (repository / "README.md").read_text(encoding="utf-8")
    assert any(f"| `{name}` |" in readme for name in entry["names"])


@by_name([folder for folder in FOLDERS if adapter_of(folder)["language"] == "python"])
def test_a_python_adapter_s_lock_is_renewed_with_the_others_and_names_hashes(repository, folder):
    lock = (folder / adapter_of(folder)["environment"]["lock"]).resolve()
    locks = (repository / "Makefile").read_text(encoding="utf-8").partition("LOCKS := ")[2].partition("\nlock:")[0]
    assert lock.stem in locks.replace("\\", " ").split()
    assert lock.with_suffix(".in").is_file()
    # An adapter whose program is the user's own needs no package.
    pinned = [line for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line]
    assert len(pinned) <= lock.read_text(encoding="utf-8").count("--hash=sha256:")

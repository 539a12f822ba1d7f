"""What a script runs beside itself, by rule, and that a launch is measured with no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark_runner.hashes import file_sha256
from benchmark_runner.launch import script
from benchmark_runner.launch.script import beside
from launch_case import FAKE_ENGINE, LaunchCase

PYTHON = "#!/usr/bin/env python3\n"


def put(folder: Path, **files: str) -> Path:
    """A folder with files, whose names have __ for / and end in .py unless they say another; gives `engine`."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path if name == "engine" or "." in name else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "engine"


def test_modules_and_packages_that_imports_name_anywhere_belong_to_a_script_and_others_do_not(tmp_path):
    engine = put(
        tmp_path,
        engine=PYTHON + "import json, plain as p\nfrom whole.part import x\ndef f():\n    from late import y\n",
        plain="import next_one\n",
        next_one="import plain\n",
        whole__part="from . import sibling\n",
        whole__deep__er="",
        late="",
        unrelated="",
        tests__plain="",
    )
    assert list(beside(engine)) == ["late.py", "next_one.py", "plain.py", "whole/deep/er.py", "whole/part.py"]


def test_a_link_runs_what_lies_beside_the_script_itself(tmp_path):
    engine = put(tmp_path / "real", engine=PYTHON + "import plain\n", plain="")
    link = tmp_path / "link"
    link.symlink_to(engine)
    assert beside(link) == {"plain.py": (tmp_path / "real" / "plain.py").resolve()}


def test_programs_that_another_script_names_belong_to_it(tmp_path):
    shell = '#!/bin/sh\ncd "$(dirname "$0")"\n. ./lib/set.sh\nexec python3 "${0%/*}/main.py" ../out.py log.txt "$@"\n'
    engine = put(tmp_path / "own", engine=shell, main="import plain\n", plain="")
    (tmp_path / "own" / "lib").mkdir()
    (tmp_path / "own" / "lib" / "set.sh").write_text("")
    (tmp_path / "own" / "log.txt").write_text("")
    (tmp_path / "out.py").write_text("")
    assert list(beside(engine)) == ["lib/set.sh", "main.py", "plain.py"]


@pytest.mark.parametrize("text", ["\x7fELF import plain", "import plain\n", "", PYTHON + "import plain\nfor\n"])
def test_what_is_no_script_or_does_not_parse_has_nothing_beside_it(tmp_path, text):
    assert beside(put(tmp_path, engine=text, plain="")) == {}
    assert beside(tmp_path / "nothing") == {} == beside(tmp_path)


def test_no_more_than_the_first_files_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(script, "MOST_FILES", 2)
    engine = put(tmp_path, engine=PYTHON + "import a, b, c\n", a="import d", b="", c="", d="")
    assert list(beside(engine)) == ["a.py", "b.py"]


def planned_script(folder: Path) -> LaunchCase:
    """A launch of a script that lets the scripted engine work, and imports a module beside itself when asked to."""
    run = (
        f"import os, sys\nif len(sys.argv) > 9: import absent\nimport plain\nos.execv({str(FAKE_ENGINE)!r}, sys.argv)\n"
    )
    engine = put(folder / "own", engine=PYTHON + run, plain="")
    engine.chmod(0o755)
    case = LaunchCase(folder, binary=engine)
    known = {"source": file_sha256(engine), "beside": {"plain.py": file_sha256(engine.with_name("plain.py"))}}
    case.plan["engines"][0] |= known
    (folder / "plan.json").write_text(json.dumps(case.plan))
    return case


@pytest.mark.parametrize("name", ["plain.py", "absent.py"])
def test_a_launch_of_a_script_with_another_module_starts_nothing(tmp_path, name):
    case = planned_script(tmp_path)
    assert case.run().returncode == 0
    assert case.record()["status"] == "ok"
    (tmp_path / "own" / name).write_text("x = 1\n")
    assert case.run(block=2).returncode == 0
    record = case.record(block=2)
    assert record["status"] == "unavailable"
    assert str(tmp_path / "own" / name) in record["reason"]

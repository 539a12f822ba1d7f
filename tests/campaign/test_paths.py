"""Where results may lie, and which paths a configuration may name at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_runner.campaign.paths import misplaced, path_problems, require_usable_root, unusable
from benchmark_runner.errors import BenchmarkError
from launch_case import SCRIPTS


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("  ", "the path is blank"),
        ("results/x ", "begins or ends with a blank; write 'results/x'"),
        ("results\n", "begins or ends with a blank"),
        ("results/\u202ex", "holds a character that cannot be seen"),
        ("a\0b", "holds a character that cannot be seen"),
        ("~", f"~ is not expanded here; write {str(Path.home())!r}"),
        ("~/mine", f"~ is not expanded here; write '{Path.home()}/mine'"),
        ("$HOME/mine", f"$ is not expanded here; write '{os.environ.get('HOME')}/mine'"),
        ("results/${RUN}", "$ is not expanded here"),
        ("s3://bucket/x", "is an address; name a file or folder of this machine"),
        ("results/{{date}}", "holds { and }, which Snakemake takes for a wildcard"),
        ("a<b", "holds <, which Snakemake takes for a wildcard"),
        ("-out", "begins with -, as an option does"),
        ("./-out/x", "begins with -, as an option does"),
        ("results/" + "é" * 101, "has a part of more than 200 bytes"),
        ("d/" * 1100, "is longer than 2048 bytes"),
    ],
)
def test_a_path_that_cannot_work_is_refused_with_what_to_write(path, words):
    assert words in (unusable(path) or "")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "this shell's encoding (ascii); set LC_ALL="),
        ({"LC_ALL": "C"}, "None"),
    ],
)
def test_a_name_that_the_shells_encoding_lacks_is_refused_with_what_to_set(settings, words):
    ask = "from benchmark_runner.campaign.paths import unusable; print(unusable('gr\\u00f6\\u00dfe/\\u4e2d'))"
    call = [sys.executable, "-c", ask]
    done = subprocess.run(call, env={"PYTHONPATH": str(SCRIPTS)} | settings, capture_output=True, text=True, check=True)
    assert words in done.stdout


@pytest.mark.parametrize(
    "path", ["results/a b", "x/-y", "../up", "R&D's [1] (2);#%*?!,=+@:", "ergebnisse/größe", "/abs/./x"]
)
def test_unusual_paths_that_work_are_taken(path):
    assert unusable(path) is None


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A working folder inside a home of its own, with a model and, beside it, the workflow."""
    for folder in ("home/work/models/m", "home/work/results", "clone/engines", "clone/results"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "home/work/notes.txt").write_text("mine")
    (tmp_path / "home/work/lost").symlink_to("nowhere")
    (tmp_path / "home/work/up").symlink_to("..")
    (tmp_path / "home/work/round").symlink_to("round")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home/work")
    return tmp_path / "clone"


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (".", "is the working folder"),
        ("results/..", "is the working folder"),
        ("..", "or one above them"),
        ("up", "or one above them"),
        ("/", "or one above them"),
        ("notes.txt", "'notes.txt' is a file"),
        ("notes.txt/results", "'notes.txt' is a file"),
        ("lost/results", "'lost' is a link that leads nowhere"),
        ("round", "is a link that leads nowhere"),
        ("models", "lie in each other"),
        ("models/m", "lie in each other"),
        ("models/m/../m/results", "lie in each other"),
        ("results/.snakemake/x", "keeps its notes"),
        ("/proc/self/x", "belongs to the operating system"),
        ("../../clone", "holds the workflow's own files"),
        ("../../clone/engines/mine", "holds the workflow's own files"),
    ],
)
def test_results_are_kept_out_of_what_is_not_theirs(root, folder, words):
    assert words in (misplaced(folder, "models/m", root) or "")


@pytest.mark.parametrize(
    "folder", ["results/x", "results", "../beside", "../../clone/results/x", "new/deep/er", "models2", "/dev/shm/x"]
)
def test_results_may_lie_anywhere_else(root, folder):
    assert misplaced(folder, "models/m", root) is None


def test_every_path_of_a_configuration_is_looked_at(root):
    config = {
        "benchmark": {"output_dir": "..", "model_path": "~/m"},
        "engines": [{"binary_path": "bin/{x}"}, {"binary_path": 3}, "no map"],
        "workloads": [{"test_cases": [{"prompt": "x"}, {"prompt_file": "$P"}]}],
        "business": {"prices": " p.yaml"},
    }
    assert {tuple(key) for key, _ in path_problems(config, root)} == {
        ("benchmark", "output_dir"),
        ("benchmark", "model_path"),
        ("engines", 0, "binary_path"),
        ("workloads", 0, "test_cases", 1, "prompt_file"),
        ("business", "prices"),
    }


def test_a_clone_below_a_folder_with_braces_is_refused_by_its_path():
    require_usable_root(Path("/srv/a b/$x"))
    with pytest.raises(BenchmarkError, match=r"lies in '/srv/\{\{slug\}\}/clone'.* move it into a folder without them"):
        require_usable_root(Path("/srv/{{slug}}/clone"))


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path, monkeypatch):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    with pytest.raises(BenchmarkError, match=r"caf\\udce9/clone' has bytes in its name that are no UTF-8"):
        require_usable_root(folder / "clone")
    monkeypatch.chdir(folder)
    with pytest.raises(BenchmarkError, match="rename that folder"):
        require_usable_root(Path("/srv/clone"))


def test_a_folder_that_the_shells_encoding_cannot_name_is_not_called_broken(tmp_path):
    folder = tmp_path / "größe"
    folder.mkdir()
    program = (
        "from pathlib import Path; from benchmark_runner.campaign.paths import require_usable_root; "
        "require_usable_root(Path('/srv/x'))"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(SCRIPTS)}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=os.environ | plain, capture_output=True, check=False
    )
    told = ended.stderr.splitlines()[-1]
    assert b"gr\\xf6\\xdfe' cannot be named in this shell's encoding (ascii); set LC_ALL=C.UTF-8" in told

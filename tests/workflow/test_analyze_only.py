"""A copied results folder is analysed anywhere: no engine, no model, no configuration, and nothing is started."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from benchmark_runner.jsonio import read_json
from tiny_campaign import REPOSITORY, SNAKEMAKE, Finished

pytestmark = pytest.mark.workflow


def analyse(folder, *arguments: str, target: str = "report") -> Finished:
    """The command as the README writes it, in a folder that holds nothing but the copied results."""
    command = [SNAKEMAKE, "-s", REPOSITORY / "Snakefile", "--directory", folder, "--cores", "1", target]
    command += ["--config", "analyze_only=true", *arguments]
    result = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Finished(result.returncode, result.stdout)


@pytest.fixture
def copied(finished, tmp_path):
    """What the machine that measured leaves behind, without what was made of it."""
    shutil.copytree(finished.out, tmp_path / "copy")
    for made in ("analysis", "raw_data", "plots", "summary.json", "report.html", "comparison_table.md"):
        path = tmp_path / "copy" / made
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return tmp_path / "copy"


def test_a_copied_folder_gives_the_same_answer_under_another_path_and_is_then_done(copied, finished, tmp_path):
    result = analyse(tmp_path, "output_dir=copy")
    assert result.status == 0, result.words
    assert not {"run_launch", "build_engine", "check_fidelity", "record_environment"} & set(result.jobs())
    assert read_json(copied / "summary.json") == read_json(finished.out / "summary.json")
    assert (copied / "report.html").stat().st_size > 100_000
    assert "Nothing to be done" in analyse(tmp_path, "output_dir=copy").words


def test_launches_that_are_missing_are_left_out_and_not_made(copied, tmp_path):
    gone = sorted((copied / "launches" / "fast").glob("*/5"))
    assert len(gone) == 2
    for folder in gone:
        shutil.rmtree(folder)
    (copied / "fidelity" / "fast.json").unlink()
    result = analyse(tmp_path, "output_dir=copy", "analysis={generate_plots: false}")
    assert result.status == 0, result.words
    assert "run_launch" not in result.jobs()
    assert not any(folder.exists() for folder in gone)
    assert len(read_json(copied / "raw_data" / "fast.json")["launches"]) == 8


def test_a_folder_that_is_no_campaign_is_named_with_what_it_lacks(tmp_path):
    (tmp_path / "empty").mkdir()
    result = analyse(tmp_path, "output_dir=empty")
    assert result.status != 0
    assert "plan.json, environment.json, model/manifest.json is missing" in result.words
    assert "Traceback" not in result.words

"""Ways to bring software to jobs: one keeps the programs that were planned, the others are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_runner.campaign.deployment import container_arguments, require_deployment
from benchmark_runner.errors import BenchmarkError


@pytest.mark.parametrize("methods", [{"conda"}, {"env_modules"}, {"apptainer", "conda"}])
def test_an_environment_that_launches_would_not_use_is_refused_by_name(tmp_path, methods):
    with pytest.raises(BenchmarkError) as refused:
        require_deployment(methods, tmp_path, True)
    assert all(method in str(refused.value) for method in methods)
    assert "leave it out" in str(refused.value)


def test_a_container_needs_its_image_and_without_one_nothing_is_asked_for(tmp_path):
    image = tmp_path / "benchmark-runner.sif"
    require_deployment(set(), image, True)
    with pytest.raises(BenchmarkError, match=rf"{image} is not there; make it from envs/Containerfile"):
        require_deployment({"apptainer"}, image, True)
    image.mkdir()  # a sandbox is an image too
    require_deployment({"apptainer"}, image, True)


def test_jobs_that_do_not_see_the_folder_are_refused(tmp_path):
    with pytest.raises(BenchmarkError, match="do not share this folder"):
        require_deployment(set(), tmp_path, False)


def test_a_container_sees_the_workflow_and_the_gpu_where_one_may_be_used():
    project = Path("/some where/project")
    assert container_arguments(project, "cpu") == " --bind '/some where/project'"
    assert container_arguments(project, "auto").endswith(" --nv")

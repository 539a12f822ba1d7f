"""What differs between two campaigns, and how much it weighs."""

from __future__ import annotations

import pytest

from benchmark_runner.comparison.differences import configuration_differences, environment_differences
from finished import make_environment

GPU = {
    "driver_version": "550",
    "cuda_driver_version": "12.4",
    "devices": [{"name": "H100", "memory_bytes": 80, "ecc": True}],
}


def changed(before, after):
    return {one.fact: (one.before, one.after, one.consequence) for one in environment_differences(before, after)}


def test_the_same_environment_differs_in_nothing():
    assert environment_differences(make_environment(gpu=GPU), make_environment(gpu=GPU)) == []


def test_a_changed_driver_is_part_of_the_change_and_a_changed_gpu_another_machine():
    other = {**GPU, "driver_version": "560", "devices": [{**GPU["devices"][0], "name": "H200", "ecc": False}]}
    assert changed(make_environment(gpu=GPU), make_environment(gpu=other)) == {
        "gpu.driver_version": ("550", "560", "part_of_the_change"),
        "gpu.devices.0.name": ("H100", "H200", "other_machine"),
        "gpu.devices.0.ecc": (True, False, "part_of_the_change"),
    }


def test_a_gpu_of_one_side_alone_is_told():
    found = changed(make_environment(gpu=GPU), make_environment())
    assert found["gpu.devices.0.name"] == ("H100", None, "other_machine")
    assert found["gpu.driver_version"] == ("550", None, "part_of_the_change")


@pytest.mark.parametrize(
    ("section", "value", "fact", "expected"),
    [
        ("operating_system", {"kernel": "6.2"}, "operating_system.kernel", ("6.1", "6.2", "part_of_the_change")),
        ("cpu", {"model": "Other 1"}, "cpu.model", ("Scripted Processor 9000", "Other 1", "other_machine")),
        ("environment_variables", {}, "environment_variables.OPENBLAS_CORETYPE", ("Zen", None, "part_of_the_change")),
        (
            "workflow",
            {"packages": [{"name": "numpy", "installed": "3.0"}]},
            "workflow.packages.numpy",
            ("2.4.6", "3.0", "part_of_the_change"),
        ),
        (
            "workflow",
            {"locks": [{"file": "a.txt", "sha256": "ab"}]},
            "workflow.locks.a.txt",
            (None, "ab", "part_of_the_change"),
        ),
    ],
)
def test_a_changed_fact_is_told_with_both_values(section, value, fact, expected):
    before = make_environment()
    after = make_environment(**{section: value if section == "environment_variables" else {**before[section], **value}})
    assert changed(before, after)[fact] == expected


def test_keys_of_the_configuration_that_a_launch_depends_on_are_told():
    before = {"config": {"system": {"threads": 2, "device": "cpu"}, "monitoring": {"power_monitoring": True}}}
    after = {"config": {"system": {"threads": 4, "device": "cpu"}, "monitoring": {"power_monitoring": False}}}
    found = [(one.fact, one.before, one.after) for one in configuration_differences(before, after)]
    assert found == [("config.system.threads", 2, 4), ("config.monitoring.power_monitoring", True, False)]

"""Facts of GPUs, from a stand-in for NVIDIA's library."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmark_runner.environment.machine import gpu_facts, gpu_name


class NVMLError(Exception):
    pass


def fail(*_):
    raise NVMLError("Not Supported")


def nvml(**changes):
    functions = {
        "NVMLError": NVMLError,
        "NVML_CLOCK_SM": 1,
        "NVML_CLOCK_MEM": 2,
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlSystemGetDriverVersion": lambda: "580.95",
        "nvmlSystemGetCudaDriverVersion": lambda: 13020,
        "nvmlSystemGetNVMLVersion": lambda: "13.580.95",
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda _: b"NVIDIA L4",
        "nvmlDeviceGetUUID": lambda _: "GPU-1",
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=24_000_000_000),
        "nvmlDeviceGetCudaComputeCapability": lambda _: (8, 9),
        "nvmlDeviceGetEnforcedPowerLimit": lambda _: 72_000,
        "nvmlDeviceGetMaxClockInfo": lambda _, kind: 2040 * kind,
        "nvmlDeviceGetPersistenceMode": lambda _: 1,
        "nvmlDeviceGetEccMode": lambda _: (1, 1),
        "nvmlDeviceGetMigMode": fail,
        "nvmlDeviceGetVbiosVersion": lambda _: "95.04",
        "nvmlDeviceGetCurrPcieLinkGeneration": lambda _: 4,
        "nvmlDeviceGetCurrPcieLinkWidth": lambda _: 16,
    }
    return SimpleNamespace(**(functions | changes))


def test_a_gpu_is_told_with_driver_memory_and_limits():
    facts, reason = gpu_facts(nvml())
    assert reason is None
    assert (facts["driver_version"], facts["cuda_driver_version"]) == ("580.95", "13.2")
    device = facts["devices"][0]
    assert (device["name"], device["memory_bytes"], device["compute_capability"]) == (
        "NVIDIA L4",
        24_000_000_000,
        "8.9",
    )
    assert (device["power_limit_watts"], device["clock_sm_max_mhz"], device["ecc"]) == (72.0, 2040, True)


def test_what_the_gpu_does_not_tell_is_null_with_its_reason():
    device = gpu_facts(nvml())[0]["devices"][0]
    assert device["mig"] is None
    assert device["absent"] == {"mig": "NVML: Not Supported"}


def lost(_):
    raise NVMLError("GPU is lost")


class WrongLibraryError(Exception):
    """As NVMLLibraryMismatchError, which is no NVMLError."""


def unknown(*_):
    raise WrongLibraryError("use another function")


def test_no_library_no_gpu_and_a_dead_driver_give_a_reason_and_a_remedy():
    for broken in ({"nvmlInit": fail}, {"nvmlDeviceGetCount": lambda: 0}, {"nvmlDeviceGetCount": fail}):
        facts, reason = gpu_facts(nvml(**broken))
        assert facts is None
        assert "nvidia-smi" in reason


QUESTIONS = [name for name in vars(nvml()) if name.startswith(("nvmlSystem", "nvmlDeviceGet")) and "Count" not in name]


@pytest.mark.parametrize("question", [name for name in QUESTIONS if "Handle" not in name])
@pytest.mark.parametrize("broken", [fail, unknown, None], ids=["unsupported", "unknown to the library", "not bound"])
def test_each_question_may_fail_by_itself_and_costs_its_own_value(question, broken):
    working = {"nvmlDeviceGetMigMode": lambda _: (0, 0), "NVMLLibraryMismatchError": WrongLibraryError}
    stub = nvml(**working)
    setattr(stub, question, broken)
    if broken is None:
        delattr(stub, question)
    facts, reason = gpu_facts(stub)
    assert reason is None
    whole, device = dict(facts), facts["devices"][0]
    untold = [name for part in (whole, device) for name, value in part.items() if value is None]
    assert untold == list({**facts["absent"], **device["absent"]})
    assert len(untold) == (2 if question == "nvmlDeviceGetMaxClockInfo" else 1)


def test_a_lost_gpu_is_listed_with_its_number_and_the_reason():
    def handle(index):
        return lost(index) if index == 0 else index

    facts, _ = gpu_facts(nvml(nvmlDeviceGetCount=lambda: 2, nvmlDeviceGetHandleByIndex=handle))
    gone, there = facts["devices"]
    assert (gone["index"], gone["name"], there["name"]) == (0, None, "NVIDIA L4")
    assert set(gone["absent"].values()) == {"NVML: GPU is lost"}
    assert gpu_name(gone) == "GPU 0 (its name is not told)"


def test_the_library_is_closed_even_after_an_error_and_its_own_refusal_is_no_harm():
    closed = []
    gpu_facts(nvml(nvmlDeviceGetCount=fail, nvmlShutdown=lambda: closed.append(True)))
    assert closed == [True]
    assert gpu_facts(nvml(nvmlShutdown=fail))[1] is None

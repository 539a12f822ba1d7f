"""Each function of NVML that is asked, refused by itself: what it tells is null, the rest stays, nothing ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_runner.build.adapter import find_tool
from gpu_stub_case import build_stub

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow/scripts"
ROWS = "0 60 50\n1000 60 50\n"
ERRORS = {"not supported": 3, "no permission": 4, "GPU lost": 15}
LOST: dict[str, set[str]] = {
    "nvmlSystemGetDriverVersion": {"record.driver_version", "facts.driver_version"},
    "nvmlSystemGetCudaDriverVersion": {"record.cuda_driver_version", "facts.cuda_driver_version"},
    "nvmlSystemGetNVMLVersion": {"facts.nvml_version"},
    "nvmlDeviceGetName": {"record.name", "device.name"},
    "nvmlDeviceGetUUID": {"record.uuid", "device.uuid"},
    "nvmlDeviceGetCudaComputeCapability": {"record.compute_capability", "device.compute_capability", "speed.0"},
    "nvmlDeviceGetMemoryInfo": {"sample.gpu_memory_used_bytes", "device.memory_bytes"},
    "nvmlDeviceGetUtilizationRates": {"sample.gpu_utilization_percent"},
    "nvmlDeviceGetPowerUsage": {"sample.gpu_power_watts"},
    "nvmlDeviceGetTotalEnergyConsumption": {"sample.gpu_energy_joules"},
    "nvmlDeviceGetTemperature": {"sample.gpu_temperature_celsius", "state.celsius"},
    "nvmlDeviceGetClockInfo": {"sample.gpu_clock_sm_mhz", "sample.gpu_clock_memory_mhz"},
    "nvmlDeviceGetCurrentClocksEventReasons": {"sample.gpu_throttle_reasons"},
    "nvmlDeviceGetComputeRunningProcesses_v3": {"state.processes"},
    "nvmlDeviceGetGraphicsRunningProcesses_v3": set(),
    "nvmlDeviceGetNumGpuCores": {"speed.1"},
    "nvmlDeviceGetMaxClockInfo": {"speed.2", "device.clock_sm_max_mhz", "device.clock_memory_max_mhz"},
    "nvmlDeviceGetEnforcedPowerLimit": {"device.power_limit_watts"},
    "nvmlDeviceGetPersistenceMode": {"device.persistence_mode"},
    "nvmlDeviceGetEccMode": {"device.ecc"},
    "nvmlDeviceGetMigMode": {"device.mig"},
    "nvmlDeviceGetVbiosVersion": {"device.vbios"},
    "nvmlDeviceGetCurrPcieLinkGeneration": {"device.pcie_generation"},
    "nvmlDeviceGetCurrPcieLinkWidth": {"device.pcie_width"},
    "nvmlDeviceGetMaxMigDeviceCount": set(),
    "nvmlShutdown": set(),
}
"""By function what is known through it alone."""
WHOLE = ("nvmlInitWithFlags", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2")
"""Functions without which nothing is known of the GPU, which then has a reason."""
PROCESSES = [{"pid": 1, "memory_bytes": 7 * 2**20}]

READER = """
import ctypes, json, os, sys

ctypes.CDLL(sys.argv[1])  # what is loaded under this name is not looked for again
from benchmark_runner.environment.machine import gpu_facts
from benchmark_runner.monitor.gpu import GpuProbe, open_gpu

def told():
    gpu, reason = open_gpu("0")
    facts, no_facts = gpu_facts()
    found = {"reason": reason, "no_facts": no_facts}
    if facts is not None:
        (device,) = facts.pop("devices")
        found |= {"facts": facts, "device": device}
    if gpu is not None:
        probe, sample = GpuProbe(gpu), {}
        probe.read(sample)
        processes = gpu.processes()
        kept = processes and [{"pid": one.pid, "memory_bytes": one.memory_bytes} for one in processes]
        found |= {"record": gpu.describe(), "sample": sample, "absent": probe.absent}
        found |= {"state": {"celsius": gpu.celsius(), "processes": kept}, "speed": dict(enumerate(gpu.speed()))}
    return found

answers = []
for function, error in json.loads(sys.argv[2]):
    os.environ.update(NVML_REFUSES=function, NVML_ANSWERS=str(error))
    answers.append(told())
json.dump(answers, sys.stdout)
"""


def read(library: Path, refusals: list[tuple[str, int]]) -> list[dict]:
    """What the product's functions tell of the stub's GPU, refusal by refusal."""
    environment = os.environ | {"NVML_RECORDING": str(library.with_name("recording")), "PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, "-c", READER, str(library), json.dumps(refusals)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.fixture(scope="module")
def compiler() -> Path:
    found = find_tool("cc")
    if found is None:
        pytest.skip("there is no C compiler")
    return found


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory, compiler: Path) -> Path:
    library = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    build_stub(compiler, library)
    library.with_name("recording").write_text(ROWS)
    return library


@pytest.fixture(scope="module")
def refused(stub: Path) -> dict[tuple[str, str], dict]:
    """What is told without a refusal (under two empty names), and with each one."""
    asked = [("", "")] + [(function, error) for function in (*LOST, *WHOLE) for error in ERRORS]
    answers = read(stub, [(function, ERRORS.get(error, 0)) for function, error in asked])
    return dict(zip(asked, answers, strict=True))


def flat(told: dict) -> dict[str, object]:
    """Values by "part.name"; what moves with time as whether it is there."""
    found = {}
    for part in ("record", "facts", "device", "sample", "state", "speed"):
        for name, value in told.get(part, {}).items():
            if name != "absent":
                moves = name in ("gpu_energy_joules", "gpu_memory_used_bytes", "gpu_power_watts")
                found[f"{part}.{name}"] = "there" if moves and value is not None else value
    return found


def lost(before: dict, after: dict) -> set[str]:
    """Names whose value is gone; fails where one became another value."""
    had, has = flat(before), flat(after)
    gone = {name for name in had if has.get(name) is None}
    assert {name: has[name] for name in has.keys() - gone} == {name: had[name] for name in had.keys() - gone}
    return gone


def test_the_whole_stub_tells_everything(refused):
    told = flat(refused["", ""])
    assert None not in told.values() and set().union(*LOST.values()) <= told.keys()
    assert (told["sample.gpu_throttle_reasons"], told["state.processes"]) == ([], PROCESSES)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("function", LOST)
def test_a_refused_function_costs_what_it_alone_tells_with_a_reason(refused, function, error):
    whole, told = refused["", ""], refused[function, error]
    assert lost(whole, told) == LOST[function]
    reasons = {f"{part}.{name}" for part in ("record", "facts", "device") for name in told[part]["absent"]}
    reasons |= {f"sample.{name}" for name in told["absent"]}
    assert reasons == {name for name in LOST[function] if not name.startswith(("state", "speed"))}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("function", WHOLE)
def test_without_what_opens_the_gpu_there_is_a_reason_and_no_end(refused, function, error):
    told = refused[function, error]
    assert told["reason"] or told["no_facts"] or told["device"]["absent"]


@pytest.mark.parametrize("function", [*LOST, *WHOLE])
def test_a_function_that_the_library_lacks_costs_the_same(tmp_path, compiler, refused, function):
    library = tmp_path / "libnvidia-ml.so.1"
    build_stub(compiler, library, without=function)
    library.with_name("recording").write_text(ROWS)
    (told,) = read(library, [("", 0)])
    if function in LOST:
        assert lost(refused["", ""], told) == LOST[function]
    else:
        assert told["reason"] or told["no_facts"] or told["device"]["absent"]

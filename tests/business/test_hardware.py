"""Which catalogue entries are the machine that was measured."""

from __future__ import annotations

import datetime

import pytest

from benchmark_runner.business.inputs import BusinessInputs
from benchmark_runner.business.prices import Entry, mismatch

GIB = 2**30


def entry(provider="X", instance="one", gpu=None, vcpu=4, model=None, purchase="on_demand"):
    cpu = {"vcpu": vcpu, "ram_gib": 16, "arch": "x86_64"} | ({} if model is None else {"model": model})
    day = datetime.date(2026, 9, 1)
    price = (1.0, 1.0, 1.0)
    return Entry("id", provider, "hyperscaler", instance, None, purchase, gpu, cpu, *price, day, 90, (), None)


def hardware(cpu_model="AMD EPYC", cores=4, cloud=None, gpus=(), quota_cpus=None):
    cpu = {"model": cpu_model, "logical_cores": cores, "control_group_quota_cpus": quota_cpus}
    return {"cpu": cpu, "virtualisation": {"cloud_instance": cloud}, "gpu": {"devices": gpus} if gpus else None}


def gpu(name="NVIDIA H100 80GB HBM3", memory_bytes=81559 * 2**20, index=0):
    return {"index": index, "name": name, "memory_bytes": memory_bytes}


H100 = {"model": "H100-SXM", "count": 1, "vram_gb": 80}


def test_a_processor_without_a_name_in_the_catalogue_matches_nothing():
    assert "does not say which processor" in mismatch(entry(), hardware(), "cpu")


def test_the_same_processor_with_as_many_cores_matches():
    assert mismatch(entry(model="EPYC"), hardware(), "cpu") is None
    assert "8 logical cores" in mismatch(entry(model="EPYC"), hardware(cores=8), "cpu")
    assert "not on Xeon" in mismatch(entry(model="Xeon Gold"), hardware(), "cpu")


def test_the_cloud_s_own_name_of_the_size_decides():
    found = hardware(cloud="AWS/c7i.4xlarge")
    assert mismatch(entry("AWS", "c7i.4xlarge"), found, "cpu") is None
    assert "not on AWS/c7a" in mismatch(entry("AWS", "c7a.4xlarge", model="EPYC"), found, "cpu")


def test_a_part_of_a_machine_is_not_priced_as_the_whole():
    part = hardware(quota_cpus=1.5)
    assert "within a CPU quota of 1.5 CPUs" in mismatch(entry(model="EPYC"), part, "cpu")
    assert mismatch(entry(model="EPYC"), hardware(quota_cpus=4.0), "cpu") is None
    assert mismatch(entry(purchase="owned"), part, "cpu") is None


def test_gpu_machines_do_not_price_a_measurement_on_the_processor_and_the_other_way_round():
    assert "paid for its GPU" in mismatch(entry(gpu=H100), hardware(), "cpu")
    assert "has no GPU" in mismatch(entry(model="EPYC"), hardware(gpus=(gpu(),)), "cuda:0")


def test_the_same_part_and_memory_match():
    assert mismatch(entry(gpu=H100), hardware(gpus=(gpu(),)), "cuda:0") is None


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (gpu("NVIDIA H100 PCIe"), "measured on NVIDIA H100 PCIe"),
        (gpu(memory_bytes=40 * GIB), "GB of GPU memory"),
        (gpu(index=1), "no GPU 0"),
    ],
)
def test_another_part_memory_or_index_does_not(device, reason):
    assert reason in mismatch(entry(gpu=H100), hardware(gpus=(device,)), "cuda:0")


def test_a_price_of_eight_is_never_divided():
    assert "never divided" in mismatch(entry(gpu=H100 | {"count": 8}), hardware(gpus=(gpu(),)), "cuda:0")


def test_an_owned_machine_is_the_measured_one_by_its_owner_s_word():
    assert mismatch(entry(purchase="owned"), hardware(), "cpu") is None


def test_launches_on_several_devices_match_nothing():
    assert "no one machine" in mismatch(entry(gpu=H100), hardware(gpus=(gpu(),)), "cpu and cuda:0")


@pytest.mark.parametrize(("number", "reason"), [(0, "not on H100"), (1, None)])
def test_the_price_is_that_of_the_gpu_that_the_launches_were_given(number, reason):
    machine = hardware(gpus=(gpu(name="Tesla T4"), gpu() | {"index": 1}))
    plan = {"config": {"system": {"gpu_device": number}}}
    inputs = BusinessInputs(plan, {}, {}, machine, {}, None, [], None)
    found = inputs.misfit(entry(gpu=H100), {"device": "cuda:0"})  # an engine sees a single GPU, its number 0
    assert found is None if reason is None else reason in found


@pytest.mark.parametrize(
    ("used", "reason"),
    [
        ({"name": "NVIDIA H100 80GB HBM3", "uuid": "GPU-b"}, None),
        ({"name": "Tesla T4", "uuid": "GPU-a"}, "not on H100"),
        ({"name": "NVIDIA H100 80GB HBM3", "uuid": None}, None),
        ({"name": "NVIDIA A100 MIG 1g.5gb", "uuid": "MIG-c"}, "does not list"),
    ],
)
def test_of_unlike_gpus_the_price_is_that_of_the_one_that_the_records_name(used, reason):
    machine = hardware(gpus=(gpu(name="Tesla T4") | {"uuid": "GPU-a"}, gpu() | {"index": 1, "uuid": "GPU-b"}))
    plan = {"config": {"system": {"gpu_device": 0}}}  # number 0 of those that CUDA_VISIBLE_DEVICES gives
    inputs = BusinessInputs(plan, {}, {}, machine, {}, None, [], None)
    found = inputs.misfit(entry(gpu=H100), {"device": "cuda:0", "gpus": [used]})
    assert found is None if reason is None else reason in found


def test_launches_on_two_unlike_gpus_have_the_price_of_neither():
    machine = hardware(gpus=(gpu(name="Tesla T4"), gpu() | {"index": 1}))
    inputs = BusinessInputs({"config": {}}, {}, {}, machine, {}, None, [], None)
    used = [{"name": name, "uuid": None} for name in ("NVIDIA H100 80GB HBM3", "Tesla T4")]
    assert "not on H100" in inputs.misfit(entry(gpu=H100), {"device": "cuda:0", "gpus": used})

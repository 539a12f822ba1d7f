from __future__ import annotations

import pytest

from benchmark_runner.launch import device
from benchmark_runner.launch.device import choose_device, visible_gpu
from benchmark_runner.launch.preflight import describe_gpu
from benchmark_runner.monitor.gpu import HIDDEN, open_gpu
from benchmark_runner.processes.engine import engine_environment, recorded_environment


@pytest.fixture
def without_nvml(monkeypatch):
    monkeypatch.setattr(device, "load_nvml", lambda: (None, "no driver"))


def chosen(device="auto", build_device="cuda", inherited=None, absent=None, gpu_device=0):
    return choose_device(
        {"device": device, "gpu_device": gpu_device}, build_device, inherited=inherited, gpu_absent_reason=absent
    )


def test_auto_is_the_gpu_where_there_is_one_and_the_build_is_for_it():
    assert chosen().name == "cuda:0"
    assert chosen(build_device="cpu").name == "cpu"
    assert chosen(build_device=None).name == "cpu"
    assert chosen(absent="no driver").name == "cpu"


def test_the_users_word_is_obeyed():
    assert chosen(device="cpu") == ("cpu", "", "the launch computes on the CPU")
    assert chosen(device="cuda", absent="no driver", build_device="cpu").name == "cuda:0"


@pytest.mark.usefixtures("without_nvml")
@pytest.mark.parametrize(
    ("gpu_device", "inherited", "visible"),
    [(1, None, "1"), (0, "2", "2"), (1, "2,5", "5"), (0, "GPU-aa, GPU-bb", "GPU-aa"), (1, "+2, 5gpu", "5")],
)
def test_the_gpu_is_counted_among_those_that_were_given(gpu_device, inherited, visible):
    assert visible_gpu(gpu_device, inherited) == visible
    assert chosen(gpu_device=gpu_device, inherited=inherited).visible == visible


@pytest.mark.usefixtures("without_nvml")
@pytest.mark.parametrize(
    ("gpu_device", "inherited"),
    [
        *((0, ""), (0, " "), (0, "-1"), (0, "none"), (3, "2"), (1, "4,-1,5"), (2, "4,-1,5"), (1, "4,,5"), (1, "4;5")),
        *(
            (0, "3,3"),
            (2, "3,5,03"),
            (0, "99999999999999999999"),
            (1, "GPU-aa,0"),
            (1, "0,GPU-aa"),
            (0, "GPU-aa,GPU-aa"),
        ),
        *((1, "MIG-aa,GPU-bb"), (0, "\u0663")),
    ],
)
def test_what_cuda_hides_from_this_process_is_no_engines(gpu_device, inherited):
    assert visible_gpu(gpu_device, inherited) == ""
    assert chosen(gpu_device=gpu_device, inherited=inherited, absent=HIDDEN) == ("cpu", "", HIDDEN)
    wanted = chosen(device="cuda", gpu_device=gpu_device, inherited=inherited, absent=HIDDEN)
    assert (wanted.visible, wanted.refused) == ("", HIDDEN)


def test_cuda_is_obeyed_without_nvml_and_refused_where_the_driver_refuses_the_gpu():
    assert chosen(device="cuda", absent="no driver").refused is None
    assert chosen(device="cuda", absent="GPU 0: GPU is lost").refused == "GPU 0: GPU is lost"
    assert chosen(device="cpu").refused is None


class FakeNvml:
    """Four GPUs; number 2 is lost where `lost`, the last is of another kind where `unlike`."""

    NVMLError = type("NVMLError", (Exception,), {})
    NVML_CLOCK_SM = 1

    def __init__(self, *, lost=False, unlike=False):
        self.lost, self.unlike = lost, unlike
        self.uuids = ["GPU-a1", "GPU-a2", "GPU-b1", "GPU-c1"]

    def nvmlDeviceGetCount(self):  # noqa: N802
        return len(self.uuids)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index >= len(self.uuids) or (self.lost and index == 2):
            raise self.NVMLError("Invalid Argument")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        if uuid not in self.uuids:
            raise self.NVMLError("Not Found")
        return self.uuids.index(uuid)

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return self.uuids[handle] if isinstance(handle, int) else f"MIG-{handle}"

    def nvmlDeviceGetCudaComputeCapability(self, handle):  # noqa: N802
        return (8, 6) if self.unlike and handle == 3 else (9, 0)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle):  # noqa: N802
        return 2 if handle == 3 else 0

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle, part):  # noqa: N802
        return f"part-{handle}-{part}"


@pytest.mark.parametrize(
    ("gpu_device", "inherited", "visible"),
    [
        *((1, "3,0", "0"), (1, "7,0", ""), (0, "7,0", "7"), (1, "GPU-b,GPU-c", "GPU-c"), (1, "GPU-a,GPU-c", "")),
        *((0, "GPU-b,GPU-b1", ""), (1, "GPU-x,GPU-c", "")),
    ],
)
def test_an_entry_that_is_no_gpu_hides_what_follows_it(gpu_device, inherited, visible, monkeypatch):
    monkeypatch.setattr(device, "load_nvml", lambda: (nvml, None))
    nvml = FakeNvml()
    assert visible_gpu(gpu_device, inherited) == visible


def test_a_lost_gpu_hides_what_follows_it(monkeypatch):
    monkeypatch.setattr(device, "load_nvml", lambda: (FakeNvml(lost=True), None))
    assert [visible_gpu(number, "1,2,3") for number in range(3)] == ["1", "2", ""]


def test_numbers_of_unlike_gpus_hold_in_the_order_of_the_bus_alone(monkeypatch):
    monkeypatch.setattr(device, "load_nvml", lambda: (FakeNvml(unlike=True), None))
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    assert (visible_gpu(0, "1"), visible_gpu(0, "GPU-a2"), visible_gpu(1, None)) == ("", "GPU-a2", "1")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert visible_gpu(0, "1") == "1"


def test_a_uuid_may_be_cut_short_where_it_is_one_gpus_alone():
    nvml = FakeNvml()
    assert open_gpu("GPU-b", nvml)[0].handle == 2
    assert open_gpu("MIG-part-3-1", nvml)[0].handle == "part-3-1"
    assert open_gpu("GPU-a", nvml) == (None, "GPU GPU-a: several UUIDs begin so")
    assert open_gpu("GPU-z", nvml) == (None, "GPU GPU-z: Not Found")
    assert open_gpu("", nvml) == (None, HIDDEN)


class ToldGpu:
    def describe(self):
        return {"name": "NVIDIA L4"}


def test_a_launch_tells_the_gpu_that_it_computes_on_and_none_on_the_cpu():
    assert describe_gpu(chosen(), ToldGpu()) == {"name": "NVIDIA L4"}
    assert describe_gpu(chosen(device="cpu"), ToldGpu()) is None
    assert describe_gpu(chosen(device="cuda", absent="no driver"), None) is None


def test_the_environment_holds_what_is_named_and_nothing_else():
    shell = {"PATH": "/bin", "HOME": "/home/x", "LD_PRELOAD": "spy.so", "PYTHONPATH": "lib", "OMP_NUM_THREADS": "64"}
    environment = engine_environment(shell, visible_gpus=chosen().visible, threads=3, marker="m")
    assert environment["OMP_NUM_THREADS"] == environment["RAYON_NUM_THREADS"] == "3"
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"
    assert not environment.keys() & {"LD_PRELOAD", "PYTHONPATH"}
    assert not recorded_environment(environment).keys() & {"HOME", "PATH", "BENCHMARK_RUNNER_LAUNCH"}

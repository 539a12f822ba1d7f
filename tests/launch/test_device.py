from __future__ import annotations

import pytest

from benchmark_runner.launch.device import choose_device, visible_gpu
from benchmark_runner.launch.preflight import describe_gpu
from benchmark_runner.processes.variables import engine_environment, recorded_environment


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


@pytest.mark.parametrize(
    ("gpu_device", "inherited", "visible"),
    [(1, None, "1"), (0, "2", "2"), (1, "2,5", "5"), (0, "GPU-aa, GPU-bb", "GPU-aa"), (3, "2", "3"), (0, "", "0")],
)
def test_the_gpu_is_counted_among_those_that_were_given(gpu_device, inherited, visible):
    assert visible_gpu(gpu_device, inherited) == visible
    assert chosen(gpu_device=gpu_device, inherited=inherited).visible == visible


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

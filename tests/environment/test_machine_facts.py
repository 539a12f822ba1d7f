"""The machine's facts from /proc and /sys of a made-up machine: values, and reasons where they are absent."""

from __future__ import annotations

import pytest

from benchmark_runner.environment.machine import MachineFacts

CORE = """processor : {number}
vendor_id : GenuineIntel
cpu family : 6
model : 143
model name : Intel(R) Xeon(R) Platinum 8488C
stepping : 8
microcode : 0x2b000603
physical id : 0
core id : {core}
flags : avx2 fma{hypervisor}
"""


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return MachineFacts(root)


@pytest.fixture
def bare_metal(tmp_path):
    cpu = "sys/devices/system/cpu"
    cores = "\n".join(CORE.format(number=number, core=number // 2, hypervisor="") for number in range(4))
    return write(
        tmp_path,
        {
            "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            "proc/cpuinfo": cores,
            "proc/meminfo": "MemTotal:       16384 kB\nMemFree: 1 kB\nSwapTotal:        1024 kB\n",
            f"{cpu}/smt/control": "on\n",
            f"{cpu}/cpu0/cpufreq/scaling_governor": "performance\n",
            f"{cpu}/cpu0/cpufreq/scaling_driver": "intel_pstate\n",
            f"{cpu}/cpu0/cpufreq/cpuinfo_min_freq": "800000\n",
            f"{cpu}/cpu0/cpufreq/cpuinfo_max_freq": "3800000\n",
            f"{cpu}/intel_pstate/no_turbo": "1\n",
            f"{cpu}/cpu0/cache/index0/level": "1\n",
            f"{cpu}/cpu0/cache/index0/type": "Data\n",
            f"{cpu}/cpu0/cache/index0/size": "48K\n",
            f"{cpu}/cpu0/cache/index0/shared_cpu_list": "0-1\n",
            f"{cpu}/vulnerabilities/meltdown": "Not affected\n",
            f"{cpu}/vulnerabilities/spectre_v1": "Mitigation: barriers\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
            "sys/class/dmi/id/product_name": "c7i.metal\n",
        },
    )


def test_a_processor_is_told_whole(bare_metal):
    cpu = bare_metal.cpu()
    assert cpu["model"] == "Intel(R) Xeon(R) Platinum 8488C"
    assert (cpu["physical_cores"], cpu["logical_cores"], cpu["sockets"], cpu["smt"]) == (2, 4, 1, "on")
    assert (cpu["governor"], cpu["frequency_driver"], cpu["turbo"]) == ("performance", "intel_pstate", "off")
    assert (cpu["frequency_min_mhz"], cpu["frequency_max_mhz"]) == (800.0, 3800.0)
    assert (cpu["microcode"], cpu["flags"]) == ("0x2b000603", "avx2 fma")
    assert cpu["caches"] == {"L1 Data": "48K shared by cores 0-1"}
    assert cpu["vulnerability_mitigations"] == {"spectre_v1": "Mitigation: barriers"}


def test_memory_is_in_bytes(bare_metal):
    memory = bare_metal.memory()
    assert (memory["total_bytes"], memory["swap_total_bytes"]) == (16384 * 1024, 1024 * 1024)
    assert memory["transparent_huge_pages"] == "madvise"
    assert memory["control_group_limit_bytes"] is None


def test_a_cloud_names_its_size(bare_metal):
    found = bare_metal.virtualisation()
    assert (found["cloud_instance"], found["virtual_machine"], found["container"]) == ("AWS/c7i.metal", False, None)


def test_a_full_machine_lacks_nothing(bare_metal):
    bare_metal.operating_system()
    bare_metal.cpu()
    bare_metal.memory()
    bare_metal.virtualisation()
    assert bare_metal.absent == {}


def test_what_a_virtual_machine_lacks_is_null_with_its_reason(tmp_path):
    machine = write(
        tmp_path,
        {"proc/cpuinfo": CORE.format(number=0, core=0, hypervisor=" hypervisor"), ".dockerenv": "", "proc/meminfo": ""},
    )
    cpu, virtual = machine.cpu(), machine.virtualisation()
    assert (cpu["governor"], cpu["turbo"], cpu["caches"]) == (None, None, None)
    assert "virtual machine" in machine.absent["cpu.governor"]
    assert "cpu.turbo" in machine.absent and "cpu.caches" in machine.absent
    assert (virtual["virtual_machine"], virtual["container"]) == (True, "docker")
    assert virtual["cloud_instance"] is None
    assert machine.memory()["total_bytes"] is None


def test_a_control_group_s_limit_is_told(tmp_path):
    assert write(tmp_path, {"sys/fs/cgroup/memory.max": "1048576\n"}).memory()["control_group_limit_bytes"] == 2**20
    assert write(tmp_path, {"sys/fs/cgroup/memory.max": "max\n"}).memory()["control_group_limit_bytes"] is None


def test_a_control_group_s_quota_and_kinds_of_cores_are_told(tmp_path):
    cpu = write(tmp_path, {"sys/fs/cgroup/cpu.max": "150000 100000\n"}).cpu()
    assert (cpu["control_group_quota_cpus"], cpu["core_kinds"]) == (1.5, None)


def test_a_container_that_leaves_no_file_is_known_by_what_it_tells_its_programs(tmp_path):
    machine = write(tmp_path, {"run/.containerenv": ""})
    assert machine.container({}) == "podman"
    assert machine.container({"APPTAINER_CONTAINER": "/images/x.sif"}) == "apptainer"
    assert machine.container({"CH_RUNNING": "Weird Al Yankovic"}) == "charliecloud"
    assert MachineFacts(tmp_path / "nowhere").container({"APPTAINER_CONTAINER": ""}) is None

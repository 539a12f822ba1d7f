"""The machines of a block: each is kept, and all are of the kind on which the campaign began."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from benchmark_runner.campaign import node
from benchmark_runner.campaign.machine import MachineHere
from benchmark_runner.environment.kind import unlike_kind
from benchmark_runner.errors import BenchmarkError

FIRST: dict[str, Any] = {
    "host": {"hostname": "n1"},
    "cpu": {"model": "Xeon 8480", "available_cores": [0, 1, 2, 3], "control_group_quota_cpus": None},
    "gpu": {"devices": [{"name": "H100"}, {"name": "H100"}]},
    "virtualisation": {"container": None},
}


def like_first(hostname: str, **changes: object) -> dict[str, object]:
    return copy.deepcopy(FIRST) | {"host": {"hostname": hostname}} | changes


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Runs the command on a machine of these facts."""
    environment, plan, out = (tmp_path / name for name in ("environment.json", "plan.json", "3.json"))
    environment.write_text(json.dumps(FIRST))
    plan.write_text(json.dumps({"config": {"system": {"strict": False}}}))

    def run(machine: dict[str, object]) -> list[str]:
        monkeypatch.setattr(node, "machine_document", lambda _: machine)
        assert node.main([f"--plan={plan}", f"--environment={environment}", f"--out={out}"]) == 0
        return [one["host"]["hostname"] for one in json.loads(out.read_text())["machines"]]

    return run


def test_a_block_that_goes_on_on_another_node_names_both(record):
    assert record(like_first("n2")) == ["n2"]
    assert record(like_first("n2")) == ["n2"]
    assert record(like_first("n3")) == ["n2", "n3"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"cpu": {"model": "EPYC 9354", "available_cores": [0, 1, 2, 3]}},
            "processor: EPYC 9354 here, Xeon 8480 there",
        ),
        ({"cpu": {"model": "Xeon 8480", "available_cores": [0, 1]}}, "cores: 2 here, 4 there"),
        (
            {"cpu": {"model": "Xeon 8480", "available_cores": [0, 1, 2, 3], "control_group_quota_cpus": 1.5}},
            "cores: 4 with a quota of 1.5 here, 4 there",
        ),
        ({"gpu": None}, "GPUs: none here, H100, H100 there"),
        ({"virtualisation": {"container": "podman"}}, "container: podman here, none there"),
    ],
)
def test_a_node_of_another_kind_is_refused_with_what_differs(record, changes, words):
    with pytest.raises(BenchmarkError) as refused:
        record(like_first("n9", **changes))
    assert words in str(refused.value) and "n9" in str(refused.value) and "n1" in str(refused.value)


def test_a_campaign_that_began_before_quotas_were_told_goes_on_within_one():
    cpu = {"model": "Xeon 8480", "available_cores": [0, 1, 2, 3]}
    before, now = FIRST | {"cpu": cpu}, FIRST | {"cpu": cpu | {"control_group_quota_cpus": 1.5}}
    assert unlike_kind(now, before) is None
    assert unlike_kind(now, FIRST) is not None


def test_what_strict_insists_on_is_asked_of_the_node(monkeypatch):
    monkeypatch.setattr(node, "this_machine", lambda _: MachineHere((0, 1), "no driver"))
    system = {"strict": True, "device": "cuda", "gpu_device": 0, "cpu_affinity": None, "threads": None}
    with pytest.raises(BenchmarkError, match=r"^system\.device: GPU 0 is not here \(no driver\), and system\.strict"):
        node.require_given(system)
    node.require_given(system | {"device": "cpu"})
    node.require_given(system | {"strict": False})

"""Campaigns of the scripted engine and of llama.cpp on a Slurm made up here: in one allocation, and with a job a block.

`make test-cluster` runs them; the other tests leave this folder out, since it needs root and Debian's Slurm. After each
the nodes are empty, every launch has one record, nothing is owed, and blocks that one machine measured are pairs.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.records.collect import main as collect
from benchmark_runner.records.tabulate import main as tabulate
from benchmark_runner.statistics.__main__ import main as summarise
from launch_case import killed_at_last, wait_for
from made_up_slurm import Cluster, cluster, lacks
from tiny_campaign import REPOSITORY, Campaign
from tiny_model import make_tiny_model

PROFILE = REPOSITORY / "profiles"
BLOCKS = ["--profile", str(PROFILE / "slurm"), "--jobs", "2", "--resources", "gpu=2", "--latency-wait", "5"]
BLOCKS += ["--slurm-init-seconds-before-status-checks", "1"]
ALL = {("slow", 1), ("slow", 2), ("fast", 1), ("fast", 2)}
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "FORGOTTEN")
LONG = 300
"""Seconds for what takes some on an idle machine."""

Records = dict[tuple[str, int], dict[str, Any]]


@pytest.fixture(scope="module")
def made_up() -> Iterator[Cluster]:
    if (missing := lacks()) is not None:
        pytest.skip(missing)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-runner-cluster-", dir="/var/tmp"))
    places = [REPOSITORY, *((REPOSITORY / name).resolve() for name in (".venv", "target", "models"))]
    with cluster(folder / "slurm", places, {"n1": (), "n2": (), "g1": ("nvidia0",)}) as up:
        yield up
    shutil.rmtree(folder)


def tiny(folder: Path) -> Campaign:
    """Two engines, one workload, two blocks."""
    make_tiny_model(folder / "models" / "tiny")
    made = Campaign(folder)
    made.config["benchmark"] |= {"launches": 2, "control": False}
    made.config["workloads"] = made.config["workloads"][:1]
    made.config["workloads"][0] |= {"iterations": 4, "warmup_iterations": 0}
    made.config["system"]["launch_timeout_seconds"] = 120
    return made


@pytest.fixture(scope="module")
def prepared(made_up: Cluster) -> Callable[..., Campaign]:
    """A campaign whose engines have such options, with all that comes before its launches; made once."""
    made: dict[str, Campaign] = {}

    def prepare(**options: Any) -> Campaign:
        name = json.dumps(options)
        if name not in made:
            campaign = made[name] = tiny(made_up.folder.parent / f"prepared-{len(made)}")
            for engine in campaign.config["engines"]:
                engine["options"] |= options
            names = ("plan.json", "prompts.json", "environment.json", "fidelity/slow.json", "fidelity/fast.json")
            out = campaign.config["benchmark"]["output_dir"]
            result = campaign.snakemake(*(f"{out}/{name}" for name in names))
            assert result.status == 0, result.words
        return made[name]

    return prepare


@pytest.fixture
def campaign(made_up: Cluster, prepared: Callable[..., Campaign], request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """Of its engines the test may ask for options; afterwards nothing of it is left on a node."""
    made = prepared(**getattr(request, "param", {})).copy_to(made_up.folder.parent / request.node.originalname)
    yield made
    assert made_up.processes() == []


def engines(name: str, **options: Any) -> pytest.MarkDecorator:
    """Both engines of a test's campaign have these options."""
    return pytest.mark.parametrize("campaign", [options], indirect=True, ids=[name])


slowly = engines("slowly", token_ms=[5.0, 5.0, 5.0, 300.0])  # not so the four tokens of a fidelity check
"""Launches of four seconds, so that something can happen to them."""


def submit(made_up: Cluster, campaign: Campaign, *words: str, target: str = "launches") -> str:
    """Number of the job that runs the campaign's launches in one allocation; words are sbatch's."""
    arguments = campaign.command(target)[1:-2]  # without --cores: the profile's
    output = f"--output={campaign.folder / 'slurm.out'}"
    script = PROFILE / "slurm-node" / "campaign.sbatch"
    command = ["sbatch", "--parsable", "--time=20", f"--chdir={REPOSITORY}", output, *words, str(script), *arguments]
    return made_up.command(*command).strip()


def ended(made_up: Cluster, number: str) -> str | None:
    """State of a job that has ended; None before."""
    state = next((state for job, state, _ in made_up.jobs() if job == number), "FORGOTTEN")
    return state if state in ENDED else None


def end_of(made_up: Cluster, number: str) -> str:
    return wait_for(lambda: ended(made_up, number), f"the end of job {number}", seconds=LONG)


def records(campaign: Campaign) -> Records:
    found = [json.loads(file.read_text()) for file in campaign.out.glob("launches/*/*/*/record.json")]
    return {(record["engine"], record["block"]): record for record in found}


def hosts(campaign: Campaign, *blocks: int) -> set[str]:
    """Where blocks were measured, as their launches tell."""
    return {record["host"]["hostname"] for (_, of), record in records(campaign).items() if of in blocks}


def pairs(campaign: Campaign) -> set[int]:
    """Blocks that are pairs in the comparisons that the analysis makes of the records."""
    out = campaign.out
    plan, raw = f"--plan={out / 'plan.json'}", []
    for engine in (entry["name"] for entry in json.loads((out / "plan.json").read_text())["engines"]):
        raw.append(str(out / "raw_data" / f"{engine}.json"))
        folders = [f"--fidelity={out / 'fidelity' / f'{engine}.json'}", f"--launches={out / 'launches' / engine}"]
        assert collect([plan, "--engine", engine, *folders, "--out", raw[-1]]) == 0
    table, statistics = out / "analysis" / "iterations.parquet", out / "analysis" / "statistical_summary.json"
    assert tabulate(["--raw", *raw, "--outlier-threshold=3.5", f"--out={table}"]) == 0
    checks = [str(file) for file in out.glob("fidelity/*.json")]
    words = ["--raw", *raw, f"--iterations={table}", "--fidelity", *checks, "--looks", str(out / "looks.json")]
    assert summarise([plan, *words, f"--out={statistics}"]) == 0
    comparisons = json.loads(statistics.read_text())["comparisons"]
    return {one["launches"]["blocks"] for one in comparisons if one["kind"] == "primary"}


def in_blocks(campaign: Campaign, *words: str) -> Any:
    return campaign.snakemake("launches", *BLOCKS, *words, cores=2)


def first_record(campaign: Campaign) -> Records:
    wait_for(lambda: records(campaign), "the first record", seconds=LONG)
    return records(campaign)


def assert_whole(campaign: Campaign, before: Records) -> Records:
    """All have records, those of before are as they were, nothing is owed, and blocks of one node are pairs."""
    after = records(campaign)
    assert after.keys() == ALL
    assert campaign.owed("launches").get("run_launch", 0) == 0
    assert {key: after[key] for key in before} == before
    assert {record["status"] for record in after.values()} == {"ok"}
    assert pairs(campaign) == {sum(len(hosts(campaign, block)) == 1 for block in (1, 2))}
    return after


def test_of_two_calls_at_once_in_allocations_one_measures_all_with_the_cores_of_its_node(made_up, campaign):
    numbers = [submit(made_up, campaign, f"--output={campaign.folder / f'{n}.out'}") for n in (1, 2)]
    states = [end_of(made_up, number) for number in numbers]
    words = "".join((campaign.folder / f"{n}.out").read_text() for n in (1, 2))
    assert sorted(states) == ["COMPLETED", "FAILED"], words
    assert "another Snakemake (" in words or "are still in Slurm's queue" in words
    found = assert_whole(campaign, {})
    assert len(hosts(campaign, 1, 2)) == 1
    affinity = found["slow", 1]["affinity"]
    assert sorted(affinity["engine_cores"] + affinity["monitor_cores"]) == [0, 1]


def test_a_job_for_each_block_keeps_the_block_on_one_node_which_is_told(campaign):
    result = in_blocks(campaign)
    assert result.status == 0, result.words
    assert_whole(campaign, {})
    for block in (1, 2):
        (host,) = hosts(campaign, block)
        node = json.loads((campaign.out / "nodes" / f"{block}.json").read_text())
        assert [machine["host"]["hostname"] for machine in node["machines"]] == [host]


def test_jobs_of_a_killed_snakemake_go_on_and_no_call_begins_beside_them(made_up, campaign):
    made_up.command("scontrol", "update", "nodename=n2", "state=drain", "reason=test")  # so one block waits
    with killed_at_last(subprocess.Popen(campaign.command("launches", *BLOCKS))) as snakemake:
        wait_for(lambda: list(campaign.out.glob("launches/**/spec.json")), "the first launch", seconds=LONG)
        waiting = wait_for(lambda: [job for job, state, _ in made_up.jobs() if state == "PENDING"], "the other block")
        snakemake.send_signal(signal.SIGKILL)
        snakemake.wait()
    made_up.command("scontrol", "hold", *waiting)
    again = campaign.snakemake("launches")
    assert again.status == 1
    assert "are still in Slurm's queue; wait until they have ended, or cancel them: scancel" in again.words
    made_up.command("scontrol", "release", *waiting)
    made_up.command("scontrol", "update", "nodename=n2", "state=resume")
    wait_for(lambda: all(ended(made_up, number) for number, *_ in made_up.jobs()), "the end of the jobs", seconds=LONG)
    found = assert_whole(campaign, {})
    assert campaign.snakemake("launches").status == 0
    assert records(campaign) == found


@slowly
def test_what_is_cancelled_is_owed_and_what_was_measured_stays(made_up, campaign):
    number = submit(made_up, campaign)
    first_record(campaign)
    made_up.command("scancel", number)
    assert end_of(made_up, number) == "CANCELLED"
    before = records(campaign)
    assert before.keys() < ALL
    assert made_up.processes() == []
    assert end_of(made_up, submit(made_up, campaign)) == "COMPLETED"
    assert_whole(campaign, before)


@slowly
def test_ahead_of_its_time_limit_an_allocation_ends_after_the_launch_that_runs(made_up, campaign):
    number = submit(made_up, campaign, "--time=1", "--signal=B:TERM@45")
    assert end_of(made_up, number) == "FAILED"
    before = records(campaign)
    assert before.keys() < ALL
    assert list(campaign.out.glob("launches/**/interrupted.json")) == []
    assert end_of(made_up, submit(made_up, campaign)) == "COMPLETED"
    assert_whole(campaign, before)


@engines("for_minutes", token_ms=[5.0, 5.0, 5.0, 8000.0])
def test_a_block_that_runs_into_its_time_limit_is_interrupted_and_owed(made_up, campaign):
    with killed_at_last(subprocess.Popen(campaign.command("launches", *BLOCKS))) as snakemake:
        jobs = wait_for(lambda: len(made_up.running()) == 2 and made_up.running(), "both blocks", seconds=LONG)
        for number in jobs:
            made_up.command("scontrol", "update", f"jobid={number}", "timelimit=1")
        assert [end_of(made_up, number) for number in jobs] == ["TIMEOUT"] * 2
        assert snakemake.wait(LONG) == 1
    # What is left is Snakemake's own on the node, which this cluster's proctrack/linuxproc loses.
    assert [words for words in made_up.processes() if "--mode remote" not in words] == []
    for node in ("n1", "n2"):
        made_up.end_node(node)
        made_up.start_node(node)
    wait_for(lambda: {"n1", "n2"} <= made_up.idle() and not made_up.processes(), "the nodes that have started again")
    stopped = [json.loads(file.read_text()) for file in campaign.out.glob("launches/*/*/*/interrupted.json")]
    assert [record["status"] for record in stopped] == ["interrupted"] * 2  # Slurm's TERM reaches the monitor too
    assert records(campaign) == {}
    assert campaign.owed("launches")["run_launch"] == 4


@engines("large", allocate_bytes=1_600_000_000)
def test_an_engine_that_takes_more_memory_than_its_job_has_is_a_record_that_says_so(campaign):
    result = in_blocks(campaign, "--set-resources", "run_launch:mem_mb=2400")
    assert result.status == 0, result.words
    told = [(record["status"], record["reason"]) for record in records(campaign).values()]
    assert [status for status, _ in told] == ["memory_limit"] * 4, told
    assert all("above the 1.2 GB of" in reason and "batch system" in reason for _, reason in told)


@slowly
def test_a_node_that_dies_without_requeue_loses_its_block_to_the_next_call(made_up, campaign):
    words = campaign.command("launches", *BLOCKS, "--slurm-no-requeue")
    with killed_at_last(subprocess.Popen(words)) as snakemake:
        before = first_record(campaign)
        ((node, *_), *_) = [hosts(campaign, block) for _, block in before]
        made_up.end_node(node)
        assert snakemake.wait(LONG) == 1
    made_up.start_node(node)
    wait_for(lambda: node in made_up.idle(), "the node that has started again")
    before = records(campaign)
    assert before.keys() < ALL
    result = in_blocks(campaign)
    assert result.status == 0, result.words
    assert_whole(campaign, before)


@slowly
def test_a_node_that_dies_has_its_campaign_go_on_on_another(made_up, campaign):
    number = submit(made_up, campaign)
    before = first_record(campaign)
    ((node, *_), *_) = [hosts(campaign, block) for _, block in before]
    made_up.end_node(node)
    wait_for(lambda: ended(made_up, number) == "COMPLETED", "the end of the job on the other node", seconds=LONG)
    made_up.start_node(node)
    wait_for(lambda: node in made_up.idle(), "the node that has started again")
    after = assert_whole(campaign, before)
    assert node not in {record["host"]["hostname"] for key, record in after.items() if key not in before}


def test_nodes_with_a_gpu_file_measure_what_a_login_node_without_one_has_planned(campaign):
    campaign.config["system"]["device"] = "cuda"
    result = in_blocks(campaign, "--default-resources", "slurm_partition=gpu", "slurm_extra='--exclusive'", "mem_mb=0")
    assert result.status == 0, result.words
    assert hosts(campaign, 1, 2) == {"g1"}
    assert {record["device"] for record in assert_whole(campaign, {}).values()} == {"cuda:0"}


def test_nodes_without_a_gpu_file_measure_what_a_login_node_with_one_has_planned(made_up, campaign):
    login = made_up.login(["nvidia0"])
    result = subprocess.run([*login, *campaign.command("launches", *BLOCKS)], check=False)
    assert result.returncode == 0
    assert {record["device"] for record in assert_whole(campaign, {}).values()} == {"cpu"}


def test_llama_cpp_is_measured_by_a_job_for_each_block(made_up, program, embedded_model):
    campaign = tiny(made_up.folder.parent / "llama_cpp")
    shutil.rmtree(campaign.folder / "models")
    (campaign.folder / "models").symlink_to(embedded_model.parent)
    engine = {"name": "llama_cpp", "binary_path": str(program("llama_cpp"))}
    campaign.config["benchmark"] |= {"model_path": f"models/{embedded_model.name}", "control": True}
    campaign.config["engines"] = [engine]
    result = in_blocks(campaign)
    assert result.status == 0, result.words
    found = records(campaign)
    assert found.keys() == {(name, block) for name in ("llama_cpp", "llama_cpp_control") for block in (1, 2)}
    assert {record["status"] for record in found.values()} == {"ok"}
    assert all(len(hosts(campaign, block)) == 1 for block in (1, 2))
    assert made_up.processes() == []

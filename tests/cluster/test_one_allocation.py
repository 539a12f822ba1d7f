"""Campaigns in one allocation of the made-up Slurm."""

from __future__ import annotations

import json

from launch_case import wait_for
from slurm_case import ALL, LONG, assert_whole, end_of, ended, first_record, hosts, paired, records, slowly, submit
from tiny_campaign import join


@slowly
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


@slowly
def test_what_is_cancelled_is_owed_and_what_was_measured_stays(made_up, campaign):
    number = submit(made_up, campaign)
    first_record(campaign)
    made_up.command("scancel", number)
    assert end_of(made_up, number) == "CANCELLED"
    before = records(campaign)
    assert before.keys() < ALL
    assert made_up.processes() == {}
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


@slowly
def test_what_two_nodes_measured_apart_is_joined_as_one_campaign(made_up, campaign):
    apart = {node: campaign.copy_to(made_up.folder.parent / f"measured-on-{node}") for node in ("n1", "n2")}
    for one in apart.values():
        (one.out / "environment.json").unlink()  # of the login node
    numbers = [submit(made_up, one, f"--nodelist={node}") for node, one in apart.items()]
    assert {end_of(made_up, number) for number in numbers} == {"COMPLETED"}
    folders = ",".join(str(one.out) for one in apart.values())
    result = join(campaign.folder, f"folders={folders}", "output_dir=results/both")
    assert result.status == 0, result.words
    both = campaign.folder / "results" / "both"
    told = json.loads((both / "plan.json").read_text())["campaign"]["joined"]["folders"]
    assert [[*one["machines"].values()] for one in told] == [["n1"], ["n2"]]
    assert paired(both / "analysis" / "statistical_summary.json") == {4}
    assert (both / "report.html").is_file()

"""Campaigns that were measured apart become one, and what may not be joined is refused by its key before anything is
written."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import joined_case
from benchmark_runner.campaign import join
from benchmark_runner.campaign.campaign import examine_whole
from benchmark_runner.campaign.joining import load_results, require_folders
from benchmark_runner.configuration.shortcuts import as_given
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.locks import HeldFolder
from benchmark_runner.records import collect
from joined_case import A, B, C, change, each_record, joined, named


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with results/a and results/b, of one configuration."""
    folder = tmp_path_factory.mktemp("apart")
    with contextlib.chdir(folder):
        joined_case.place(folder)
        joined_case.measured(A, "quick", joined_case.CONFIG, speed=2.0, seed=1)
        joined_case.measured(B, "slow", joined_case.CONFIG, seed=2)
    return folder


@pytest.fixture(autouse=True)
def two(made, tmp_path, monkeypatch) -> dict[str, Any]:
    """A copy of it as working folder, and its configuration."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return copy.deepcopy(joined_case.CONFIG)


def origins(plan: dict[str, Any]) -> dict[tuple[int, int], int]:
    """Block of the whole by number of the folder and block there."""
    return {(row["measured"]["in"], row["measured"]["block"]): row["block"] for row in plan["order"]}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_blocks_of_both_are_numbered_through_and_every_launch_tells_where_it_was_measured(capsys):
    before = everything(A) | everything(B)
    campaign = joined()
    assert not campaign.joins
    assert "5 blocks of results/a (quick), 5 blocks of results/b (slow)" in capsys.readouterr().out
    order = campaign.plan()["order"]
    assert [row["position"] for row in order] == list(range(1, 21))
    assert sorted({row["block"] for row in order}) == list(range(1, 11))
    assert origins(campaign.plan()) == {(int(block > 5), (block - 1) % 5 + 1): block for block in range(1, 11)}
    assert campaign.plan()["campaign"]["launches"] == 10
    assert everything(A) | everything(B) == before


def test_records_stay_as_the_launches_wrote_them_and_are_collected_under_their_new_blocks():
    joined()
    first, other = joined_case.records(A), joined_case.records(C)
    assert len(other) == 2 * len(first)
    assert {path.read_bytes() for path in first} <= {path.read_bytes() for path in other}
    arguments = ["--plan", "results/c/plan.json", "--engine", "second", "--launches", "results/c/launches/second"]
    assert collect.main([*arguments, "--out", "raw.json"]) == 0
    raw = read_json(Path("raw.json"))
    assert [(one["block"], one["host"]["hostname"]) for one in raw["launches"]] == [
        (block, "quick" if block <= 5 else "slow") for block in range(1, 11)
    ]
    assert raw["not_part_of_campaign"] == []


def test_a_second_call_has_nothing_to_join():
    joined()
    before = everything(C)
    assert not named().joins
    assert everything(C) == before


def test_a_join_that_was_interrupted_goes_on():
    joined()
    whole = everything(C)
    (C / "plan.json").unlink()
    for record in joined_case.records(C)[::2]:
        shutil.rmtree(record.parent)
    joined()
    assert everything(C) == whole


def test_blocks_that_were_measured_later_are_added_behind_the_others(two):
    joined()
    numbers = origins(read_json(C / "plan.json"))
    more = {**two, "benchmark": {**two["benchmark"], "launches": 10}}
    more["workloads"][0]["iterations"] = 40
    shutil.rmtree(A)
    joined_case.measured(A, "quick", more, speed=2.0, seed=1, blocks=range(1, 8))
    again = origins(named().plan())
    assert numbers.items() <= again.items()
    assert again.keys() - numbers.keys() == {(0, 6), (0, 7)} and again[0, 6] == 11 and again[0, 7] == 12


def test_a_folder_that_was_joined_before_must_be_named_again(two):
    joined()
    joined_case.measured(Path("results/d"), "third", two, seed=3)
    with pytest.raises(BenchmarkError, match=r"^folders: results/c was joined from results/a too; name it"):
        named("results/b,results/d")


def test_shares_of_one_campaign_are_joined_without_the_blocks_that_neither_measured(two, capsys):
    shutil.rmtree(B)
    shutil.rmtree(A)
    joined_case.measured(A, "quick", two, blocks=(1, 2))
    joined_case.measured(B, "slow", two, blocks=(4, 5), seed=2)
    campaign = joined()
    assert origins(campaign.plan()) == {(0, 1): 1, (0, 2): 2, (1, 4): 3, (1, 5): 4}
    assert "note: 3 blocks of results/a without any record left out (from 3 on)" in capsys.readouterr().out


def test_a_launch_that_is_missing_in_a_block_is_missing_in_the_whole():
    shutil.rmtree(joined_case.records(B)[0].parent)
    campaign = joined()
    assert len(campaign.launches) == 20 and sum(len(campaign.records(name)) for name in campaign.engines) == 19


def another_campaign(**keys: Any) -> Callable[[], Any]:
    """results/b anew, of another configuration."""

    def make() -> None:
        shutil.rmtree(B)
        joined_case.measured(B, "slow", {**joined_case.CONFIG, **keys}, seed=2)

    return make


def other_program() -> None:
    Path("bin/second").write_text("#!/bin/sh\n# another version\n")
    another_campaign()()


ONE, OTHER = joined_case.CONFIG["engines"]
OTHER_WORKLOAD = [{**joined_case.CONFIG["workloads"][0], "test_cases": [{"prompt": "Hi", "max_tokens": 5}]}]

UNTIL = {"at_most": 9, "looks": [{"launches": 5, "share": 1}]}

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "options of an engine": (
        another_campaign(
            engines=[joined_case.CONFIG["engines"][0], {**joined_case.CONFIG["engines"][1], "options": {"x": 1}}]
        ),
        r"engines\.second\.options\.x is absent in results/a and 1 in results/b",
    ),
    "program": (
        other_program,
        r"(engines\.second\.\w+|identity of second on w) is '\w+' in results/a and '\w+' in results/b",
    ),
    "threads": (
        another_campaign(system={"device": "cpu", "threads": 3}),
        r"system\.threads is None in results/a and 3 in",
    ),
    "tokens": (another_campaign(workloads=OTHER_WORKLOAD), r"workloads\.w\.cases\.[\w.]+ is .* in results/a and"),
    "seed": (
        another_campaign(benchmark={**joined_case.CONFIG["benchmark"], "seed": 9}),
        r"benchmark\.seed is \d+ in results/a and 9 in results/b",
    ),
    "engine left out": (
        another_campaign(engines=joined_case.CONFIG["engines"][:1]),
        r"engines\.second is .* and absent in results/b",
    ),
    "weights": (
        lambda: each_record(B, lambda one: one["model"].update(weights_sha256="f" * 64)),
        r"model\.weights_sha256 of \w+ on w is .*0000.* in results/a and .*ffff.* in results/b",
    ),
    "version of the measurement": (
        lambda: each_record(B, lambda one: one.update(measure_version=2)),
        r"measure_version of \w+ on w is '1' in results/a and '2' in results/b",
    ),
    "another kind of machine": (
        lambda: joined_case.write(B / "environment.json", joined_case.environment("slow", cpu={"model": "Other 1"})),
        r"results/b: slow is a machine of another kind than quick, .*processor: Other 1 here, .* unlike_machines=true",
    ),
    "a copy": (lambda: (shutil.rmtree(B), shutil.copytree(A, B)), r"results/b and results/a hold the same launch \("),
    "until decided": (
        lambda: change(
            B / "plan.json",
            lambda plan: plan["campaign"].update(until={"at_most": 9, "looks": [{"launches": 5, "share": 1}]}),
        ),
        r"results/b stopped at what it showed",
    ),
    "nothing measured": (lambda: shutil.rmtree(B / "launches"), r"results/b holds no launch"),
    "no environment": (
        (B / "environment.json").unlink,
        r"results/b is no results folder of a campaign: environment\.json is missing",
    ),
    "no folder": (lambda: shutil.rmtree(B), r"results/b is no results folder of a campaign"),
    "a broken plan": (lambda: (B / "plan.json").write_text('{"schema_version": 1'), r"results/b/plan\.json: "),
    "a plan of another shape": (lambda: (B / "plan.json").write_text("[]\n"), r"results/b/plan\.json: "),
    "a link out of it": (lambda: (B / "logs").symlink_to("/etc"), r"logs is a link that leads out of results/b"),
    "a pipe": (lambda: os.mkfifo(B / "fifo"), r"fifo is neither a file nor a folder"),
    "a changed record": (
        lambda: joined_case.records(B)[0].write_text(
            joined_case.records(B)[0].read_text().replace('"attempt": 1', '"attempt": 2')
        ),
        r"results/b/launches/.*record\.json: is not what the launch wrote",
    ),
    "a record of another block": (
        lambda: shutil.copy(joined_case.records(A)[1], joined_case.records(B)[0]),
        r"results/b/launches/.*record\.json: block is 2, and the plan says 1",
    ),
    "looks that are broken": (lambda: (B / "looks.json").write_text("{}"), r"results/b/looks\.json no longer tells"),
}


@pytest.mark.parametrize("make, words", REFUSED.values(), ids=REFUSED)
def test_what_is_not_one_campaign_is_refused_by_what_differs_and_nothing_is_written(make, words):
    make()
    with pytest.raises(BenchmarkError, match=words) as refused:
        named()
    assert "\n" not in str(refused.value)
    assert not C.exists()


@pytest.mark.parametrize(
    ("folders", "out", "words"),
    [
        ("results/a", "results/c", "^folders: join needs two folders or more"),
        ("", "results/c", "^folders: join needs two folders or more"),
        ("results/a,results/a", "results/c", "results/a and results/a are one folder"),
        ("results/a,results/link", "results/c", "results/link and results/a are one folder"),
        ("results/a,results/b", "results/a", "^output_dir: results/a and results/a are one folder"),
        ("results/a,results/b", "results/a/both", "^output_dir: results/a/both and results/a lie in each other"),
        ("results/a,results/b", "results", "^output_dir: results and results/a lie in each other"),
        ("results/a,results/b", "results/taken", "^output_dir: results/taken holds 'notes.txt' and was not joined"),
        ("results/a,results/b", "a\nb", "^output_dir: "),
        ("results/a,~/b", "results/c", "^folders: .*~ is not expanded"),
    ],
)
def test_folders_that_are_one_or_lie_in_each_other_are_refused(folders, out, words):
    Path("results/link").symlink_to("a")
    Path("results/taken").mkdir()
    Path("results/taken/notes.txt").write_text("mine")
    with pytest.raises(BenchmarkError, match=words):
        named(folders, out)


def test_a_folder_that_is_being_measured_is_refused_with_who_measures():
    held = HeldFolder(B / ".benchmark_runner" / "lock")
    with pytest.raises(BenchmarkError, match=rf"results/b is being measured by process {os.getpid()}"):
        named()
    held.close()
    assert named().joins


def test_a_joined_folder_is_not_joined_again_and_nothing_is_measured_in_it(two):
    joined()
    joined_case.measured(Path("results/d"), "third", two, seed=3)
    with pytest.raises(BenchmarkError, match="results/c was itself joined from others; name those"):
        named("results/c,results/d", "results/e")
    config = {**two, "benchmark": {**two["benchmark"], "output_dir": "results/c"}}
    problems = dict(examine_whole(config, joined_case.REPOSITORY / "engines").problems)
    assert "nothing is measured there" in problems["benchmark", "output_dir"]


def test_machines_of_unlike_kinds_are_joined_where_that_is_said():
    joined_case.write(B / "environment.json", joined_case.environment("slow", cpu={"model": "Other 1"}))
    campaign = joined(unlike_machines="yes")
    assert "processor: Other 1 here" in campaign.plan()["campaign"]["joined"]["unlike"]
    others = read_json(C / "environment.json")["other_machines"]
    assert [(one["machine"], one["cpu"]["model"]) for one in others] == [("slow", "Other 1")]


def test_unlike_machines_of_one_name_are_told_apart_by_their_folder():
    other = joined_case.environment("quick", memory={"total_bytes": 1, "swap_total_bytes": 0})
    joined_case.write(B / "environment.json", other)
    joined = named().plan()["campaign"]["joined"]["folders"]
    assert [one["machines"] for one in joined] == [{"quick": "quick"}, {"quick": "quick (results/b)"}]


def test_folders_of_one_machine_share_its_name_whoever_else_has_its_host_name(two):
    for folder, size in ((B, 1), (Path("results/d"), 1), (Path("results/e"), 2)):
        if not folder.exists():
            joined_case.measured(folder, folder.name, two, seed=3)
        other = joined_case.environment("quick", memory={"total_bytes": size, "swap_total_bytes": 0})
        joined_case.write(folder / "environment.json", other)
    folders = named("results/a,results/b,results/d,results/e").plan()["campaign"]["joined"]["folders"]
    names = ["quick", "quick (results/b)", "quick (results/b)", "quick (results/e)"]
    assert [one["machines"]["quick"] for one in folders] == names


def test_a_machine_on_which_an_engine_does_not_compute_the_same_tells_for_the_whole():
    change(B / "fidelity" / "second.json", lambda check: check.update(result="fail"))
    joined()
    assert read_json(C / "fidelity" / "second.json")["result"] == "fail"
    assert read_json(C / "fidelity" / "first.json")["result"] == "pass"


def test_looks_at_a_folder_count_before_the_first_look_at_the_whole():
    seen = [{"launches": 5, "fingerprint": "x"}, {"launches": 5, "fingerprint": "y"}]
    joined_case.write(A / "looks.json", {"schema_version": 1, "looks": {"first/w.1": seen[:1]}})
    joined_case.write(B / "looks.json", {"schema_version": 1, "looks": {"first/w.1": seen, "second/w.1": seen[:1]}})
    joined()
    assert read_json(C / "looks.json")["looks"] == {"first/w.1": seen, "second/w.1": seen[:1]}


def test_files_are_copied_and_compared_where_no_link_can_be_made(monkeypatch):
    def no_link(*_: Any, **__: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    joined()
    first, other = joined_case.records(A)[0], joined_case.records(C)[0]
    assert not first.samefile(other) and first.read_bytes() == other.read_bytes()


def test_another_file_in_the_place_of_a_record_is_never_overwritten():
    joined()
    (C / "plan.json").unlink()
    record = joined_case.records(C)[0]
    record.unlink()
    record.write_text("mine")
    campaign = named()
    write_json(Path("told.json"), campaign.told)
    with pytest.raises(BenchmarkError, match=r"record\.json is not what results/a/launches"):
        join.main(["--joined", "told.json", "--out", "results/c/plan.json"])
    assert record.read_text() == "mine"


def test_settings_of_the_analysis_may_differ_and_the_first_ones_hold():
    change(B / "plan.json", lambda plan: plan["config"]["analysis"].update(confidence_level=0.9))
    told = named().told
    assert told["plan"]["config"]["analysis"]["confidence_level"] == 0.95
    assert "note: analysis as in results/a, where results/b has other settings" in told["remarks"]


@pytest.mark.parametrize("wrong", [None, 3, {"in": 0}, {"in": 7, "block": 1}, {"in": "0", "block": 1}])
def test_a_plan_of_a_joined_folder_that_does_not_say_where_launches_come_from_is_refused(wrong):
    joined()
    plan = read_json(C / "plan.json")
    plan["order"][0]["measured"] = wrong
    (C / "plan.json").write_text(json.dumps(plan) + "\n")
    with pytest.raises(BenchmarkError, match=r"results/c/plan\.json: order: .* says not where it was measured"):
        load_results(as_given({"analyze_only": True, "output_dir": "results/c"}, []), joined_case.REPOSITORY)


def test_join_without_folders_says_what_to_type():
    with pytest.raises(BenchmarkError, match=r"^folders: join needs two folders or more; name folders of campaigns"):
        require_folders(as_given({}, []))


def test_a_folder_may_be_named_in_another_way_than_when_it_was_joined(tmp_path):
    joined()
    assert not named(f"{tmp_path}/results/b,./results/a").joins


def test_a_machine_whose_kernel_takes_other_memory_is_the_same_machine():
    memory = read_json(A / "environment.json")["memory"]
    other = joined_case.environment("quick", memory={**memory, "total_bytes": memory["total_bytes"] - 50_000_000})
    joined_case.write(B / "environment.json", other)
    folders = named().plan()["campaign"]["joined"]["folders"]
    assert [one["machines"] for one in folders] == [{"quick": "quick"}, {"quick": "quick"}]

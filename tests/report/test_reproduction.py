"""reproduction.md: commands, what must match, what to expect, a configuration that is the campaign's."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import yaml

from benchmark_runner.configuration.resolve import resolve
from benchmark_runner.report.machines import machine_table
from benchmark_runner.report.reproduction import reproduction
from benchmark_runner.schemas import first_violation, schema
from finished import finish, make_environment, read


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    folder = finish(tmp_path_factory.mktemp("reproduction"), plots=False)
    return read(folder, "plan.json"), read(folder, "analysis/statistical_summary.json")


def page(campaign, **changes):
    plan, statistics = campaign
    return reproduction(plan, make_environment(**changes), statistics)


def with_git(**changes):
    workflow = make_environment()["workflow"]
    return {"workflow": workflow | {"git": workflow["git"] | changes}}


def test_the_commands_clone_check_out_and_run(campaign):
    text = page(campaign)
    assert "git clone https://example.org/runner.git benchmark-runner" in text
    assert f"git checkout {'c' * 40}" in text
    assert "make run CONFIG=campaign.yaml" in text
    assert "snakemake --cores 1 --resources gpu=1 --configfile campaign.yaml" in text
    assert "differed" not in text


def test_an_address_of_several_lines_stays_one_command(campaign):
    text = page(campaign, **with_git(remote="https://example.org/a\nrm -r ~"))
    assert "git clone 'https://example.org/a\\nrm -r ~' benchmark-runner\n" in text


def test_a_changed_working_tree_is_owned_up_to(campaign):
    text = page(campaign, **with_git(dirty=True, changed_files=[f"file_{number}.py" for number in range(14)]))
    assert "differed from that commit" in text
    assert "`file_9.py` and 4 more" in text


def test_without_an_address_or_a_clone_the_page_says_so(campaign):
    assert "<address of this repository>" in page(campaign, **with_git(remote=None))
    workflow = make_environment()["workflow"] | {"git": None, "git_reason": "not a git repository"}
    assert "The commit is unknown:** not a git repository" in page(campaign, workflow=workflow)


def test_hardware_that_is_not_known_has_its_reason(campaign):
    text = page(campaign)
    assert "| processor | Scripted Processor 9000 |" in text
    assert "| frequency governor | performance |" in text
    assert "| turbo | not known: no cpufreq driver |" in text
    assert "| GPU driver | not known: no GPU: the library is not there |" in text


def test_the_program_inside_an_adapter_is_named_as_the_engine_told_it(campaign):
    plan, statistics = copy.deepcopy(campaign)
    engine = next(one for one in statistics["engines"] if one["name"] == "candle_cuda")
    engine |= {"version": "chat 0f3c", "build_told": {"chat_sha256": "0f3c9a", "commit": "aa6db5c"}}
    built = {"engine": "candle_cuda", "build": None, "build_reason": "brought by the user"}
    text = page((plan, statistics), engines=[built])
    row = next(line for line in text.splitlines() if line.startswith("| engine candle"))
    assert row.endswith("brought by the user; inside: version `chat 0f3c`; chat_sha256 `0f3c9a`; commit `aa6db5c` |")


def test_a_model_of_the_user_is_named_by_its_identity(campaign):
    assert "put one with the identity `scripted-model-1`" in page(campaign)


def test_every_identity_and_every_interval_is_there(campaign):
    plan, statistics = campaign
    text = page(campaign)
    assert all(f"`{launch['identity']}`" in text for launch in plan["order"])
    row = "| candle_cuda | latency_test | end-to-end latency |"
    expected = [line for line in text.splitlines() if line.startswith(row)]
    cell = next(c for c in statistics["cells"] if (c["engine"], c["workload"]) == ("candle_cuda", "latency_test"))
    interval = cell["metrics"]["e2e_ms"]["without_outliers"]["median_interval"]
    figures = " to ".join(f"{interval[bound]:.0f}" for bound in ("low", "high"))
    assert expected == [f"{row} {interval['point']:.0f} ms ({figures}) |"]


def test_an_engine_without_a_measurement_has_its_reason_in_the_table(campaign):
    assert "| burn_cuda | latency_test | end-to-end latency | not known: " in page(campaign)


def test_text_of_others_cannot_break_the_table(campaign):
    plan, statistics = campaign
    hostile = plan | {"campaign": plan["campaign"] | {"name": "a | b\n<script>"}}
    text = reproduction(hostile, make_environment(), statistics)
    assert "# Reproducing “a \\| b &lt;script>”" in text


def test_the_configuration_of_the_page_resolves_to_itself(repository):
    raw = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    config = resolve(raw, [])
    assert resolve(yaml.safe_load(yaml.safe_dump(config, sort_keys=False)), []) == config


def test_a_fetched_model_is_named_with_its_commit(campaign):
    plan, statistics = campaign
    source = {"kind": "hugging_face", "id": "a/b", "revision": "d" * 40}
    text = reproduction(plan | {"model": plan["model"] | {"source": source}}, make_environment(), statistics)
    assert f"`a/b` at `{'d' * 40}`" in text
    assert "HF_TOKEN" in text
    assert "a folder of its user" not in text


def required_alone(document, rules):
    """A document with the keys alone that its schema requires."""
    if not isinstance(document, dict) or "required" not in rules:
        return document
    known = rules.get("properties", {})
    return {key: required_alone(document[key], known.get(key, {})) for key in rules["required"] if key in document}


def test_what_the_schema_requires_is_enough_for_page_and_table_of_machines(campaign):
    plan, statistics = campaign
    least = required_alone(make_environment(), schema("environment"))
    assert "frequency_min_mhz" not in least["cpu"]
    assert "| processor | Scripted Processor 9000 |" in reproduction(plan, least, statistics)
    assert machine_table(SimpleNamespace(environment=least, plan={"campaign": {}})).rows


@pytest.mark.parametrize(
    ("section", "key"), [("memory", "swap_total_bytes"), ("cpu", "flags"), ("python", "implementation")]
)
def test_what_the_page_tells_of_a_machine_is_required(section, key):
    least = make_environment()
    del least[section][key]
    assert f"{section}: {key!r} is a required property" in str(first_violation("environment", least))

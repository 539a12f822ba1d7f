"""Below the first screen: what is folded, where tokens part, and files that are linked."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

from benchmark_runner.records.samples import Sampled, launch_table, write_samples
from benchmark_runner.report import campaign, pairs
from benchmark_runner.report.overview import served_by_all
from benchmark_runner.report.readings import readings
from benchmark_runner.report.results import fidelity, partings
from benchmark_runner.report.sureness import control_ground, fidelity_ground, launch_grounds


def fidelity_of(engine, *prompts):
    keys = ("prompt", "agreed", "of", "first_divergence", "reference_margin")
    return {"engine": engine, "prompts": [dict(zip(keys, prompt, strict=True)) for prompt in prompts]}


def test_each_prompt_whose_tokens_part_is_told_with_its_first_token():
    checked = (
        fidelity_of("same", ("One", 8, 8, None, None)),
        fidelity_of("other", ("One", 8, 8, None, None), ("Two " * 40, 3, 8, 3, 0.00125)),
    )
    table = partings(SimpleNamespace(fidelity=checked, signs={}))
    ((engine, prompt, agreed, first, margin),) = table.rows
    assert (engine.text, agreed.text, first.text, margin.text) == ("other", "3 of 8", "4", "0.00125")
    assert len(prompt.text) < 100


def test_what_requests_at_once_got_has_a_column_where_they_were_asked():
    checked = tuple({**fidelity_of(name), "result": "pass"} for name in ("alone", "serving"))
    without = fidelity(SimpleNamespace(fidelity=checked, signs={}))
    checked[1]["at_once"] = {"result": "rounding", "reason": "1 of 8 requests part"}
    table = fidelity(SimpleNamespace(fidelity=checked, signs={}))
    assert len(table.columns) == len(without.columns) + 1
    place = [column.label for column in table.columns].index("Requests at once")
    assert [row[place].text for row in table.rows] == ["—", "rounding"]


def test_readings_of_a_launch_are_told_from_its_first_sample_and_the_largest_of_many_is_kept(tmp_path):
    start_ns = 5_000_000_000
    samples = [
        {"event": "sample", "time_ns": start_ns + number * 1_000_000, "engine_rss_bytes": (number % 100) * 1_000_000}
        for number in range(1_000)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in samples))
    launch = {"engine": "one", "workload": "chat", "block": 2, "position": 3}
    before = {**launch, "block": 1, "position": 1}
    told = (Sampled.read(one, tmp_path / "metrics.jsonl") for one in (before, launch))
    write_samples(map(launch_table, told), tmp_path / "metrics.parquet")
    record = launch | {
        "status": "ok",
        "started_at": "2026-11-29T08:00:00.000Z",
        "load": {"start_ns": start_ns + 2_000_000, "end_ns": start_ns + 3_500_000},
    }
    seen = SimpleNamespace(
        engines=[{"name": "other"}, {"name": "one"}],
        samples=tmp_path / "metrics.parquet",
        records=[record],
        first_requests=[launch | {"measured_ns": [start_ns + 4_000_000, start_ns + 9_000_000]}],
    )
    told = readings(seen)
    (drawn,) = told["launches"]
    assert told["readings"] == [["engine_rss_bytes", "memory, MB"]]
    assert (drawn["engine"], drawn["load"], drawn["measured"]) == (1, [2.0, 3.5], [4.0, 9.0])
    series = drawn["series"]["engine_rss_bytes"]
    assert len(series) == 200
    assert series[19] == [99.0, 99.0]


def test_of_very_many_pairs_only_the_primary_ones_keep_their_sentences(monkeypatch):
    monkeypatch.setattr(pairs, "MOST_SENTENCES", 1)
    ratio = {"point": 2.0, "low": 1.5, "high": 2.5}
    one = {"workload": "chat", "case": "short", "engine": "b", "reference": "a", "ratio": ratio, "faster": "b"}
    words = {"verdict": "confirmed_faster", "sentence": "b is faster"}
    compared = [
        one | words | {"kind": "primary", "metric": "e2e_ms"},
        one | words | {"kind": "exploratory", "metric": "ttft_ms"},
    ]
    inputs = SimpleNamespace(
        engines=[{"name": "a"}, {"name": "b"}], statistics={"comparisons": compared}, signs={"a": "", "b": ""}
    )
    first, second = pairs.pair_groups(inputs)
    assert first["pairs"] == [[1, 0, 2.0, 1.5, 2.5, "confirmed_faster", 1, "b is faster."]]
    assert second["pairs"] == [[1, 0, 2.0, 1.5, 2.5, "confirmed_faster", 1, None]]


def test_a_campaign_without_samples_has_no_section_of_them(page):
    assert 'id="monitor"' not in page.text


def test_every_file_that_is_linked_lies_beside_the_page(page, campaign):
    section = page.text.partition('<h2 id="downloads">')[2].partition("</section>")[0]
    links = re.findall(r'<a href="([^"#]+)"', section)
    assert "raw_data/candle_cuda.json" in links
    assert [link for link in links if not (campaign / link).exists()] == []


def test_what_is_long_is_folded_and_can_be_linked(page):
    folded = re.findall(r'<summary><h2 id="([a-z-]+)">', page.text)
    assert folded == ["fidelity", "settings", "control", "launches", "environment", "reproduce", "glossary"]


def test_an_engine_that_the_others_are_held_against_is_not_counted_against_itself():
    def ground(reference, **results):
        engines = [{"name": name, "control_of": None, "fidelity": {"result": one}} for name, one in results.items()]
        plan = {"fidelity": {"reference": reference}}
        return fidelity_ground(SimpleNamespace(statistics={"engines": engines}, fidelity=(), plan=plan))

    alike = ground("server", server="not checkable", library="pass")
    told = "1 of 1 engine agrees with server, which itself is not checked"
    assert (alike.kind, alike.text.removeprefix("Same model: ")) == ("doubt", told)
    assert ground("server", server="not checkable", library="fail").kind == "doubt"
    assert ground("server", server="not checkable").kind == "doubt"
    known = ground("torch", torch="pass", library="pass")
    assert (known.kind, known.text) == ("good", "Same model: 2 of 2 engines agree with the reference")


def test_ids_that_part_where_several_requests_are_in_flight_stand_beside_how_sure_it_is():
    found = {"torch": "equal", "library": "rounding", "server": "differs", "other": "not checkable"}
    checked = [{"name": name, "fidelity": {"result": "pass", "at_once": told}} for name, told in found.items()]
    engines = [{**one, "control_of": None} for one in [*checked, {"name": "alone", "fidelity": {"result": "pass"}}]]

    def ground(engines):
        plan = {"fidelity": {"reference": "torch"}}
        return fidelity_ground(SimpleNamespace(statistics={"engines": engines}, fidelity=(), plan=plan))

    beside = "several requests at once against one by one"
    told = f"{beside}: differs: server; {beside}: not checkable: other"
    assert ground(engines).kind == "doubt"
    assert ground(engines).text == f"Same model: 5 of 5 engines agree with the reference; {told}"
    assert ground([*engines[:2], engines[4]]).kind == "good"


def test_memory_is_compared_where_all_engines_had_the_same_to_hold():
    engines = [{"name": "library", "refused_loads": {"arrivals": "serves no open loop"}}, {"name": "server"}]
    plan = {"workloads": [{"name": "arrivals"}, {"name": "closed"}]}
    seen = SimpleNamespace(statistics={"engines": engines}, plan=plan)
    assert served_by_all(seen, ["library", "server"]) == ["closed"]
    assert served_by_all(seen, ["server"]) == ["arrivals", "closed"]
    plan["workloads"].pop()
    assert served_by_all(seen, ["library", "server"]) == ["arrivals"]


def test_a_load_that_an_engine_does_not_serve_stands_among_what_has_no_full_result():
    library = {"name": "library", "status": "ok", "refused_loads": {"arrivals": "serves no open loop"}}
    whole = {"name": "server", "status": "ok"}
    launch = {"engine": "library", "workload": "arrivals", "remedy": "Leave it out"}
    seen = SimpleNamespace(engines=[library, whole], signs={}, records=[launch])
    (row,) = campaign.without_result(seen).rows
    assert row[4].text == "Leave it out"
    assert [cell.text for cell in row[:4]] == ["library", "without arrivals", "none started", "serves no open loop"]
    assert campaign.without_result(SimpleNamespace(engines=[whole], signs={})).rows == []


def test_the_control_names_the_level_at_which_it_differed_most():
    cells = [
        {"workload": "closed", "case": case, "ratio": {"point": point, "low": 0.8, "high": 1.3}, "differs": False}
        for case, point in (("c1", 1.01), ("c3", 1.12))
    ]
    words = {"c1": "with 1 request in flight", "c3": "with 3 requests in flight"}
    results = SimpleNamespace(load_words=lambda cell: words[cell.case])
    seen = SimpleNamespace(statistics={"control": {"cells": cells, "twin": "library"}}, results=results)
    assert control_ground(seen).text.endswith(" in closed with 3 requests in flight, within chance")


def test_launches_of_a_load_that_is_not_served_are_counted_as_not_started():
    library = {"name": "library", "planned_launches": 2, "launches": {"ok": 2}, "refused_loads": {"arrivals": "no"}}
    records = [
        {"engine": "library", "workload": name, "status": status, "warnings": []}
        for name, status in (("chat", "ok"), ("arrivals", "unavailable")) * 2
    ]
    seen = SimpleNamespace(statistics={"engines": [library], "until": None}, records=records)
    counted = next(launch_grounds(seen))
    assert counted.kind == "good"
    assert counted.text.startswith("2 of 2 launches ended well")
    assert counted.text.endswith("2 more were not started, since an engine does not serve their load")

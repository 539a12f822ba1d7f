"""What doctor says of servers that already run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmark_runner.campaign.engines import campaign_engines
from benchmark_runner.doctor.examination import examine_servers
from stub_server import stub


def findings(port: int) -> Any:
    asked = {"base_url": f"http://127.0.0.1:{port}", "model": "m", "api_key_env": None, "body": {}}
    asked |= {"path": "/v1/completions", "past_eos": "goes_on"}
    entry = {"name": "Our-own", "dtype": "f32", "options": {}, "openai_server": asked}
    (engine,) = campaign_engines({"engines": [entry], "system": {"device": "cpu"}}, Path("/nowhere"))
    twin = replace(engine, name="Our-own_control", control_of="Our-own")
    campaign: Any = SimpleNamespace(engines={one.name: one for one in (engine, twin)})
    return examine_servers(campaign)


def test_a_server_that_answers_is_there_and_is_asked_once_for_its_control_too():
    with stub("--ttft-ms", "1", "--gap-ms", "1") as port:
        (found,) = findings(port)
    assert (found.check, found.state) == ("server_our_own", "there")


def test_a_server_that_does_not_answer_is_missing_with_its_remedy():
    with stub() as port:
        pass
    (found,) = findings(port)
    (lack,) = found.lacks
    assert (found.state, lack.cost) == ("missing", "its passes will be unavailable")
    assert "does not answer: Connection refused" in lack.reason
    assert lack.remedy.startswith("Start the server")

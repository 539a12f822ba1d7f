"""What a launch makes of the section `server` of adapter.yaml."""

from __future__ import annotations

import shutil
import socket

import pytest
import yaml

from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.configuration.bodies import section_problems
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.cores import Cores
from benchmark_runner.launch.server import free_port, require_known_places, server_of
from benchmark_runner.processes.adapter import Limit, Limits
from benchmark_runner.schemas import require_valid
from served_case import SECTION

CORES = Cores(None, [0, 1], [3], 2, [])
LIMITS = Limits(*[Limit(40, "the test")] * 3)
SPEC = {"model_dir": "/m", "weights": "w.gguf", "dtype": "f32", "device": "cpu", "threads": 2, "max_seq_len": 50}
SPEC |= {"options": {}}
CASE = {"prompt_ids": [1], "max_new_tokens": 1}
EVERY_PLACE = ["{weights}", "{threads}", "{concurrency}", "{context}", "{context_total}", "{dtype}", "{port}"]


def made(*loads, section=None, cores=CORES, **spec):
    engine = {"server": {**SECTION, "arguments": EVERY_PLACE, **(section or {})}, "build_device": "cpu"}
    cases = [{**CASE, "load": load} for load in loads] or [CASE]
    return server_of(
        engine, {**SPEC, "cases": cases, **spec}, {"packages": {"served": "7"}}, cores=cores, limits=LIMITS
    )


def test_an_engine_that_speaks_the_protocol_is_no_server():
    assert server_of({"name": "x"}, {**SPEC, "cases": [CASE]}, None, cores=CORES, limits=LIMITS) is None


@pytest.mark.parametrize(
    ("loads", "slots"),
    [
        ((), 1),
        (({"mode": "closed", "concurrency": 2}, {"mode": "closed", "concurrency": 8}), 8),
        (({"mode": "open", "requests_per_second": 3},), 16),
    ],
)
def test_arguments_are_filled_in_for_the_highest_level(loads, slots):
    *arguments, port = made(*loads).arguments
    assert arguments == ["/m/w.gguf", "2", str(slots), "50", str(50 * slots), "float32"]
    assert 0 < int(port) < 1 << 16


def test_the_client_is_told_version_limits_and_what_it_may_ask():
    told = made(section={"package": "served", "compiled_graph": False}).told
    assert told["version"] == "7"
    assert told["ready_timeout_seconds"] > 40
    assert (told["load"]["threads"], told["load"]["batch_size"], told["load"]["compiled_graph"]) == (2, 1, False)
    assert told["capabilities"]["ignore_eos"] is True
    assert (
        made(section={"capabilities": {**SECTION["capabilities"], "past_eos": "stops"}}).told["capabilities"][
            "ignore_eos"
        ]
        is False
    )


def test_the_recipes_of_the_documents_are_sections_that_a_launch_can_fill_in(repository):
    text = (repository / "docs" / "servers.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    recipes = [recipe for block in blocks if "server" in (recipe := yaml.safe_load(block))]
    assert [recipe["server"]["engine"] for recipe in recipes] == ["SGLang", "TGI", "mistral.rs", "Ollama"]
    frame = {"description": "d", "licence": "MIT", "language": "python", "devices": ["cpu"], "shared": []}
    frame |= {"first_build": "f", "environment": {"lock": "l", "main": "m"}}
    for recipe in recipes:
        require_valid("adapter", frame | recipe, recipe["server"]["engine"])
        require_known_places(recipe["server"], "docs/servers.md")
        assert list(section_problems(recipe["server"])) == []


def test_a_server_s_own_way_past_an_end_is_told_to_its_client():
    own = {"settings": '{"least": {max_tokens}}'}
    assert made(section={"ignoring_eos": own}).told["ignoring_eos"] == own
    assert "ignoring_eos" not in made().told


KEPT = {"prefix_cache": {"arguments": ["--keep"], "body": {"cache": True}}, "body": {"cache": False}}
CLOSED_TWO = {"mode": "closed", "concurrency": 2}


@pytest.mark.parametrize(
    ("loads", "spec", "is_on"),
    [
        ((CLOSED_TWO,), {"options": {"prefix_cache": True}, "stages": [0]}, True),
        ((CLOSED_TWO,), {"options": {"prefix_cache": False}, "stages": [0]}, False),
        ((CLOSED_TWO,), {"stages": [0]}, False),
        ((), {"options": {"prefix_cache": True}}, False),  # the same prompt comes again
    ],
)
def test_a_cache_of_prefixes_is_on_where_a_launch_under_load_asks_for_it(loads, spec, is_on):
    server = made(*loads, section=KEPT, **spec)
    assert ("--keep" in server.arguments, server.told["body"]["cache"]) == (is_on, is_on)
    assert server.told["options"] == ["prefix_cache"]
    assert made(*loads, **spec).told["options"] == []


def test_a_dtype_that_it_lacks_is_left_to_the_client_to_refuse():
    server = made(dtype="bf16")
    assert server.arguments[-2] == "float32"
    assert server.told["capabilities"]["dtypes"] == ["f32"]


@pytest.mark.parametrize(("monitor", "own"), [([3], True), ([1], False)])
def test_a_client_knows_whether_it_shares_a_core_with_the_server(monitor, own):
    server = made(cores=CORES._replace(monitor=monitor))
    assert (server.cores, server.has_own_cores) == (monitor, own)


def test_a_free_port_can_be_listened_on():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("arguments", ["--gpu={gpu}"], r"adapter.yaml: server: \{gpu\} in '--gpu=\{gpu\}' is not filled in"),
        ("body", {"max_tokens": 4}, "adapter.yaml: server.body.max_tokens: max_tokens of the test case says it"),
        (
            "environment",
            {"SOME_API_KEY": "x9"},
            r"adapter.yaml: server.environment.SOME_API_KEY: what stands here looks",
        ),
    ],
)
def test_what_no_section_may_say_is_refused_by_file_and_name(tmp_path, repository, key, value, words):
    folder = tmp_path / "engines" / "llama-cpp-server"
    shutil.copytree(repository / "engines" / "llama-cpp-server", folder)
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "llama-cpp-bench.txt").touch()
    content = yaml.safe_load((folder / "adapter.yaml").read_text())
    content["server"][key] = value
    (folder / "adapter.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(BenchmarkError, match=words):
        load_adapter(folder)

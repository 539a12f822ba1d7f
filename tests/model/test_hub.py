"""Fetching a model from a hub; the hub is a server on 127.0.0.1, asked by the real huggingface_hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmark_runner.campaign.model import locate_model
from benchmark_runner.model.manifest import build_manifest, file_sha256
from benchmark_runner.model.recipes import HubModel
from hub_server import COMMIT, GATED, REPOSITORY, TOKEN, serving
from tiny_model import make_tiny_llama


@pytest.fixture
def hub(tmp_path):
    """A hub with a model in three shards, and with files that nobody needs."""
    folder = make_tiny_llama(tmp_path / "hub", shards=3)
    (folder / "original").mkdir()
    (folder / "original" / "consolidated.safetensors").write_bytes(b"not wanted")
    (folder / "README.md").write_text("not wanted")
    with serving(folder) as server:
        yield server


@pytest.fixture
def fetch(hub, tmp_path, repository):
    """Runs the stage as the rule does, in a process of its own; returns what it printed and its exit status."""

    def run(*, model=REPOSITORY, revision=COMMIT, address=None, **environment):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        result = subprocess.run(
            [sys.executable, "-m", "benchmark_runner.model.hub", "--id", model, "--revision", revision,
             "--out", str(tmp_path / "models" / "m")],
            env=inherited | {"PYTHONPATH": str(repository / "workflow" / "scripts"), "HF_HOME": str(tmp_path / "home"),
                             "HF_ENDPOINT": address or hub.address, **environment},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        return result.returncode, result.stderr

    return run


def test_what_matters_is_fetched_and_the_manifest_names_repository_and_commit(hub, fetch, tmp_path):
    status, words = fetch()
    assert status == 0, words
    out = tmp_path / "models" / "m"
    names = {path.name for path in out.iterdir()}
    shards = {path.name for path in hub.folder.glob("*.safetensors")}
    assert (
        names
        == {
            "config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "model.safetensors.index.json",
            "source.json",
        }
        | shards
    )
    assert len(shards) == 3
    assert all(file_sha256(out / name) == file_sha256(hub.folder / name) for name in shards)
    model = locate_model(out, {"id": REPOSITORY, "revision": COMMIT}, tmp_path / "hashes.json")
    manifest = build_manifest(out, "m", model.identity, model.maker)
    assert manifest["source"] == {"kind": "hugging_face", "id": REPOSITORY, "revision": COMMIT}
    assert manifest["weights"] == "model.safetensors.index.json"
    assert [path.name for path in out.parent.iterdir()] == ["m"]


def test_the_identity_is_that_of_repository_and_commit_and_known_before(tmp_path):
    one = locate_model(tmp_path / "m", {"id": "a/b", "revision": COMMIT}, tmp_path / "hashes.json")
    assert one.identity == HubModel("a/b", COMMIT).identity
    assert one.identity != HubModel("a/b", COMMIT[::-1]).identity
    assert one.identity != HubModel("a/c", COMMIT).identity


def test_a_gated_model_needs_the_token_of_the_environment(fetch, tmp_path):
    status, words = fetch(model=GATED)
    assert status == 1
    assert "is gated and HF_TOKEN is not set: accept its licence at https://huggingface.co/someone/gated" in words
    status, words = fetch(model=GATED, HF_TOKEN="hf_other")
    assert (status, "the token in HF_TOKEN has no access" in words) == (1, True), words
    status, words = fetch(model=GATED, HF_TOKEN=TOKEN)
    assert status == 0, words
    assert json.loads((tmp_path / "models" / "m" / "source.json").read_text())["source"]["id"] == GATED


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": "someone/else"}, "the hub knows no model someone/else, or it is private"),
        ({"revision": COMMIT[::-1]}, "copy one from https://huggingface.co/someone/tiny/commits/main"),
        ({"address": "http://127.0.0.1:9"}, "the hub cannot be reached"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set; unset it"),
    ],
)
def test_a_failure_is_one_line_with_the_remedy_and_leaves_no_model(fetch, tmp_path, asked, words):
    status, printed = fetch(**asked)
    assert status == 1
    errors = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and words in errors[0], printed
    assert "Traceback" not in printed
    assert not (tmp_path / "models" / "m").exists()


def test_a_file_that_is_not_what_the_hub_states_is_refused(hub, fetch, tmp_path):
    hub.wrong_hash = True
    status, words = fetch()
    assert (status, "the hub states 000" in words) == (1, True), words
    assert not (tmp_path / "models" / "m").exists()


def test_a_stopped_download_goes_on_where_it_was(hub, fetch):
    hub.broken = {"tokenizer.json"}
    status, words = fetch()
    assert (status, "the hub answered" in words) == (1, True), words
    hub.broken = set()
    assert fetch()[0] == 0
    sent = [line for line in hub.asked if line.startswith("GET") and line.endswith("/model-00001.safetensors")]
    assert len(sent) == 1


def test_a_repository_without_safetensors_or_tokenizer_is_refused(hub, fetch):
    (hub.folder / "model.safetensors.index.json").unlink()
    assert "name one with safetensors weights" in fetch()[1]
    (hub.folder / "tokenizer.json").unlink()
    assert "holds no tokenizer.json" in fetch()[1]

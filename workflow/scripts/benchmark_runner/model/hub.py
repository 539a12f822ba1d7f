"""Fetches a model from the Hugging Face hub: python -m benchmark_runner.model.hub --id … --revision … --out ….

The hub's address is HF_ENDPOINT where that is set, the token for gated and private models HF_TOKEN.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from benchmark_runner.commands import command
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.model.checkpoint import (
    NAMED_TEMPLATES,
    OPTIONAL_FILES,
    REQUIRED_FILES,
    SHARDED_WEIGHTS,
    SINGLE_WEIGHTS,
    read_checkpoint,
)
from benchmark_runner.model.manifest import describe_files
from benchmark_runner.model.recipes import HubModel
from benchmark_runner.model.source import made_whole, write_source
from benchmark_runner.terminal import say

TOKEN_VARIABLE: Final = "HF_TOKEN"
WEIGHTS_ENDING: Final = ".safetensors"


def wanted_files(model: HubModel, names: Collection[str]) -> list[str]:
    """Files of a repository that are fetched: one set of weights and what changes ids or computation.

    Raises BenchmarkError where the repository is no Hugging Face model with safetensors weights.
    """
    for name in REQUIRED_FILES:
        if name not in names:
            raise BenchmarkError(f"{model} holds no {name}; name a repository with a model in Hugging Face's format")
    templates = [name for name in names if Path(name).parent == Path(NAMED_TEMPLATES) and name.endswith(".jinja")]
    kept = [*templates, *(name for name in names if name in (*REQUIRED_FILES, *OPTIONAL_FILES))]
    if SINGLE_WEIGHTS in names:
        return sorted([*kept, SINGLE_WEIGHTS])
    if SHARDED_WEIGHTS in names:
        # Shards of other formats lie in folders of their own.
        shards = [name for name in names if name.endswith(WEIGHTS_ENDING) and "/" not in name]
        return sorted([*kept, SHARDED_WEIGHTS, *shards])
    raise BenchmarkError(
        f"{model} holds no {SINGLE_WEIGHTS} and no {SHARDED_WEIGHTS}; name one with safetensors weights"
    )


def in_words(model: HubModel, error: Exception, token: str | None) -> str:
    """What went wrong with the hub, and the remedy."""
    own = "download it elsewhere and name the folder in benchmark.model_path without benchmark.hugging_face"
    if isinstance(error, GatedRepoError):
        have = "the token in HF_TOKEN has no access" if token else f"{TOKEN_VARIABLE} is not set"
        return (
            f"{model} is gated and {have}: accept its licence at https://huggingface.co/{model.id}, put a token of "
            f"that account into {TOKEN_VARIABLE} and run again"
        )
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{model.id} has no commit {model.revision}; copy one from https://huggingface.co/{model.id}/commits/main"
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"the hub knows no model {model.id}, or it is private: check benchmark.hugging_face.id, "
            f"or put a token with access into {TOKEN_VARIABLE}"
        )
    if isinstance(error, OfflineModeIsEnabled):
        return f"{model} cannot be fetched: HF_HUB_OFFLINE is set; unset it, or {own}"
    if isinstance(error, HfHubHTTPError):
        return f"{model} cannot be fetched: the hub answered {error}; try again later, or {own}"
    return f"{model} cannot be fetched: the hub cannot be reached ({error}); check the network, or {own}"


def download(model: HubModel, folder: Path, token: str | None) -> None:
    """Put the model's files into folder; what lies there of an earlier try is not fetched again.

    Raises BenchmarkError in words of in_words, and where a file is not what the hub says it holds.
    """
    api = HfApi(token=token or False)
    try:
        info = api.model_info(model.id, revision=model.revision, files_metadata=True)
        entries = {entry.rfilename: entry for entry in info.siblings or []}
        for name in wanted_files(model, entries):
            size = entries[name].size
            say(f"  {name}{f' ({size / 1e9:.2f} GB)' if size else ''}")
            api.hf_hub_download(model.id, name, revision=model.revision, local_dir=folder)
    except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
        raise BenchmarkError(in_words(model, error, token)) from error
    if info.sha != model.revision:
        raise BenchmarkError(f"the hub gave commit {info.sha} of {model.id} where {model.revision} was asked for")
    found = describe_files(folder, wanted_files(model, entries))
    for name, entry in found.items():
        stated = entries[name].lfs
        if stated is not None and stated.sha256 != entry["sha256"]:
            raise BenchmarkError(
                f"{name} of {model} arrived with sha256 {entry['sha256']}, the hub states {stated.sha256}; "
                f"delete {folder} and run again"
            )


def fetch(model: HubModel, out: Path, token: str | None) -> None:
    """Make the whole folder out, or leave what was there; a download that was stopped goes on where it was."""
    staging = out.with_name(f".{out.name}.{model.revision}.download")
    staging.mkdir(parents=True, exist_ok=True)
    say(f"fetching {model} into {out}")
    download(model, staging, token)
    names = read_checkpoint(staging).files
    with made_whole(out) as fresh:
        for name in names:
            (fresh / name).parent.mkdir(exist_ok=True)
            (staging / name).rename(fresh / name)
        write_source(fresh, model.identity, model.source(), describe_files(fresh, names))
    shutil.rmtree(staging)
    say(f"{model}: ready in {out}")


def main(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Fetch the model --id at --revision into the folder --out."""
    parser = command("model.hub", main.__doc__, out="folder to make")
    parser.add_argument("--id", required=True, help="owner/name on the hub")
    parser.add_argument("--revision", required=True, help="commit of the repository")
    arguments = parser.parse_args(argv)
    fetch(HubModel(arguments.id, arguments.revision), arguments.out, environment.get(TOKEN_VARIABLE))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))

"""What a person with typos reads: one message each, all at once, before anything is built, through Snakemake itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tiny_campaign import FAKE_ENGINE, REPOSITORY, SNAKEMAKE

pytestmark = pytest.mark.workflow

TEN_TYPOS = f"""\
benchmark:
  output_dir: results/x
  model_path: models/tny
  lanches: 5
engines:
  - name: my engine
    binary_path: {FAKE_ENGINE}
  - name: candle
    binary_path: ./target/release/candel-bench
    dtype: fp16
workloads:
  - name: chat
    iterations: -10
    test_cases:
      - prompt: ""
        max_tokens: 4
  - name: Chat
    test_cases:
      - promt: Hello
        max_tokens: 4
monitoring: [gpu_metrics]
"""

TEN_MESSAGES = {
    3: "benchmark.model_path: 'models/tny' is no folder; did you mean 'models/tiny'?",
    4: "benchmark.lanches: unknown key 'lanches'; did you mean 'launches'?",
    6: 'engines[0].name: "my engine" is no name',
    9: "engines[1].binary_path: './target/release/candel-bench' is no file",
    10: "engines[1].dtype: \"fp16\" is not allowed; write one of f32, f16, bf16; did you mean 'f16'?",
    13: "workloads[0].iterations: -10 is not allowed; write a whole number, at least 1",
    15: "workloads[0].test_cases[0].prompt: the prompt is empty",
    17: "workloads[1].name: 'Chat' is there twice (as 'chat'",
    19: "workloads[1].test_cases[0].promt: unknown key 'promt'; did you mean 'prompt'?",
    21: 'monitoring: ["gpu_metrics"] is not allowed; write a map of keys',
}
"""By line of TEN_TYPOS."""


def run(folder: Path, text: str | bytes, *arguments: str) -> tuple[int, str]:
    """Exit status and words of a call with a configuration of this text."""
    file = folder / "mine.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    command = [SNAKEMAKE, "-s", REPOSITORY / "Snakefile", "--cores", "1", "--configfile", "mine.yaml", *arguments]
    result = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stdout
    return result.returncode, result.stdout


def test_a_person_with_ten_typos_reads_ten_messages(campaign):
    status, words = run(campaign.folder, TEN_TYPOS)
    assert status != 0
    messages = [line.strip() for line in words.splitlines() if line.startswith("  mine.yaml:")]
    assert "the configuration has 10 problems" in words, words
    for message, (line, start) in zip(messages, TEN_MESSAGES.items(), strict=True):
        assert message.startswith(f"mine.yaml:{line}: {start}")
    assert sorted(path.name for path in campaign.folder.iterdir()) == [".snakemake", "mine.yaml", "models"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"benchmark: [x\nengines: 1\n", "error: mine.yaml:2: this is not YAML: expected ',' or ']'"),
        (b"benchmark:\n  name: caf\xe9\n", "error: mine.yaml:2: byte 0xe9 is not UTF-8; save the file in"),
        (b"- benchmark\n- engines\n", "error: mine.yaml:1: the file holds a list; a map of keys belongs here"),
        (b"", "error: mine.yaml:1: the file holds nothing"),
    ],
)
def test_a_file_that_snakemake_itself_cannot_read_gets_our_words(campaign, content, message):
    status, words = run(campaign.folder, content)
    assert status != 0
    assert message in words
    assert "WorkflowError" not in words


def test_a_configuration_file_that_is_not_there_is_named(campaign):
    status, words = run(campaign.folder, TEN_TYPOS, "--configfile", "yours.yaml")
    assert status != 0
    assert "error: yours.yaml: the file cannot be read (No such file or directory); check the path" in words


def test_overrides_of_keys_that_do_not_exist_are_named_as_such(campaign):
    campaign.command()
    status, words = run(
        campaign.folder,
        (campaign.folder / "config.yaml").read_text(),
        *("--config", "only_engine=fast", "system={thread: 2}"),
    )
    assert status != 0
    assert "--config: only_engine: unknown key 'only_engine'; did you mean 'only_engines'?" in words
    assert "--config: system.thread: unknown key 'thread'; did you mean 'threads'?" in words


def test_overrides_inside_a_section_have_the_types_of_its_keys(campaign):
    campaign.command()
    text = (campaign.folder / "config.yaml").read_text()
    status, words = run(campaign.folder, text, "-n", "--config", "monitoring={sample_interval_ms: 30, gpu_metrics: no}")
    assert status == 0, words


def test_a_key_that_stands_twice_is_named_with_both_lines(campaign):
    status, words = run(campaign.folder, TEN_TYPOS.replace("  lanches: 5\n", "  output_dir: results/y\n"))
    assert status != 0
    assert "mine.yaml:4: benchmark.output_dir: the key stands twice, first in line 2; remove one" in words


def test_what_the_machine_lacks_is_refused_under_strict(campaign):
    campaign.config["system"] |= {"strict": True, "cpu_affinity": [0, 4000], "threads": 4000}
    finished = campaign.snakemake()
    assert finished.status != 0
    assert "system.cpu_affinity: core 4000 cannot be used here" in finished.words
    assert "system.threads: 4000 threads are more than" in finished.words
    assert not campaign.out.exists()


def test_what_the_machine_lacks_is_said_once_and_no_more_when_nothing_is_owed(campaign):
    campaign.config["system"] |= {"cpu_affinity": [0, 4000]}
    campaign.config["engines"] = campaign.config["engines"][:1]
    campaign.config["workloads"] = campaign.config["workloads"][:1]
    campaign.config["benchmark"] |= {"launches": 2, "control": False}
    campaign.config["analysis"] = {"generate_plots": False}
    assert "note:" not in campaign.snakemake("-n").words
    finished = campaign.snakemake()
    assert finished.status == 0, finished.words
    note = "note: system.cpu_affinity: core 4000 cannot be used here"
    assert finished.words.count(note) == 1
    assert "engines use 0 (system.strict: true would refuse)" in finished.words
    campaign.config["analysis"] |= {"outlier_threshold": 3}
    assert note not in campaign.snakemake().words
